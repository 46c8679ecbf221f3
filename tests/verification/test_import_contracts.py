"""Every import contract of pyproject.toml is live: one import against it, and it breaks."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from config.embedded.stack import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = [contract["name"] for contract in SETTINGS["contracts"]]

# First words of the contract's name: a file, and the import in it that breaks the contract.
VIOLATIONS = {
    "Imports point down": ("mlops/models/runs.py", "import catalog.models"),
    "Nobody imports biometrics": ("customers/services.py", "import biometrics.models"),
    "Nobody imports tests": ("catalog/selectors.py", "import tests.conftest"),
    "Milvus has one door": ("vectors/indexing.py", "import pymilvus"),
    "Models are run in vectors.encoders only": ("catalog/embeddings.py", "import torch"),
    "Streams have one door": ("mlops/flow/runner.py", "import kafka"),
    "Shops are scraped in competitors only": ("catalog/ingest/sources/ocs.py", "import scrapy"),
    "Inside the catalogue": ("catalog/services/listings.py", "import catalog.api.views"),
}


def _copy(place: Path) -> Path:
    for package in SETTINGS["root_packages"]:
        shutil.copytree(
            ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__", "*.csv")
        )
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def _lint(place: Path) -> tuple[int, str]:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [program, "--no-cache"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "500", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.returncode, done.stdout


def test_every_contract_has_its_violation() -> None:
    assert [
        name for name in CONTRACTS if not any(name.startswith(words) for words in VIOLATIONS)
    ] == []
    assert len(VIOLATIONS) == len(CONTRACTS)


def test_contracts_hold(tmp_path: Path) -> None:
    code, said = _lint(_copy(tmp_path))
    assert code == 0, said
    assert f"{len(CONTRACTS)} kept, 0 broken" in said


@pytest.mark.parametrize("words", VIOLATIONS)
def test_contract_breaks_when_violated(tmp_path: Path, words: str) -> None:
    place = _copy(tmp_path)
    file, line = VIOLATIONS[words]
    with (place / file).open("a") as module:
        module.write(f"\n{line}\n")
    code, said = _lint(place)
    broken = [
        report
        for report in said.splitlines()
        if report.rstrip().endswith("BROKEN") or " BROKEN " in report
    ]
    assert code == 1, said
    assert any(report.startswith(words) for report in broken), said
