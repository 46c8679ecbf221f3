"""Steps of bin/test: each is a command with a result and a duration."""

import json
import re
import subprocess
import threading
import time
from collections import Counter
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


class RunningStep:
    """A command that runs in the background; its result, and output if it fails, is shown."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        directory: Path,
        environment: Mapping[str, str],
        console: Console,
    ) -> None:
        self.name = name
        self._console = console
        self._started_at = time.monotonic()
        self._process = _start_process(command, directory=directory, environment=environment)
        self._result: StepResult | None = None
        # A daemon, so that an interrupted run does not wait for it.
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def finish(self) -> StepResult:
        """Wait for the command; return its result."""
        self._thread.join()
        assert self._result
        return self._result

    def _wait(self) -> None:
        output, _ = self._process.communicate()
        self._result = StepResult(
            name=self.name,
            exit_code=self._process.returncode,
            seconds=time.monotonic() - self._started_at,
        )
        if self._result.exit_code:
            self._console.rule(f"[red]{self.name} failed")
            print(output, flush=True)
        _show_result(self._console, self._result)


def run_pytest(
    command: Sequence[str], *, directory: Path, environment: Mapping[str, str], console: Console
) -> tuple[StepResult, str]:
    """Run pytest and print its output meanwhile; return its result and its summary line."""
    started_at = time.monotonic()
    process = _start_process(command, directory=directory, environment=environment)
    summary = ""
    assert process.stdout
    for line in process.stdout:
        print(line, end="", flush=True)
        plain = _COLORS.sub("", line.strip())
        if _SUMMARY.match(plain):
            summary = plain
    result = StepResult(
        name="pytest", exit_code=process.wait(), seconds=time.monotonic() - started_at
    )
    _show_result(console, result)
    return result, summary


def failed_tests(report: Path) -> list[str]:
    """Return the names of the tests that failed or broke, from pytest's JUnit report, in order."""
    failed = [
        _name(case)
        for case in _cases(report)
        if case.find("failure") is not None or case.find("error") is not None
    ]
    return list(dict.fromkeys(failed))


def show_unstable(names: Sequence[str], console: Console) -> None:
    """Show the tests that failed beside others and passed alone: faults of a test or the code."""
    console.print(
        Panel(
            "\n".join(names),
            title=f"{len(names)} UNSTABLE: failed beside other tests, passed alone; find out why",
            style="bold yellow",
        )
    )


def show_skipped(report: Path, console: Console) -> None:
    """Show the skipped tests and the reasons, from pytest's JUnit report."""
    skipped = [
        (_name(case), mark.get("message") or "no reason given")
        for case in _cases(report)
        for mark in case.findall("skipped")
    ]
    if skipped:
        lines = "\n".join(f"{name}: {reason}" for name, reason in skipped)
        console.print(
            Panel(
                lines, title=f"{len(skipped)} SKIPPED: not tested by this run", style="bold yellow"
            )
        )


def _cases(report: Path) -> list[ElementTree.Element]:
    if not report.exists():
        return []
    # Our own pytest has just written it: the file cannot hold an entity bomb.
    return list(ElementTree.parse(report).iter("testcase"))  # noqa: S314  # see above


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def show_results(results: Sequence[StepResult], console: Console) -> None:
    """Print a table of the steps."""
    table = Table("step", "result", "seconds")
    for result in results:
        table.add_row(
            result.name, "[red]failed[/red]" if result.exit_code else "ok", f"{result.seconds:.1f}"
        )
    console.print(table)


def show_coverage(report: Path, console: Console) -> None:
    """Show the share of lines that the tests ran, by package, from coverage's JSON report."""
    if not report.exists():
        return
    files = json.loads(report.read_text())["files"]
    statements: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    for name, file in files.items():
        package = Path(name).parts[0]
        statements[package] += file["summary"]["num_statements"]
        covered[package] += file["summary"]["covered_lines"]
    table = Table("package", "statements", "run", "share")
    for package in sorted(statements):
        _add_coverage_row(table, package, statements[package], covered[package])
    _add_coverage_row(table, "all", statements.total(), covered.total())
    console.print(table)


def _add_coverage_row(table: Table, package: str, statements: int, covered: int) -> None:
    share = covered / statements if statements else 1.0
    table.add_row(package, str(statements), str(covered), f"{share:.1%}")


def _show_result(console: Console, result: StepResult) -> None:
    word = f"[red]failed ({result.exit_code})[/red]" if result.exit_code else "[green]ok[/green]"
    console.print(f"  {word}  {result.name} [dim]({result.seconds:.1f} s)[/dim]")


def _start_process(
    command: Sequence[str], *, directory: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[str]":
    """Start a command in a new session; a caller that is interrupted must end it."""
    return subprocess.Popen(
        launch_command(command),
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
