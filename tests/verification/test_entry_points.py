"""
Entry points neither query nor write models directly: they call selectors and services.

`entry_point_queries.tsv` lists how many direct queries and writes each module still has. A number
may only become smaller: a module with more fails, and so does a listed number that is too high.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

from config.embedded.stack import ROOT

APPS = ("config", "mlops", "vectors", "catalog", "customers", "competitors", "biometrics")
ENTRY_POINTS = ("api", "admin", "management", "tasks.py", "admin.py")
BASELINE = Path(__file__).parent / "entry_point_queries.tsv"
MANAGERS = frozenset({"objects", "_default_manager", "_base_manager"})
WRITES = frozenset({"save", "bulk_create", "bulk_update", "get_or_create", "update_or_create"})


def direct_accesses(source: str) -> int:
    """Return how often a module uses a model manager, a database cursor, or saves a row."""
    return sum(_is_direct_access(node) for node in ast.walk(ast.parse(source)))


def _is_direct_access(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and node.attr in MANAGERS:
        return True
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr == "cursor":
        return True
    is_super = isinstance(node.func.value, ast.Call) and _name(node.func.value.func) == "super"
    return node.func.attr in WRITES and not is_super and not _is_manager(node.func.value)


def _is_manager(node: ast.AST) -> bool:
    """Return whether a call is on a manager, which is counted already."""
    return isinstance(node, ast.Attribute) and node.attr in MANAGERS


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _modules() -> list[Path]:
    modules: list[Path] = []
    for app in APPS:
        for entry_point in ENTRY_POINTS:
            path = ROOT / app / entry_point
            modules += [path] if path.is_file() else sorted(path.rglob("*.py"))
    return modules


def _counts() -> dict[str, int]:
    counts = Counter[str]()
    for module in _modules():
        if found := direct_accesses(module.read_text(encoding="utf-8")):
            counts[module.relative_to(ROOT).as_posix()] = found
    return dict(counts)


def _baseline() -> dict[str, int]:
    lines = BASELINE.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return {file: int(count) for file, count in rows}


def test_entry_points_do_not_query_more_than_the_baseline() -> None:
    baseline = _baseline()

    more = {file: count for file, count in _counts().items() if count > baseline.get(file, 0)}

    assert not more, f"move these queries to selectors or services: {more}"


def test_baseline_shrinks_with_the_code() -> None:
    counts = _counts()

    too_high = {
        file: counts.get(file, 0)
        for file, count in _baseline().items()
        if counts.get(file, 0) < count
    }

    assert not too_high, f"lower the numbers in {BASELINE.name}: {too_high}"


@pytest.mark.parametrize(
    "source",
    [
        "Product.objects.filter(pk=pk)",
        "queryset = Product._default_manager.all()",
        "product.save()",
        "with connection.cursor() as cursor: ...",
    ],
)
def test_direct_access_is_found(source: str) -> None:
    assert direct_accesses(source) == 1


@pytest.mark.parametrize("source", ["super().save()", "save_product(product=product)"])
def test_services_and_overrides_pass(source: str) -> None:
    assert direct_accesses(source) == 0
