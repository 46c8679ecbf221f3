"""Embedded servers that tests need, by path."""

from collections.abc import Iterable
from pathlib import Path

from config.embedded.stack import ROOT, SERVERS

_NONE: frozenset[str] = frozenset()
_ALL = frozenset(SERVERS)
_DATABASE_AND_CACHE = frozenset({"postgres", "valkey"})

SERVERS_BY_PATH: dict[str, frozenset[str]] = {
    "tests": _ALL,
    "tests/unit": _NONE,
    # These run whole servers of their own, which they kill.
    "tests/functional": _NONE,
    "tests/functional/test_models_killed.py": _DATABASE_AND_CACHE,
    "tests/functional/test_worker_killed.py": _DATABASE_AND_CACHE,
    "tests/functional/test_worker_watch.py": _DATABASE_AND_CACHE,
    "tests/integration/biometrics": _DATABASE_AND_CACHE,
    "tests/integration/catalog": _DATABASE_AND_CACHE,
    "tests/integration/catalog/test_console.py": _ALL,
    "tests/integration/catalog/test_console_search.py": _ALL,
    "tests/integration/catalog/test_image_search.py": _ALL,
    "tests/integration/catalog/test_products_api.py": _ALL,
    "tests/integration/catalog/test_search.py": _ALL,
    "tests/integration/config": _DATABASE_AND_CACHE,
    "tests/integration/config/test_degradation.py": _ALL,
    "tests/integration/config/test_metrics.py": _ALL,
    "tests/integration/config/test_health.py": _ALL,
    "tests/integration/config/test_schemathesis.py": _ALL,
    "tests/integration/customers/test_architecture_walks.py": _DATABASE_AND_CACHE,
    "tests/integration/customers/test_chats.py": _DATABASE_AND_CACHE,
    "tests/integration/customers/test_console_chats.py": _DATABASE_AND_CACHE,
    "tests/integration/customers/test_console_recommendations.py": _DATABASE_AND_CACHE,
    "tests/integration/customers/test_events.py": _DATABASE_AND_CACHE,
    "tests/integration/customers/test_recommendations.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_console_models.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_console_streams.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_deployments.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_events_api.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_metrics.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_models_api.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_quality_checks.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_retrain_command.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_served_models.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_training_run_export.py": _DATABASE_AND_CACHE,
    "tests/integration/mlops/test_training_runs.py": _DATABASE_AND_CACHE,
    "tests/verification": _DATABASE_AND_CACHE,
    "tests/verification/test_effects_nowhere.py": _ALL,
    "tests/verification/test_entry_points.py": _NONE,
    "tests/verification/test_import_contracts.py": _NONE,
    "tests/verification/test_light_processes.py": _NONE,
    "tests/verification/test_plain_words.py": _NONE,
}
"""
Names of servers by folder or file; the longest path that contains a test file applies to it.

Kafka, S3 and the standalone Milvus are not among them: fixtures of the tests start those.
"""


def servers_of(paths: Iterable[str]) -> frozenset[str]:
    """Return the servers that the test files at or below the paths (file::test) need."""
    needed: set[str] = set()
    for path in paths:
        file = (ROOT / path.partition("::")[0]).resolve()
        for test_file in sorted(file.rglob("test_*.py")) if file.is_dir() else [file]:
            needed |= _servers_of_file(test_file)
    return frozenset(needed)


def is_unit_run(paths: Iterable[str]) -> bool:
    """Return whether the paths name unit tests alone, which have settings of their own."""
    files = [(ROOT / path.partition("::")[0]).resolve() for path in paths]
    return bool(files) and all(file.is_relative_to(ROOT / "tests" / "unit") for file in files)


def _servers_of_file(file: Path) -> frozenset[str]:
    for parent in (file, *file.parents):
        if parent.is_relative_to(ROOT):
            servers = SERVERS_BY_PATH.get(parent.relative_to(ROOT).as_posix())
            if servers is not None:
                return servers
    return _ALL
