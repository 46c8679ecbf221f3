"""First steps of the catalogue: a source, products, a store, an index of vectors."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from catalog.selectors.home import has_enabled_source, has_products
from catalog.selectors.stores import all_stores
from config.admin.first_steps import FirstStep, register
from vectors.selectors import has_indexes

register(
    FirstStep(
        rank=1,
        title=_("Enable a source"),
        text=_("Open a supplier's source, or upload a list as CSV or Excel, and enable it."),
        permission="catalog.change_catalogsource",
        url=lambda: reverse("admin:catalog_catalogsource_changelist"),
        is_done=has_enabled_source,
    )
)
register(
    FirstStep(
        rank=2,
        title=_("Import products"),
        text=_("Do a dry run of the source, look at what it would change, then run it."),
        permission="catalog.view_product",
        url=lambda: reverse("admin:catalog_product_changelist"),
        is_done=has_products,
    )
)
register(
    FirstStep(
        rank=3,
        title=_("Add your stores"),
        text=_("Their province decides what may be sold and shown."),
        permission="catalog.add_store",
        url=lambda: reverse("admin:catalog_store_add"),
        is_done=lambda: all_stores().exists(),
    )
)
register(
    FirstStep(
        rank=4,
        title=_("Build the search index"),
        text=_("Scheduled tasks build it once there are products; this page shows its progress."),
        permission="vectors.view_vectorindex",
        url=lambda: reverse("admin:vectors_vectorindex_changelist"),
        is_done=has_indexes,
        is_required=False,
    )
)
