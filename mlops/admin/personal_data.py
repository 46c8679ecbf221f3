"""Names of personal data on pages of erasures."""

from typing import Any

from django.apps import apps
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

_MENTIONS = ": mentions"
_RETAINED = ", retained: "
_LABELS = {
    "redis": _("cached answers"),
    "objects": _("files"),
    "vectors": _("vectors"),
    "frozen training sets": _("frozen training sets"),
}


def data_label(name: str) -> str:
    """Return the name of a store of personal data in the language of the user."""
    store, _separator, reason = name.partition(_RETAINED)
    if reason:
        return gettext("%(data)s (retained: %(reason)s)") % {
            "data": data_label(store),
            "reason": reason,
        }
    if store.endswith(_MENTIONS):
        return gettext("Mentions in: %(data)s") % {
            "data": _table_label(store.removesuffix(_MENTIONS))
        }
    return capfirst(str(_LABELS.get(store) or _table_label(store)))


def _table_label(table: str) -> Any:
    """Return the plural name of the model with a table; the table's name if there is none."""
    models = (model for model in apps.get_models() if model._meta.db_table == table)
    name = next((model._meta.verbose_name_plural for model in models), None)
    return str(name or table.replace("_", " "))
