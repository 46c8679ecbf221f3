"""Which servers are started: those whose address the settings do not give."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType

from dotenv import dotenv_values

from config.embedded.milvus import MilvusLite
from config.embedded.postgres import Postgres
from config.embedded.secrets import kept_secrets
from config.embedded.server import Server
from config.embedded.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent.parent
SERVERS: dict[str, type[Server]] = {kind.name: kind for kind in (Postgres, Valkey, MilvusLite)}
NOWHERE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "MILVUS_URI": "http://127.0.0.1:1",
}
"""Stand for servers that are not needed: reaching for one fails at once."""


def given_settings() -> dict[str, str]:
    """Return what the environment says, and for the rest what `.env` says, as the settings are read."""
    return {
        name: value
        for name, value in {**dotenv_values(ROOT / ".env"), **os.environ}.items()
        if value
    }


class Stack:
    """
    The servers of one state directory, and the environment that points to them; a context that starts and stops them.

    settings: those given from outside, `given_settings()` by default; a server they name is not started.
    needs: names of servers.
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
        self._given = given_settings() if settings is None else settings
        self.servers = {
            name: kind(directory=self.state / name, logs=self.logs, is_throwaway=is_throwaway)
            for name, kind in SERVERS.items()
            if name in needs and not self._given.get(kind.setting)
        }

    @property
    def environment(self) -> dict[str, str]:
        """What processes need in their environment to use these servers; complete once the servers are prepared."""
        made = {**kept_secrets(self.state / "secrets.env"), **NOWHERE}
        environment = {name: self._given.get(name, value) for name, value in made.items()}
        environment |= {server.setting: server.url for server in self.servers.values()}
        return environment | {"STATE_DIR": str(self.state)}

    def prepare(self) -> list[Server]:
        """Make data and choose ports; returns the servers that are to be run, without those that run already."""
        self.state.mkdir(parents=True, exist_ok=True)
        return [server for server in self.servers.values() if server.prepare()]

    def start(self) -> None:
        """Start every server; raises ServerFailed, and then none is left running."""
        self.state.mkdir(parents=True, exist_ok=True)
        try:
            for server in self.servers.values():
                server.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the servers that this object started. Safe to repeat."""
        for server in reversed(self.servers.values()):
            server.stop()

    def remove(self) -> None:
        """Delete the data of the servers, wherever it lies; they must not run."""
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
