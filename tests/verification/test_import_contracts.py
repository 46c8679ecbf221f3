"""Every import contract of pyproject.toml holds, and fails when an import violates it."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from config.embedded.stack import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = [contract["name"] for contract in SETTINGS["contracts"]]

# Beginning of a contract's name: a file, and an import in it that violates the contract.
VIOLATIONS = {
    "Layers of the applications": ("mlops/models/runs.py", "import catalog.models"),
    "No application imports biometrics": (
        "customers/services/consents.py",
        "import biometrics.models",
    ),
    "No application imports tests": ("catalog/services/listings.py", "import tests.conftest"),
    "Only vectors.store uses Milvus": ("vectors/index/write.py", "import pymilvus"),
    "Only vectors.encoders and training use model libraries": (
        "catalog/embeddings.py",
        "import torch",
    ),
    "Only biometrics.faces uses OpenCV": ("biometrics/matching.py", "import cv2"),
    "Only config.clients uses Kafka": ("mlops/pipelines/runner.py", "import kafka"),
    "Only competitors.ingest uses Scrapy": ("competitors/services/offers.py", "import spidermon"),
    "Layers of config:": ("config/errors.py", "import config.models"),
    "Layers of mlops:": ("mlops/quality/rules.py", "import mlops.pipelines.runner"),
    "Layers of vectors:": ("vectors/store.py", "import vectors.search"),
    "Layers of catalog:": ("catalog/services/listings.py", "import catalog.api.views"),
    "Layers of catalog.search:": ("catalog/search/facets.py", "import catalog.search.pipeline"),
    "Layers of catalog.services:": (
        "catalog/services/merging.py",
        "import catalog.services.listings",
    ),
    "Matching and the words of ingest": ("catalog/matching/bands.py", "import catalog.models"),
    "Layers of customers:": (
        "customers/selectors/consents.py",
        "import customers.services.consents",
    ),
    "Layers of competitors:": ("competitors/models/offers.py", "import competitors.services"),
    "Layers of biometrics:": ("biometrics/models/templates.py", "import biometrics.privacy"),
    "Modules of catalog.search are private": (
        "catalog/api/search.py",
        "import catalog.search.parser",
    ),
    "Modules of catalog.matching are private": (
        "catalog/services/duplicates.py",
        "import catalog.matching.vetoes",
    ),
    "Modules of customers.masking are private": (
        "customers/services/chats.py",
        "import customers.masking.names",
    ),
    "Modules of mlops.registry are private": ("mlops/tasks.py", "import mlops.registry.training"),
    "Modules of mlops.experiments are private": (
        "mlops/tasks.py",
        "import mlops.experiments.results",
    ),
    "Modules of customers.recommendations are private": (
        "customers/tasks.py",
        "import customers.recommendations.statistics.jobs",
    ),
}


def _copy_packages(destination: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__", "*.csv")
    for package in SETTINGS["root_packages"]:
        shutil.copytree(ROOT / package, destination / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", destination)
    return destination


def _lint(directory: Path) -> tuple[int, str]:
    """Return exit code and output of the import linter."""
    program = Path(sys.executable).parent / "lint-imports"
    completed = subprocess.run(
        [program, "--no-cache"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "500", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return completed.returncode, completed.stdout


def _broken_contracts(output: str) -> list[str]:
    return [
        line
        for line in output.splitlines()
        if line.rstrip().endswith("BROKEN") or " BROKEN " in line
    ]


def test_every_contract_has_a_violation() -> None:
    untested = [
        name
        for name in CONTRACTS
        if not any(name.startswith(beginning) for beginning in VIOLATIONS)
    ]

    assert untested == []
    assert len(VIOLATIONS) == len(CONTRACTS)


@pytest.mark.parametrize("application", sorted({*SETTINGS["root_packages"]} - {"tests"}))
def test_every_module_of_an_application_is_in_a_layer(application: str) -> None:
    # `exhaustive` makes the import linter refuse a module that no layer names.
    contracts = [
        contract
        for contract in SETTINGS["contracts"]
        if contract["type"] == "layers" and application in contract.get("containers", [])
    ]

    assert [contract.get("exhaustive") for contract in contracts] == [True]
    assert contracts[0].get("exhaustive_ignores", []) == ["migrations"]


@pytest.mark.parametrize("file", sorted({file for file, _ in VIOLATIONS.values()}))
def test_violated_file_exists(file: str) -> None:
    # A new file would belong to no contract: its import would violate nothing.
    assert (ROOT / file).is_file()


def test_all_contracts_hold(tmp_path: Path) -> None:
    exit_code, output = _lint(_copy_packages(tmp_path))

    assert exit_code == 0, output
    assert f"{len(CONTRACTS)} kept, 0 broken" in output


@pytest.mark.parametrize("beginning", VIOLATIONS)
def test_violated_contract_is_reported(tmp_path: Path, beginning: str) -> None:
    directory = _copy_packages(tmp_path)
    file, statement = VIOLATIONS[beginning]
    with (directory / file).open("a") as module:
        module.write(f"\n{statement}\n")

    exit_code, output = _lint(directory)

    assert exit_code == 1, output
    assert any(line.startswith(beginning) for line in _broken_contracts(output)), output
