"""Steps of bin/test: each is a command with a result and a duration."""

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

from config.embedded.launcher import launch_command

_SUMMARY = re.compile(r"^=+ .*\bin [\d.]+s.* =+$")
_COLORS = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """The outcome of a step."""

    name: str
    exit_code: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningStep:
    """A command that is running."""

    name: str
    process: subprocess.Popen[str]
    started: float

    def finish(self, console: Console) -> StepResult:
        """Wait for the command; show its result, and its output if it failed."""
        output, _ = self.process.communicate()
        result = StepResult(
            name=self.name,
            exit_code=self.process.returncode,
            seconds=time.monotonic() - self.started,
        )
        if result.exit_code:
            console.rule(f"[red]{self.name} failed")
            print(output, flush=True)
        _show_result(console, result)
        return result


def start_step(
    name: str, command: Sequence[str], *, directory: Path, environment: Mapping[str, str]
) -> RunningStep:
    """Start a step; a caller that is interrupted must end it."""
    process = subprocess.Popen(
        launch_command(command),
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    return RunningStep(name=name, process=process, started=time.monotonic())


def run_pytest(step: RunningStep, console: Console) -> tuple[StepResult, str]:
    """Print the output of pytest while it runs; return its result and its summary line."""
    summary = ""
    assert step.process.stdout
    for line in step.process.stdout:
        print(line, end="", flush=True)
        plain = _COLORS.sub("", line.strip())
        if _SUMMARY.match(plain):
            summary = plain
    exit_code = step.process.wait()
    result = StepResult(
        name=step.name, exit_code=exit_code, seconds=time.monotonic() - step.started
    )
    _show_result(console, result)
    return result, summary


def show_skipped(report: Path, console: Console) -> None:
    """Show the skipped tests and the reasons, from pytest's JUnit report."""
    if not report.exists():
        return
    # Our own pytest has just written it: the file cannot hold an entity bomb.
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
                lines, title=f"{len(skipped)} SKIPPED: not tested by this run", style="bold yellow"
            )
        )


def show_results(results: Sequence[StepResult], console: Console) -> None:
    """Print a table of the steps."""
    table = Table("step", "result", "seconds")
    for result in results:
        table.add_row(
            result.name, "[red]failed[/red]" if result.exit_code else "ok", f"{result.seconds:.1f}"
        )
    console.print(table)


def _show_result(console: Console, result: StepResult) -> None:
    word = f"[red]failed ({result.exit_code})[/red]" if result.exit_code else "[green]ok[/green]"
    console.print(f"  {word}  {result.name} [dim]({result.seconds:.1f} s)[/dim]")
