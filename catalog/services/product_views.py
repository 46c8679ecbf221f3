"""Saving of views and columns of the product list."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext as _

from catalog.models import ProductColumnChoice, ProductView
from config.errors import BadInput

MAX_NAME_LENGTH = 60
MAX_QUERY_LENGTH = 1000


def save_view(
    *, name: str, query: str, owner: Any, is_shared: bool, ignored_params: Collection[str] = ()
) -> ProductView:
    """
    Save a view; one of the same name of this user is replaced.

    ignored_params: parameters of the query that are not part of a view, such as the page. Raises
    BadInput: no or too long a name, too long a query.
    """
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise BadInput(
            "name", _("A view needs a name of up to %(max)s characters.") % {"max": MAX_NAME_LENGTH}
        )
    params = QueryDict(query, mutable=True)
    for param in list(params):
        if param in ignored_params or not any(params.getlist(param)):
            del params[param]
    cleaned = params.urlencode()
    if len(cleaned) > MAX_QUERY_LENGTH:
        raise BadInput("query", _("The filter is too long to be saved."))
    view, _is_new = ProductView.objects.update_or_create(
        owner_id=owner.pk, name=name, defaults={"query": cleaned, "is_shared": is_shared}
    )
    return view


def delete_view(*, pk: UUID, owner: Any) -> bool:
    """Delete a view of this user; return whether there was one."""
    return bool(ProductView.objects.filter(pk=pk, owner=owner.pk).delete()[0])


def choose_columns(*, user: Any, columns: Sequence[str], known: Collection[str]) -> None:
    """
    Save the columns of a user; none resets the list to its default columns.

    Raises BadInput: a column is not known.
    """
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise BadInput("columns", _("%(name)s is not a column.") % {"name": unknown[0]})
    if not columns:
        ProductColumnChoice.objects.filter(user=user.pk).delete()
        return
    ProductColumnChoice.objects.update_or_create(
        user_id=user.pk, defaults={"columns": list(columns)}
    )
