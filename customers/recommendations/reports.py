"""What sells in a store, how much of its stock is ever recommended, and what rules reach."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from catalog.models import Product, Store, StoreStock
from customers.models import ProductPopularity, Rule

MOST_COUNTED = 10_000
"""Products of a rule are counted up to here."""
_SOME = 8

# DISTINCT over the unnested ids is done by several workers at once; grouped by day it took five times as long.
_COVERAGE = """
SELECT coalesce(p.category, ''), count(told.id), count(*)
FROM (
  SELECT DISTINCT product_id AS id FROM store_stock
  WHERE quantity > 0 AND (%(store)s::uuid IS NULL OR store_id = %(store)s::uuid)
) stocked
JOIN products p ON p.id = stocked.id AND p.merged_into_id IS NULL
LEFT JOIN (
  SELECT DISTINCT id FROM (
    SELECT unnest(products) AS id FROM recommendations
    WHERE made_at >= %(since)s AND (%(store)s::uuid IS NULL OR store_id = %(store)s::uuid)
  ) answers
) told ON told.id = p.id
GROUP BY 1 ORDER BY 3 DESC, 1
"""
_LEVELS = """
SELECT scenario, fallback_level, count(*) FROM recommendations
WHERE made_at >= %(since)s AND (%(store)s::uuid IS NULL OR store_id = %(store)s::uuid) GROUP BY 1, 2 ORDER BY 1, 2
"""
_CLICKS = """
SELECT scenario, count(*) FILTER (WHERE kind = 'shown'), count(*) FILTER (WHERE kind = 'clicked'),
  count(*) FILTER (WHERE kind = 'bought')
FROM recommendation_feedback
WHERE at >= %(since)s AND (%(store)s::uuid IS NULL OR store_id = %(store)s::uuid) GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many current products a rule names (MOST_COUNTED + 1: more), some of them, and in how many stores they are."""

    products: int
    some: Sequence[Product]
    stores: int
    of_stores: int


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, both counted; name: of what, empty where that is not known or is everything."""

    name: str
    part: int
    whole: int

    @property
    def percent(self) -> float:
        """The share, 0 to 100; 0 of nothing."""
        return 100 * self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of what was shown, in one scenario."""

    scenario: str
    shown: int
    clicked: int
    bought: int

    @property
    def click_percent(self) -> float:
        """Clicks for each hundred shown; 0 where nothing was."""
        return 100 * self.clicked / self.shown if self.shown else 0.0


def named_by(rule: Rule) -> QuerySet[Product]:
    """Return the current products that meet everything a rule says; the same as `filtering.names`, asked of the database."""
    rows = Product.objects.current().defer("search_document")
    if rule.product:
        rows = rows.filter(pk=rule.product.merged_into_id or rule.product.pk)
    if rule.brand:
        # As a pattern, since the index of spellings knows patterns, and no equality of upper case.
        rows = rows.filter(brand__iregex=f"^{re.escape(rule.brand)}$")
    for name in ("category", "strain_type"):
        if value := getattr(rule, name):
            rows = rows.filter(**{name: value})
    if rule.least_thc is None:
        return rows
    return rows.alias(most=Coalesce("thc_percentage_high", "thc_percentage")).filter(
        most__gte=rule.least_thc
    )


def reach_of(rule: Rule) -> Reach:
    """Return what a rule reaches now, in the stores where it holds; four bounded queries."""
    named = named_by(rule)
    stores = Store.objects.filter(pk=rule.store_id) if rule.store_id else Store.objects.all()
    if rule.province:
        stores = stores.filter(province=rule.province)
    stocked = StoreStock.objects.filter(
        store=OuterRef("pk"), quantity__gt=0, product__in=named.values("pk")
    )
    return Reach(
        products=named.order_by()[: MOST_COUNTED + 1].count(),
        some=list(named.order_by("name", "-id")[:_SOME]),
        stores=stores.filter(Exists(stocked)).count(),
        of_stores=stores.count(),
    )


def best_sellers(*, store: Store | None, most: int = 20) -> list[ProductPopularity]:
    """Return what sells best in a store, or in all, the best first; one query."""
    rows = ProductPopularity.objects.filter(store=store, product__merged_into=None).select_related(
        "product"
    )
    return list(rows.defer("product__search_document").order_by("-score", "product_id")[:most])


def coverage(*, store: Store | None, since: datetime) -> list[Share]:
    """Return of each category how many products that are in stock now were in any answer since; one query."""
    return [Share(*row) for row in _rows(_COVERAGE, store, since)]


def levels(*, store: Store | None, since: datetime) -> list[tuple[str, int, int]]:
    """Return how many answers were made since, by scenario and level of the fallback; one query."""
    return _rows(_LEVELS, store, since)


def clicks(*, store: Store | None, since: datetime) -> list[Feedback]:
    """Return what became of what was shown since, by scenario; one query."""
    return [Feedback(*row) for row in _rows(_CLICKS, store, since)]


def _rows(query: str, store: Store | None, since: datetime) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, {"store": store.pk if store else None, "since": since})
        return list(cursor.fetchall())
