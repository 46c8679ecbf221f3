"""The mutation runner: what it changes, what it leaves, and that a change takes effect."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.mutation.mutants import Mutant, mutants_of
from tests.mutation.runner import apply_mutant
from tests.mutation.targets import TARGETS

SOURCE = '''
"""Prices."""
from functools import cache

LIMIT: int = 5


@cache
def is_allowed(price: int) -> bool:
    """Return whether a price is allowed."""
    return price < LIMIT


class Guard:
    def check(self, price):
        if price:
            log.warning("price")
            raise ValueError(_("refused"))
        return dict(price=price)
'''
ROOT = Path(__file__).resolve().parents[3]


def _descriptions(source: str) -> list[str]:
    return [mutant.description for mutant in mutants_of(source, path="prices.py")]


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    """The source as an imported module."""
    path = tmp_path / "mutated_prices.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("mutated_prices", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutated_prices"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["mutated_prices"]


def _mutant(module: Any, description: str) -> tuple[str, Mutant]:
    path = module.__file__
    mutants = mutants_of(Path(path).read_text(), path=path)
    return path, next(one for one in mutants if one.description == description)


def test_one_place_is_changed_at_a_time() -> None:
    assert _descriptions(SOURCE) == [
        "5 -> 6",
        "return price < LIMIT -> return None",
        "price < LIMIT -> price <= LIMIT",
        "without @cache",
        "not price",
        "without raise ValueError(_('refused'))",
        "return dict(price=price) -> return None",
        "without price=",
    ]


@pytest.mark.parametrize(
    ("statement", "description"),
    [
        ("rows.filter(a)", ".filter -> .exclude"),
        ("x = a and b", "a and b -> a or b"),
        ("x = not a", "not a -> operand"),
        ("x = a + b", "a + b -> a - b"),
        ("x += a", "x += a -> x -= a"),
        ("x = min(a)", "min -> max"),
        ("x = True", "True -> False"),
        ("x = 'a'", "'a' -> 'XXaXX'"),
        ("save(a)", "without save(a)"),
        ("x = [a for a in b if a]", "not a"),
        ("x = a is None", "a is None -> a is not None"),
    ],
)
def test_every_kind_of_rule_is_changed(statement: str, description: str) -> None:
    assert description in _descriptions(statement)


def test_mutants_name_their_function_and_lines() -> None:
    functions = {one.description: one for one in mutants_of(SOURCE, path="prices.py")}

    assert functions["5 -> 6"].function == ""
    assert functions["without @cache"].function == ""
    assert functions["price < LIMIT -> price <= LIMIT"].function == "is_allowed"
    assert functions["not price"].function == "Guard.check"
    assert functions["not price"].lines == (16, 16)


def test_mutants_keep_their_index_when_functions_are_selected() -> None:
    every = {one.description: one.index for one in mutants_of(SOURCE, path="prices.py")}

    selected = mutants_of(SOURCE, path="prices.py", only=("is_allowed",))

    assert [one.index for one in selected] == [every[one.description] for one in selected]
    assert len(selected) == 2


def test_living_functions_get_the_code_of_a_mutant(module: Any) -> None:
    assert module.is_allowed(5) is False  # and cached

    apply_mutant(*_mutant(module, "price < LIMIT -> price <= LIMIT"))

    assert module.is_allowed(5) is True


def test_change_outside_of_functions_cannot_be_applied_to_them(module: Any) -> None:
    with pytest.raises(ValueError, match="changes no function"):
        apply_mutant(*_mutant(module, "5 -> 6"))


def test_every_target_exists_with_its_tests() -> None:
    paths = {path for target in TARGETS for path in (target.path, *target.tests)}

    assert [path for path in paths if not (ROOT / path.partition("::")[0]).is_file()] == []


def test_every_named_function_of_a_target_has_mutants() -> None:
    for target in TARGETS:
        source = (ROOT / target.path).read_text()
        functions = {
            one.function.partition(".")[0]
            for one in mutants_of(source, path=target.path, only=target.only)
        }
        assert functions >= set(target.only), target.path
