"""
Backup, wipe and restore: seconds per million rows, and equal checksums.

`--size` rows in the tables of a catalogue with listings, offers, prices, purchases and events. The
restoration goes to an empty PostgreSQL whose data is durable.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.embedded.stack import ROOT, Stack
from config.embedded.test import throwaway_directory
from tests.bench.comparison import Comparison
from tests.bench.console import generate

SIZE = 1_000_000
# Rows of all tables for each product that `console_rows.sql` generates.
_ROWS_PER_PRODUCT = 12
_MILLION = 1_000_000
# A row of the table that the commands print: the part, and its seconds per million.
_PART = re.compile(r"^│ ([a-z ]+?) *│.*│ *([\d.,]+) *│$", re.MULTILINE)


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return seconds per million rows of each part, and the tables whose checksum differs."""
    products = max(100, size // _ROWS_PER_PRODUCT)
    generate(products=products, prices=products)
    rows = 0
    seconds: dict[str, list[float]] = defaultdict(list)
    differing = []
    for _ in range(rounds):
        directory = throwaway_directory()
        stack = Stack(directory / "state", settings={}, needs=("postgres", "valkey", "milvus"))
        try:
            before, output, duration = _backup(directory / "backups", dict(os.environ))
            rows = before.rows
            _add(seconds, "backup", output, duration * _MILLION / rows)
            stack.start()
            # The same keys, which sign the backup; all servers are new.
            servers = {server.setting: server.url for server in stack.servers.values()}
            environment = {**os.environ, **servers, "STATE_DIR": str(stack.state)}
            output, duration = _run("restore", str(before.directory), environment=environment)
            _add(seconds, "restore", output, duration * _MILLION / rows)
            after, _, _ = _backup(directory / "again", environment)
        finally:
            stack.stop()
            stack.remove()
            shutil.rmtree(directory, ignore_errors=True)
        differing.append(
            float(
                sum(after.checksums.get(name) != value for name, value in before.checksums.items())
            )
        )
        advance()
    return [
        Comparison(name="tables that differ", unit="", limit=0, is_ceiling=True, ratios=differing),
        *(
            Comparison(name=f"{name}, per million of {rows:,} rows", unit="s", ratios=values)
            for name, values in seconds.items()
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Backup:
    directory: Path
    rows: int
    checksums: dict[str, str]


def _backup(directory: Path, environment: dict[str, str]) -> tuple[_Backup, str, float]:
    """Make a backup; return it with the output and the duration of the command."""
    output, duration = _run("backup", str(directory), environment=environment)
    made = Path(output.splitlines()[-1])
    manifest = json.loads((made / "manifest.json").read_text())
    tables = manifest["tables"]
    return (
        _Backup(
            made,
            sum(table["rows"] for table in tables.values()),
            {name: table["checksum"] for name, table in tables.items()},
        ),
        output,
        duration,
    )


def _run(*arguments: str, environment: dict[str, str]) -> tuple[str, float]:
    """Run a management command; return its output and its duration. Raises CalledProcessError."""
    started = time.monotonic()
    process = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        sys.stderr.write(process.stdout + process.stderr)
        process.check_returncode()
    return process.stdout, time.monotonic() - started


def _add(seconds: dict[str, list[float]], command: str, output: str, whole: float) -> None:
    """Add the seconds per million of the whole command and of its parts."""
    seconds[f"{command}, whole"].append(whole)
    for part, per_million in _PART.findall(output):
        seconds[f"{command}, {part.strip()}"].append(float(per_million.replace(",", "")))
