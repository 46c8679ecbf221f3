"""Panels and links on the product page: what other applications show there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from catalog.models import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductPanel:
    """
    A section below the form of a product, for people with a permission.

    render: returns the HTML of a product; "" shows nothing.
    """

    title: Any
    permission: str
    render: Callable[[HttpRequest, Product], SafeString]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductLink:
    """A link above the form of a product, for people with a permission; takes the product's id."""

    label: Any
    permission: str
    url_name: str


_panels: list[ProductPanel] = []
_links: list[ProductLink] = []


def register(panel: ProductPanel) -> None:
    """Show a panel on the page of every product."""
    _panels.append(panel)


def register_link(link: ProductLink) -> None:
    """Show a link on the page of every product."""
    _links.append(link)


def product_links(request: HttpRequest, product: Product) -> list[tuple[Any, str]]:
    """Return label and address of the links that the user may follow."""
    visible = [link for link in _links if request.user.has_perm(link.permission)]
    return [(link.label, reverse(link.url_name, args=[product.pk])) for link in visible]


def render_panels(request: HttpRequest, product: Product) -> list[tuple[Any, SafeString]]:
    """Return title and HTML of the panels that the user may see."""
    visible = [panel for panel in _panels if request.user.has_perm(panel.permission)]
    rendered = [(panel.title, panel.render(request, product)) for panel in visible]
    return [(title, html) for title, html in rendered if html]
