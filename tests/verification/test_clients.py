"""Generated clients: as fresh as the OpenAPI document; errors are documented."""

import json
import re

import pytest
from django.conf import settings
from django.test import Client

from config.api.problem_types import URN_PREFIX, problem_types
from config.embedded.stack import ROOT
from config.management.commands.generate_clients import generated_files


@pytest.mark.skipif(
    "biometrics" not in settings.INSTALLED_APPS, reason="the clients have all operations"
)
def test_generated_files_are_fresh() -> None:
    stale = [
        str(path)
        for path, text in generated_files().items()
        if (ROOT / path).read_text(encoding="utf-8") != text
    ]

    assert not stale, "run: bin/manage generate_clients"


def test_every_documented_error_has_a_problem_type() -> None:
    document = Client().get("/api/schema/", {"format": "json"}).content.decode()

    documented = set(re.findall(rf'"type":\s*"{URN_PREFIX}(\w+)"', document))

    assert documented <= {problem_type.code for problem_type in problem_types()}
    assert len(documented) > 10


@pytest.mark.parametrize(("language", "title"), [("en", "Not found"), ("fr", "Introuvable")])
def test_error_codes_are_listed_in_the_language_of_the_reader(language: str, title: str) -> None:
    page = Client().get("/api/errors/", HTTP_ACCEPT_LANGUAGE=language)

    assert f"<td>{title}</td>" in page.content.decode()
    assert page["Content-Language"] == language


def test_l21_robots_are_sent_away() -> None:
    assert "Disallow: /" in Client().get("/robots.txt").content.decode()


@pytest.mark.skipif(
    "biometrics" not in settings.INSTALLED_APPS, reason="the collection has all operations"
)
def test_the_collection_has_every_operation() -> None:
    document = Client().get("/api/schema/", {"format": "json"}).json()
    operations = sum(len(methods) for methods in document["paths"].values())
    path = ROOT / "clients" / "cultivar.postman_collection.json"
    folders = json.loads(path.read_text(encoding="utf-8"))["item"]

    requests = [item for folder in folders for item in folder["item"]]

    assert len(requests) == operations
    assert all(item["request"]["url"]["raw"].startswith("{{baseUrl}}/api/v1/") for item in requests)
