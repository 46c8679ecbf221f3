"""The frame of console pages: landmarks, skip link, navigation by key, policy, icon."""

from typing import Any

import lxml.html  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(db: None) -> Any:
    """The home page of a superuser, parsed."""
    client = Client()
    client.force_login(User.objects.create_superuser("editor"))
    return lxml.html.fromstring(client.get("/console/").content.decode())


def _policy(path: str) -> dict[str, str]:
    """Return the directives of the Content-Security-Policy of a page."""
    directives = Client().get(path)["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def test_pages_may_run_scripts_of_this_host_alone() -> None:
    policy = _policy("/console/login/")

    assert policy["default-src"] == "'self'"
    assert policy["script-src"] == "'self' 'unsafe-eval'"


@pytest.mark.parametrize("path", ["/console/login/", "/api/docs/", "/api/errors/"])
def test_page_has_no_inline_script(path: str) -> None:
    page = lxml.html.fromstring(Client().get(path).content.decode())

    assert not page.xpath("//script[not(@src) and not(contains(@type, 'json'))]")
    assert not page.xpath("//@*[starts-with(name(), 'on')]")


def test_browsers_find_an_icon() -> None:
    response = Client().get("/favicon.ico", follow=True)

    assert response.status_code == 200
    assert response["Content-Type"] == "image/svg+xml"


def test_first_link_of_a_page_leads_to_its_content(home: Any) -> None:
    first = home.xpath("//body//a")[0]

    assert first.get("href") == "#main"
    assert [main.get("id") for main in home.xpath("//main")] == ["main"]


def test_login_page_has_its_content_in_a_landmark() -> None:
    page = lxml.html.fromstring(Client().get("/console/login/").content.decode())

    assert page.xpath("//main//input[@name='username']")


def test_groups_of_the_navigation_are_opened_by_buttons(home: Any) -> None:
    groups = home.xpath("//nav[@aria-label]//h2")

    assert len(groups) > 3
    assert all(group.xpath("./button[@type='button']") for group in groups)


def test_user_menu_is_opened_by_a_button(home: Any) -> None:
    assert home.xpath("//button[@aria-controls='user-menu']")
    assert home.xpath("//div[@id='user-menu']//form[contains(@action, 'logout')]")
