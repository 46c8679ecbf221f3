"""Which servers are started: those whose address the environment does not give."""

import base64
import os
import secrets
import signal
from pathlib import Path
from types import TracebackType

from config.embedded.servers import Milvus, Postgres, Server, Valkey

SERVERS: dict[str, type[Server]] = {"DATABASE_URL": Postgres, "REDIS_URL": Valkey, "MILVUS_URI": Milvus}


class Stack:
    """The servers of one state directory, and the environment that points to them."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.servers: dict[str, Server] = {}
        self.environment: dict[str, str] = {}

    def __enter__(self) -> "Stack":
        self.environment = {**_secrets(self.state), "STATE_DIR": str(self.state)}
        try:
            for setting, kind in SERVERS.items():
                if os.environ.get(setting):
                    self.environment[setting] = os.environ[setting]
                    continue
                server = kind(self.state / kind.__name__.lower())
                self.servers[setting] = server
                server.start()
                self.environment[setting] = server.url
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End what was started; nothing interrupts it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for server in reversed(self.servers.values()):
            server.stop()

    def remove(self) -> None:
        """Delete the clusters that lie outside the state directory."""
        for server in self.servers.values():
            if isinstance(server, Postgres):
                server.remove()

    def revive(self) -> list[str]:
        """Start again the servers that died; return their names."""
        dead = [server for server in self.servers.values() if not server.is_alive()]
        for server in dead:
            server.start()
        return [server.name for server in dead]


def _secrets(state: Path) -> dict[str, str]:
    """Make the secrets of a state directory once, readable by its owner only."""
    kept = state / "secrets.env"
    if not kept.exists():
        state.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        key = base64.b64encode(os.urandom(32)).decode()
        kept.write_text(f"SECRET_KEY={secrets.token_urlsafe(50)}\nKEY_RING=k1:{key}\n")
    pairs = dict(line.split("=", 1) for line in kept.read_text().splitlines())
    return {name: os.environ.get(name) or value for name, value in pairs.items()}
