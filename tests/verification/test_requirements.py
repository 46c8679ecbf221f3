"""Sets of requirements: locked by hash, equal to each other, complete for what they run."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from config.embedded.installer import lock_path
from config.embedded.stack import ROOT
from config.embedded.test import PACKAGES

EMBEDDED = ROOT / "config" / "embedded"
SETS = ("app", "local", "observability", "biometrics", "test", "train")
# Installed apart, or for types alone.
_UNLOCKED = {"torch"}
_WITHOUT_BIOMETRICS = tuple(package for package in PACKAGES if package != "biometrics")
_TRAINING = {"torch", "transformers", "sentence-transformers"}
# For types alone; not imported at run time.
_TYPES = {"django-stubs-ext"}


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirements(name: str) -> dict[str, str]:
    """Return the direct requirements of a set, with those that it includes: version by name."""
    requirements: dict[str, str] = {}
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if included := re.match(r"-r (\w+)\.txt", line):
            requirements |= _requirements(included[1])
        elif direct := re.match(r"([\w.-]+)(?:\[.*?\])?(?:==([^ ;]+))?", line):
            requirements[_normalized(direct[1])] = direct[2] or ""
    return requirements


def _locked(name: str) -> dict[str, set[str]]:
    """Return the versions that a lock names by package; a marker decides between two."""
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"(?m)^([\w.-]+)==([^ ;]+)", lock_path(name).read_text()):
        versions.setdefault(_normalized(package), set()).add(version)
    return versions


def _imports(folders: list[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                yield from ((name.split(".")[0], path) for name in names)


@pytest.mark.parametrize("name", [*SETS, "installer", "audit"])
def test_every_package_of_a_lock_has_a_hash(name: str) -> None:
    entries = re.split(r"(?m)^(?=\S)", lock_path(name).read_text())

    assert not [entry for entry in entries if entry.strip() and "--hash=sha256:" not in entry]


@pytest.mark.parametrize("name", SETS)
def test_lock_has_the_pinned_version_of_each_direct_requirement(name: str) -> None:
    locked = _locked(name)

    missing = {
        package: version
        for package, version in _requirements(name).items()
        if package not in _UNLOCKED and (not version or {version} != locked.get(package))
        if version or package not in locked
    }

    assert missing == {}


@pytest.mark.parametrize("name", ["app", "local", "observability", "biometrics", "train"])
def test_locks_agree_on_versions(name: str) -> None:
    whole = _locked("test") | _locked("train")

    assert _locked(name).items() <= whole.items()


@pytest.mark.parametrize("name", ["app", "local", "observability", "biometrics", "test"])
def test_only_training_installs_torch(name: str) -> None:
    packages = set(_locked(name))

    assert not packages & _TRAINING
    assert not [package for package in packages if package.startswith(("nvidia-", "cuda-"))]


def test_top_level_file_has_every_set() -> None:
    assert re.findall(r"-r requirements/(\w+)\.txt", (ROOT / "requirements.txt").read_text()) == [
        "test",
        "train",
    ]


@pytest.mark.parametrize(
    ("name", "folders"),
    [
        ("app", _WITHOUT_BIOMETRICS),
        ("local", (*_WITHOUT_BIOMETRICS, "tests/samples/suppliers")),
        ("biometrics", PACKAGES),
    ],
)
def test_set_has_every_library_that_its_processes_import(
    name: str, folders: tuple[str, ...]
) -> None:
    locked = set(_locked(name))
    distributions = packages_distributions()

    missing = {
        f"{path.relative_to(ROOT)}: {module}"
        for module, path in _imports([ROOT / folder for folder in folders])
        if name == "local" or EMBEDDED not in path.parents
        if (packages := {_normalized(found) for found in distributions.get(module, [])})
        if not packages & (locked | _TRAINING | _TYPES)
    }

    assert missing == set()


def test_every_script_of_bin_names_the_sets_that_it_runs() -> None:
    scripts = {path.name: path.read_text() for path in (ROOT / "bin").iterdir()}
    sourcing = {name: text for name, text in scripts.items() if "\n. bin/environment\n" in text}

    unnamed = [name for name, text in sourcing.items() if "\nrequirements=" not in text]

    assert sourcing
    assert unnamed == []
