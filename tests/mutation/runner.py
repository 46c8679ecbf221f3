"""
A pytest plugin that tests each mutant of functions in a process that it forks.

It first runs every test once and records which lines of the modules it ran; a mutant is then tested
with the tests that ran its lines, the fastest first, until one fails. Changes outside of functions
have their effect when a module is imported; they are left to `tests.mutation.imported`, as are
those that change which variables of an outer function are used.
"""

import gc
import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import _lru_cache_wrapper
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from django.db import connections

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.targets import Target

KILLED, SURVIVED, TIMEOUT, UNTESTED = "killed", "survived", "timeout", "no test"
NOT_APPLIED = "not applied"
_NOTICED, _NOT_APPLIED = 1, 2
_MIN_SECONDS = 20.0
_CONTROL_SECONDS = 600.0
_ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Result of a mutant. status: killed, timeout (counts as killed), survived or no test."""

    path: str
    index: int
    line: int
    function: str
    description: str
    status: str


def outcome_of(mutant: Mutant, status: str) -> Outcome:
    """Return the result of a mutant."""
    return Outcome(
        path=mutant.path,
        index=mutant.index,
        line=mutant.lines[0],
        function=mutant.function,
        description=" ".join(mutant.description.split())[:160],
        status=status,
    )


class MutationRunner:
    """Runs the tests of some modules with each of their mutants, and writes the results as JSON."""

    def __init__(self, targets: Sequence[Target], report: Path) -> None:
        self._targets = {str(_ROOT / target.path): target for target in targets}
        self._report = report
        self._lines: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._seconds: dict[str, float] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests once, then with each mutant."""
        if session.testsfailed:
            raise session.Interrupted("tests cannot be collected")
        for item in session.items:
            self._run_baseline(item, session)
        if not self._run_forked(session, session.items, None, _CONTROL_SECONDS) == SURVIVED:
            raise session.Interrupted("the unchanged tests fail in a forked process")
        known = {
            (fields["path"], fields["index"]) for fields in json.loads(self._report.read_text())
        }
        outcomes: list[Outcome] = []
        self._write(outcomes)
        for path, target in self._targets.items():
            for mutant in mutants_of(Path(path).read_text(), path=target.path, only=target.only):
                if not mutant.function or (mutant.path, mutant.index) in known:
                    continue
                status = self._test(session, path, mutant)
                if status != NOT_APPLIED:
                    outcomes.append(outcome_of(mutant, status))
                    self._write(outcomes)
        return True

    def _write(self, outcomes: Sequence[Outcome]) -> None:
        self._report.write_text(json.dumps([asdict(outcome) for outcome in outcomes]))

    def _run_baseline(self, item: pytest.Item, session: pytest.Session) -> None:
        def trace(frame: FrameType, _event: str, _argument: Any) -> Any:
            ran = lines.get(frame.f_code.co_filename)
            return None if ran is None else record

        def record(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line":
                lines[frame.f_code.co_filename].add(frame.f_lineno)
            return record

        lines: dict[str, set[int]] = {path: set() for path in self._targets}
        start = time.monotonic()
        sys.settrace(trace)
        try:
            is_passed = _run(item, session)
        finally:
            sys.settrace(None)
        if not is_passed:
            raise session.Interrupted(f"{item.nodeid} fails without a mutant")
        self._seconds[item.nodeid] = time.monotonic() - start
        for path, ran in lines.items():
            self._lines[path][item.nodeid] |= ran

    def _test(self, session: pytest.Session, path: str, mutant: Mutant) -> str:
        changed = set(range(mutant.lines[0], mutant.lines[1] + 1))
        items = [item for item in session.items if self._lines[path][item.nodeid] & changed]
        if not items:
            return UNTESTED
        items.sort(key=lambda item: self._seconds[item.nodeid])
        limit = _MIN_SECONDS + 5 * sum(self._seconds[item.nodeid] for item in items)
        return self._run_forked(session, items, (path, mutant), limit)

    def _run_forked(
        self,
        session: pytest.Session,
        items: Sequence[pytest.Item],
        change: tuple[str, Mutant] | None,
        limit: float,
    ) -> str:
        connections.close_all()  # a forked process must not share their sockets
        child = os.fork()
        if not child:
            _run_child(session, items, change)
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            process, status = os.waitpid(child, os.WNOHANG)
            if process:
                code = os.waitstatus_to_exitcode(status)
                if code == _NOT_APPLIED:
                    return NOT_APPLIED
                return KILLED if code else SURVIVED
            time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return TIMEOUT


def _run(item: pytest.Item, session: pytest.Session) -> bool:
    """Run a test; return whether it passed. Fixtures below the session are torn down."""
    # The next item decides which fixtures stay; the session keeps its own.
    reports = runtestprotocol(item, log=False, nextitem=session)  # type: ignore[arg-type]
    return not any(report.failed for report in reports)


def _run_child(
    session: pytest.Session, items: Sequence[pytest.Item], change: tuple[str, Mutant] | None
) -> None:
    """Run tests in a forked process, which ends with 0 when all pass."""
    code = _NOT_APPLIED
    try:
        if change:
            apply_mutant(*change)
        code = _NOTICED
        code = 0 if all(_run(item, session) for item in items) else _NOTICED
    finally:  # whatever is raised after the change: the mutant was noticed
        os._exit(code)


def apply_mutant(path: str, mutant: Mutant) -> None:
    """
    Give the functions of a module that is imported already the code of a mutant.

    Raises ValueError when none of the living functions has changed code.
    """
    changed = _codes(compile(mutant.tree, path, "exec"))
    modules = set()
    # Not isinstance, which evaluates the lazy objects among them.
    for function in [one for one in gc.get_objects() if type(one) is FunctionType]:
        code = function.__code__
        replacement = changed.get(_key(code)) if code.co_filename == path else None
        if replacement is not None and replacement != code:
            function.__code__ = replacement
            modules.add(function.__module__)
    if not modules:
        raise ValueError(f"{mutant.path}: {mutant.description} changes no function")
    for name in modules:
        _clear_caches(sys.modules[name])


def _clear_caches(module: ModuleType) -> None:
    """Empty the caches of functions, which contain what the unchanged functions returned."""
    for value in vars(module).values():
        if isinstance(value, _lru_cache_wrapper):
            value.cache_clear()


def _key(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _codes(module: CodeType) -> dict[tuple[str, int], CodeType]:
    """Return the code of every function by name and line."""
    return {_key(code): code for code in _nested_codes(module)}


def _nested_codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested_codes(constant)


def pytest_configure(config: pytest.Config) -> None:
    """Register the runner for the modules that the environment names."""
    from tests.mutation.targets import TARGETS

    paths = os.environ["MUTATION_PATHS"].split(",")
    targets = [target for target in TARGETS if target.path in paths]
    config.pluginmanager.register(
        MutationRunner(targets, Path(os.environ["MUTATION_REPORT"])), "mutation-runner"
    )
