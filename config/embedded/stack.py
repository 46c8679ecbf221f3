"""The embedded servers of a state directory: those whose address the settings do not name."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType

from dotenv import dotenv_values

from config.embedded.milvus import MilvusLite
from config.embedded.postgres import Postgres
from config.embedded.secrets import stored_secrets
from config.embedded.server import Server
from config.embedded.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent.parent
SERVERS: dict[str, type[Server]] = {
    server.name: server for server in (Postgres, Valkey, MilvusLite)
}
UNREACHABLE = {
    "DATABASE_URL": "postgresql://none@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "MILVUS_URI": "http://127.0.0.1:1",
}
"""Addresses of servers that are not needed: a connection fails at once."""
EXTERNAL_SETTINGS = (
    "AWS_STORAGE_BUCKET_NAME",
    "AWS_S3_ENDPOINT_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
    "MILVUS_TOKEN",
    "BREACHED_PASSWORDS_URL",
    "CLAMAV_ADDRESS",
)
"""Blanked for tests whatever the environment or `.env` says: none may reach an external service."""


def configured_settings() -> dict[str, str]:
    """Return the settings of the environment and, below them, of the file `.env`."""
    merged = {**dotenv_values(ROOT / ".env"), **os.environ}
    return {name: value for name, value in merged.items() if value}


class Stack:
    """
    The embedded servers of a state directory; as a context manager it starts and stops them.

    settings: `configured_settings()` by default; a server that they name is not started.
    needs: names of the servers to start.
    """

    def __init__(
        self,
        state: Path,
        *,
        settings: Mapping[str, str] | None = None,
        needs: Collection[str] = tuple(SERVERS),
        is_throwaway: bool = False,
    ) -> None:
        self.state = state.resolve()
        self.logs = self.state / "logs"
        self._settings = configured_settings() if settings is None else settings
        self.servers = {
            name: server(directory=self.state / name, logs=self.logs, is_throwaway=is_throwaway)
            for name, server in SERVERS.items()
            if name in needs and not self._settings.get(server.setting)
        }

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of processes that use these servers; complete after `prepare`."""
        defaults = {**stored_secrets(self.state / "secrets.env"), **UNREACHABLE}
        environment = {
            name: self._settings.get(name, default) for name, default in defaults.items()
        }
        environment |= {server.setting: server.url for server in self.servers.values()}
        return environment | {"STATE_DIR": str(self.state)}

    def prepare(self) -> list[Server]:
        """Prepare data and ports; return the servers that are to be started."""
        self.state.mkdir(parents=True, exist_ok=True)
        return [server for server in self.servers.values() if server.prepare()]

    def start(self) -> None:
        """Start every server. Raises ServerFailed; then none is left running."""
        self.state.mkdir(parents=True, exist_ok=True)
        try:
            for server in self.servers.values():
                server.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the servers that this object started. Safe to repeat."""
        for server in reversed(self.servers.values()):
            server.stop()

    def remove(self) -> None:
        """Delete the data of the servers; they must not run."""
        for server in self.servers.values():
            server.remove()

    def __enter__(self) -> "Stack":
        self.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()
