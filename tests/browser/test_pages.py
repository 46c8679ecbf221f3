"""
Every page of the console: opens, accessible in light and dark, without errors, in French.

`PICTURES=docs/pictures bin/test tests/browser/test_pages.py` writes the pictures of the documents.
"""

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser
from playwright.sync_api import Error as PlaywrightError

from catalog.models import Product
from tests.browser.console import BrowserConsole
from tests.browser.french import untranslated_texts
from tests.browser.pages import ConsolePage, console_pages, models_without_rows

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
_ONLY_SUBMITTED = 405
_MAX_SECONDS = 900
"""Far more than the visits take, also on a busy machine."""
_NESTED_FORM = re.compile(r"<form\b(?:(?!</form>).)*<form\b", re.DOTALL)
_AXE_SOURCE = Axe().axe_script
_AXE = """async isNavigationExamined => {
  if (!isNavigationExamined) document.querySelector("#nav-sidebar-inner")?.remove();
  const dark = {runOnly: ["color-contrast", "link-in-text-block"]};  // these depend on colors
  const found = [];
  for (const options of [{}, dark]) {
    document.documentElement.classList.toggle("dark", options === dark);
    const results = await axe.run({resultTypes: ["violations"], preload: false, ...options});
    found.push(results.violations
      .filter(({impact}) => ["serious", "critical"].includes(impact))
      .map(({id, nodes}) => [
        id, nodes.length, nodes[0].html.slice(0, 200), nodes[0].failureSummary].join(" ")));
  }
  return found;
}"""
"""Runs axe on a page in light, then in dark; returns the serious and critical faults of both."""
_INLINE_SCRIPTS = """() => [
  ...[...document.scripts].filter(script => !script.src && !/json/.test(script.type)),
  ...[...document.querySelectorAll("*")].filter(
    element => [...element.attributes].some(attribute => /^on[a-z]+$/.test(attribute.name))),
].map(element => element.outerHTML.slice(0, 200))"""


@dataclass(slots=True)
class Visit:
    """Faults of a page by kind; each is a text."""

    page: ConsolePage
    status: int
    light: list[str] = field(default_factory=list)
    dark: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Document:
    """HTML of a page in both languages."""

    page: ConsolePage
    english: str
    french: str


@pytest.fixture(scope="module")
def documents(console_rows: User) -> list[Document]:
    """Every page, as the server sends it to a superuser."""
    client = Client()
    client.force_login(console_rows)

    def load(page: ConsolePage, language: str) -> str:
        return client.get(page.path, headers={"Accept-Language": language}).content.decode()

    return [
        Document(page, load(page, "en"), load(page, "fr")) for page in console_pages(console_rows)
    ]


@pytest.fixture(scope="module")
def visits(console_rows: User, browser: Browser, console_url: str) -> list[Visit]:
    """Every page, visited by a superuser."""
    console = BrowserConsole.open_for(console_rows, browser, console_url)
    last = time.monotonic() + _MAX_SECONDS
    visits = []
    for page in console_pages(console_rows):
        visits.append(_visit(console, page))
        if time.monotonic() > last:
            pytest.fail(f"{len(visits)} pages took longer than {_MAX_SECONDS} s")
    console.close()
    return visits


@pytest.fixture(scope="module")
def pictures(
    console_rows: User,
    browser: Browser,
    console_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, bytes]:
    """Pictures of the documents, written into the folder that PICTURES names."""
    folder = Path(os.environ.get("PICTURES") or tmp_path_factory.mktemp("pictures"))
    product = Product.objects.current().filter(locks__isnull=False)[0]
    taken = {}
    for name, language, page, arguments in (
        ("console-home", "en", "index", []),
        ("console-product", "en", "catalog_product_change", [product.pk]),
        ("console-price-board", "en", "competitors_competitoroffer_board", []),
        ("console-product-fr", "fr", "catalog_product_change", [product.pk]),
    ):
        console = BrowserConsole.open_for(console_rows, browser, console_url, language=language)
        console.open(page, *arguments)
        taken[name] = console.page.screenshot(path=folder / f"{name}.png")
        console.close()
    return taken


def _visit(console: BrowserConsole, page: ConsolePage) -> Visit:
    """Open a page and examine it; the navigation, the same on all, on the home page alone."""
    try:
        visit = Visit(page, console.open_path(page.path).status)
    except PlaywrightError:  # an error response without a body, as to a method that is not allowed
        status = console.page.request.get(f"{console.base_url}{page.path}").status
        console.faults.clear()
        return Visit(page, status)
    visit.scripts = console.page.evaluate(_INLINE_SCRIPTS)
    console.page.evaluate(_AXE_SOURCE)
    visit.light, visit.dark = console.page.evaluate(_AXE, page.name == "index")
    visit.errors, console.faults = console.faults, []
    return visit


def _found(visits: Iterable[Visit], kind: str) -> str:
    """Return the faults of a kind, each on a line with its page."""
    return "\n".join(
        f"{visit.page.name}: {fault}" for visit in visits for fault in getattr(visit, kind)
    )


def test_every_model_has_a_row_to_show(console_rows: User) -> None:
    assert not models_without_rows()


def test_every_page_opens(visits: list[Visit]) -> None:
    opened = [(visit.page, visit.status) for visit in visits]

    assert len(opened) > 120
    assert not [page.path for page, status in opened if status not in {200, _ONLY_SUBMITTED}]


@pytest.mark.parametrize("kind", ["light", "dark", "scripts", "errors"])
def test_no_page_has_a_fault(visits: list[Visit], kind: str) -> None:
    faults = _found(visits, kind)

    assert not faults, faults


def test_no_french_page_has_an_english_text(documents: list[Document]) -> None:
    untranslated = [
        f"{document.page.name}: {text}"
        for document in documents
        for text in sorted(untranslated_texts(document.english, document.french))
    ]

    assert not untranslated, "\n".join(untranslated)


def test_no_page_has_a_form_within_a_form(documents: list[Document]) -> None:
    """Browsers drop the inner one; its buttons would submit the outer one."""
    nested = [d.page.name for d in documents if _NESTED_FORM.search(d.english)]

    assert not nested


def test_pictures_are_taken(pictures: dict[str, bytes]) -> None:
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert min(map(len, pictures.values())) > 20_000, "an empty page"


@pytest.mark.parametrize(
    "path", ["/console/login/", "/console/nope/", "/api/docs/", "/api/errors/"]
)
def test_page_outside_of_the_admin_is_accessible(
    path: str, console_rows: User, browser: Browser, console_url: str
) -> None:
    console = BrowserConsole.open_for(None, browser, console_url)

    visit = _visit(console, ConsolePage(path, path))
    console.close()

    assert visit.status in {200, 404}
    assert not visit.scripts
    assert not [error for error in visit.errors if "404" not in error]
    assert path == "/api/docs/" or not visit.light + visit.dark
