"""Registries of declarations, which applications register in modules that are found by name."""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import autodiscover_modules

_Name = TypeVar("_Name", bound=Hashable)
_Item = TypeVar("_Item")


class DeclarationRegistry(Generic[_Name, _Item]):
    """
    The declarations of one kind, in the order of their registration.

    module_name: module of each application that registers declarations, for example `quality` for
    `catalog/quality.py`; these modules are imported when the declarations are first read.
    name_of: returns the unique name of a declaration.
    """

    def __init__(self, module_name: str, *, name_of: Callable[[_Item], _Name]) -> None:
        self.module_name = module_name
        self._name_of = name_of
        # Django restores the attribute of this name when the import of a module fails.
        self._registry: dict[_Name, _Item] = {}
        self._is_discovered = False

    def register(self, *items: _Item) -> None:
        """Add declarations. Raises ImproperlyConfigured: a name is registered twice."""
        for item in items:
            name = self._name_of(item)
            if name in self._registry:
                raise ImproperlyConfigured(
                    f"{name} is registered twice in the modules `{self.module_name}`"
                )
            self._registry[name] = item

    def all(self) -> list[_Item]:
        """Return every declaration."""
        return list(self.by_name().values())

    def get(self, name: _Name) -> _Item:
        """Return the declaration of this name. Raises KeyError: unknown name."""
        return self.by_name()[name]

    def by_name(self) -> Mapping[_Name, _Item]:
        """Return every declaration by its name."""
        if not self._is_discovered:
            autodiscover_modules(self.module_name, register_to=self)
            self._is_discovered = True
        return MappingProxyType(self._registry)


def function_name(function: Callable[..., object]) -> str:
    """Return the qualified name of a function, under which it is registered."""
    return f"{function.__module__}.{function.__qualname__}"
