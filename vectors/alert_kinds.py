"""Kinds of alerts about vector indexes."""

from django.utils.translation import gettext_lazy as _

from mlops.quality.kinds import register

register(
    "vector_recall",
    _("Vector search misses products"),
    _(
        "Open the vector indexes and rebuild the index named here. The serving index goes on "
        "until the new one is good enough."
    ),
)
register(
    "vector_index_refused",
    _("New vector index was refused"),
    _(
        "The new index found too few of the true neighbors, so the former one serves on. Rebuild"
        " it; if it is refused again, ask a developer."
    ),
)
