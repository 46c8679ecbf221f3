"""Recommendations of a product, as the end of its lineage."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.admin.lineage_graph import Node, register
from catalog.models import Product
from customers.selectors.products import count_recommendations

_PERIOD = timedelta(days=1)


@register
def recommendations(product: Product) -> Node:
    """Return the number of the last day's recommendations with a product."""
    count = count_recommendations(product.pk, since=timezone.now() - _PERIOD)
    return Node(
        key="recommendations",
        title=_("Recommendations"),
        detail=_("%(count)s in 24 hours") % {"count": count},
        url=reverse("admin:customers_scenario_explain"),
        permission="customers.view_scenario",
    )
