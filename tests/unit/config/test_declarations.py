"""Registries of declarations."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import pytest
from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured

from config.declarations import DeclarationRegistry, function_name

MODULE = "sample_declarations"


@dataclass(frozen=True)
class Rule:
    """A declaration."""

    name: str


@pytest.fixture
def registry() -> DeclarationRegistry[str, Rule]:
    """A registry without declarations."""
    return DeclarationRegistry[str, Rule](MODULE, name_of=attrgetter("name"))


@pytest.fixture
def app_module(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registry: DeclarationRegistry[str, Rule],
) -> Iterator[Path]:
    """The declarations module of an application; the registry is `shared.registry` there."""
    (tmp_path / "sample_app").mkdir()
    (tmp_path / "sample_app" / "__init__.py").touch()
    shared = ModuleType("shared")
    shared.registry, shared.Rule = registry, Rule  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shared", shared)
    monkeypatch.syspath_prepend(tmp_path)
    app = AppConfig.create("sample_app")
    monkeypatch.setattr(apps, "get_app_configs", lambda: [app])
    yield tmp_path / "sample_app" / f"{MODULE}.py"
    for name in ("sample_app", f"sample_app.{MODULE}"):
        sys.modules.pop(name, None)


def test_declarations_are_returned_in_the_order_of_their_registration(
    registry: DeclarationRegistry[str, Rule],
) -> None:
    registry.register(Rule("b"), Rule("a"))
    registry.register(Rule("c"))

    assert [rule.name for rule in registry.all()] == ["b", "a", "c"]
    assert list(registry.by_name()) == ["b", "a", "c"]


def test_a_declaration_is_found_by_its_name(registry: DeclarationRegistry[str, Rule]) -> None:
    rule = Rule("a")
    registry.register(rule)

    assert registry.get("a") is rule
    with pytest.raises(KeyError):
        registry.get("b")


def test_a_name_cannot_be_registered_twice(registry: DeclarationRegistry[str, Rule]) -> None:
    first = Rule("a")
    registry.register(first)

    with pytest.raises(ImproperlyConfigured, match="a is registered twice"):
        registry.register(Rule("a"))

    assert registry.get("a") is first


def test_declarations_cannot_be_changed_by_readers(
    registry: DeclarationRegistry[str, Rule],
) -> None:
    registry.register(Rule("a"))

    with pytest.raises(TypeError):
        registry.by_name()["a"] = Rule("a")  # type: ignore[index]
    registry.all().clear()

    assert registry.all() == [Rule("a")]


def test_modules_of_applications_are_imported_on_first_use(
    registry: DeclarationRegistry[str, Rule], app_module: Path
) -> None:
    app_module.write_text("from shared import *\nregistry.register(Rule('a'), Rule('b'))\n")
    assert f"sample_app.{MODULE}" not in sys.modules

    assert [rule.name for rule in registry.all()] == ["a", "b"]
    assert [rule.name for rule in registry.all()] == ["a", "b"]


def test_a_module_that_cannot_be_imported_is_tried_again(
    registry: DeclarationRegistry[str, Rule], app_module: Path
) -> None:
    app_module.write_text("from shared import *\nregistry.register(Rule('a'))\n1 / 0\n")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            registry.all()


def test_functions_are_registered_by_their_qualified_names() -> None:
    registry = DeclarationRegistry(MODULE, name_of=function_name)

    registry.register(test_functions_are_registered_by_their_qualified_names)

    assert list(registry.by_name()) == [
        f"{__name__}.test_functions_are_registered_by_their_qualified_names"
    ]
