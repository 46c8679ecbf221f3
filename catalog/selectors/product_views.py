"""Saved views and chosen columns of the product list."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from catalog.models import ProductColumnChoice, ProductView


def visible_views(user: Any) -> Sequence[ProductView]:
    """Return the views of a user and the shared ones of others, by name; one query."""
    views = ProductView.objects.filter(Q(owner=user.pk) | Q(is_shared=True))
    return list(views.select_related("owner"))


def chosen_columns(user: Any) -> list[str]:
    """Return the columns that a user has chosen; empty: none. One query."""
    choice = ProductColumnChoice.objects.filter(user=user.pk).first()
    return list(choice.columns) if choice else []
