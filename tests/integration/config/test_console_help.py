"""Help of the console: every page links to a section of docs/console.md that exists."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, reverse

import config.urls
from config import account_pages
from config.console_help import find_section, help_sections, parse_sections

# Not pages: bytes, redirects of detail buttons, look-ups.
_NO_PAGES = re.compile(r"_go_to_|_bytes$|^jsi18n$|^view_on_site$|^autocomplete$")


def _page_names() -> Iterator[str]:
    """Yield the URL names of all pages of the console."""
    model_patterns = [page.urls for page in admin.site._registry.values()]
    own = [pattern for pattern in config.urls.urlpatterns if isinstance(pattern, URLPattern)]
    console = [pattern for pattern in own if str(pattern.pattern).startswith("console/")]
    every: list[Any] = [admin.site.urls[0], console, account_pages.urlpatterns, *model_patterns]
    for patterns in every:
        for pattern in patterns:
            name = getattr(pattern, "name", None)
            if name and not _NO_PAGES.search(name):
                yield name


def test_every_page_has_a_section() -> None:
    names = sorted(set(_page_names()))

    assert len(names) > 200
    assert [name for name in names if find_section(name) is None] == []


def test_every_section_of_pages_describes_a_page() -> None:
    names = set(_page_names())
    described = [page for section in help_sections() for page in section.pages]

    unused = [
        page
        for page in described
        if not any(name == page or name.startswith(f"{page}_") for name in names)
    ]

    assert unused == []


def test_anchors_are_distinct() -> None:
    anchors = [section.anchor for section in help_sections()]

    assert len(anchors) == len(set(anchors))


def test_more_specific_section_comes_before_that_of_the_model() -> None:
    section = find_section("catalog_product_import_detail")

    assert section is not None
    assert section.anchor == "import-of-products"


def test_link_to_another_document_is_text_and_comments_are_left_out() -> None:
    (section,) = parse_sections("# Help\n<!-- pages: index -->\n\nSee [a](b.md) and [c](#help).\n")

    assert section.pages == ("index",)
    assert "<em>a</em>" in section.html
    assert 'href="#help"' in section.html
    assert "pages:" not in section.html


@pytest.mark.django_db
def test_pages_link_to_their_section(admin_client: Client) -> None:
    address = reverse("console-help")

    page = admin_client.get(reverse("admin:catalog_productlock_changelist")).content.decode()
    text = admin_client.get(address).content.decode()

    assert f'href="{address}#locks"' in page
    assert 'id="locks"' in text


@pytest.mark.django_db
def test_help_needs_a_staff_account(client: Client) -> None:
    assert client.get(reverse("console-help")).status_code == 302
