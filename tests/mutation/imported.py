"""
A pytest plugin that imports one module with a change, as the environment names it.

Given with `-p`, it is loaded before the settings and the applications.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tests.mutation.mutants import mutant_of

_ROOT = Path(__file__).resolve().parent.parent.parent


class _MutantLoader(importlib.machinery.SourceFileLoader):
    """Loads a module from the changed syntax tree; its bytecode is not stored."""

    def get_code(self, fullname: str) -> object:  # type: ignore[override]
        """Return the code of the mutant."""
        mutant = mutant_of(Path(self.path), int(os.environ["MUTANT_INDEX"]))
        return compile(mutant.tree, self.path, "exec")


class _MutantFinder(importlib.abc.MetaPathFinder):
    """Finds one module."""

    def __init__(self, path: str) -> None:
        self._path = _ROOT / path
        self._name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the changed module; None for every other."""
        if name != self._name:
            return None
        loader = _MutantLoader(name, str(self._path))
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


if "MUTANT_PATH" in os.environ:
    sys.meta_path.insert(0, _MutantFinder(os.environ["MUTANT_PATH"]))
