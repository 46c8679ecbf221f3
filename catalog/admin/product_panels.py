"""Panels on the product page: what other applications show there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
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


_panels: list[ProductPanel] = []


def register(panel: ProductPanel) -> None:
    """Show a panel on the page of every product."""
    _panels.append(panel)


def render_panels(request: HttpRequest, product: Product) -> list[tuple[Any, SafeString]]:
    """Return title and HTML of the panels that the user may see."""
    visible = [panel for panel in _panels if request.user.has_perm(panel.permission)]
    rendered = [(panel.title, panel.render(request, product)) for panel in visible]
    return [(title, html) for title, html in rendered if html]
