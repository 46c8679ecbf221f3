"""Runbooks: one for each code of alerts, and documents that name only what exists."""

import re

import pytest
from django.core.management import get_commands

from config.embedded.stack import ROOT
from mlops.quality.kinds import ALERT_KINDS

_FOLDER = ROOT / "docs" / "runbooks"
_DEPENDENCIES = (
    "kafka-down",
    "milvus-down",
    "object-storage-down",
    "postgresql-down",
    "redis-down",
)
_PROCEDURES = ("disk-full", "key-rotation", "model-files-missing", "privacy-breach", "restore")
_PAGES = sorted(path.relative_to(_FOLDER).as_posix() for path in _FOLDER.rglob("*.md"))


def test_every_code_of_alerts_has_a_runbook_and_no_runbook_is_of_another() -> None:
    runbooks = {path.stem for path in (_FOLDER / "alerts").glob("*.md")}

    assert runbooks == set(ALERT_KINDS.by_name())


@pytest.mark.parametrize("name", [*_DEPENDENCIES, *_PROCEDURES])
def test_every_dependency_and_procedure_has_a_runbook(name: str) -> None:
    assert (_FOLDER / f"{name}.md").is_file()


@pytest.mark.parametrize("name", _PAGES)
def test_links_of_a_runbook_lead_to_pages(name: str) -> None:
    page = _FOLDER / name
    targets = re.findall(r"\]\(([^)#:]+\.md)", page.read_text())

    assert [target for target in targets if not (page.parent / target).is_file()] == []


def test_index_lists_every_runbook() -> None:
    listed = set(re.findall(r"\]\(([^)]+\.md)\)", (_FOLDER / "README.md").read_text()))

    assert listed == set(_PAGES) - {"README.md"}


@pytest.mark.parametrize(
    "name", [f"runbooks/{page}" for page in _PAGES] + ["deployment.md", "backup.md"]
)
def test_commands_of_a_document_exist(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    commands = re.findall(r"(?:manage\.py|bin/manage) ([a-z_]+)", text)

    assert set(commands) - set(get_commands()) == set()


def test_deployment_lists_every_variable_of_the_compose_file() -> None:
    variables = set(re.findall(r"\$\{([A-Z_]+):", (ROOT / "compose.yaml").read_text()))

    listed = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "deployment.md").read_text()))

    assert variables - listed == set()
