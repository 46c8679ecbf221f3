"""Steps of a proof: each is a command with a name, a result and a time."""

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from config.embedded.launcher import wrapped

_SUMMARY = re.compile(r"^=+ .*\bin [\d.]+s.* =+$")
_COLORS = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a step went; code: its exit code."""

    name: str
    code: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command that runs."""

    name: str
    process: subprocess.Popen[str]
    started: float

    def finish(self, console: Console) -> Result:
        """Wait for its end; say how it went, and what it said when it failed."""
        said, _ = self.process.communicate()
        result = Result(
            name=self.name, code=self.process.returncode, seconds=time.monotonic() - self.started
        )
        if result.code:
            console.rule(f"[red]{self.name} failed")
            print(said, flush=True)
        _say(console, result)
        return result


def begin(
    name: str, command: Sequence[str], *, directory: Path, environment: Mapping[str, str]
) -> Step:
    """Start a step; whoever is interrupted before its end has to end it."""
    process = subprocess.Popen(
        wrapped(command),
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return Step(name=name, process=process, started=time.monotonic())


def run_pytest(step: Step, console: Console) -> tuple[Result, str]:
    """Pass on what pytest says as it says it; returns its result and its closing line."""
    summary = ""
    assert step.process.stdout
    for line in step.process.stdout:
        print(line, end="", flush=True)
        plain = _COLORS.sub("", line.strip())
        if _SUMMARY.match(plain):
            summary = plain
    code = step.process.wait()
    result = Result(name=step.name, code=code, seconds=time.monotonic() - step.started)
    _say(console, result)
    return result, summary


def show_skipped(report: Path, console: Console) -> None:
    """Say loudly which tests were skipped and why, from pytest's JUnit report."""
    if not report.exists():
        return
    # Written by our own pytest a moment ago: there is nobody to send an entity bomb.
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314
    skipped = [
        (f"{case.get('classname')}::{case.get('name')}", mark.get("message") or "no reason given")
        for case in cases
        for mark in case.findall("skipped")
    ]
    if skipped:
        lines = "\n".join(f"{name}: {reason}" for name, reason in skipped)
        console.print(
            Panel(
                lines, title=f"{len(skipped)} SKIPPED: not proved by this run", style="bold yellow"
            )
        )


def show_results(results: Sequence[Result], console: Console) -> None:
    """Print a table of the steps."""
    table = Table("step", "result", "seconds")
    for result in results:
        table.add_row(
            result.name, "[red]failed[/red]" if result.code else "ok", f"{result.seconds:.1f}"
        )
    console.print(table)


def _say(console: Console, result: Result) -> None:
    word = f"[red]failed ({result.code})[/red]" if result.code else "[green]ok[/green]"
    console.print(f"  {word}  {result.name} [dim]({result.seconds:.1f} s)[/dim]")
