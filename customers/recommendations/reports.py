"""Reports for the console: best sellers, coverage, fallback, feedback, and the reach of a rule."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from catalog.models import Product, Store, StoreStock
from customers.models import BusinessRule, ProductPopularity

MAX_COUNTED_PRODUCTS = 10_000
"""Upper bound up to which the products of a rule are counted."""
_MAX_EXAMPLES = 8

# By category: name, products in stock that were recommended, products in stock. DISTINCT over the
# unnested ids runs in parallel workers; grouping by day took five times as long.
_COVERAGE = """
SELECT coalesce(p.category, ''), count(recommended.id), count(*)
FROM (
  SELECT DISTINCT product_id AS id FROM store_stock
  WHERE quantity > 0 AND (%(store)s::uuid IS NULL OR store_id = %(store)s::uuid)
) stocked
JOIN products p ON p.id = stocked.id AND p.merged_into_id IS NULL
LEFT JOIN (
  SELECT DISTINCT id FROM (
    SELECT unnest(products) AS id FROM recommendations
    WHERE created_at >= %(since)s AND (%(store)s::uuid IS NULL OR store_id = %(store)s::uuid)
  ) results
) recommended ON recommended.id = p.id
GROUP BY 1 ORDER BY 3 DESC, 1
"""
# Number of results by scenario and fallback level.
_FALLBACK_COUNTS = """
SELECT scenario, fallback_level, count(*) FROM recommendations
WHERE created_at >= %(since)s AND (%(store)s::uuid IS NULL OR store_id = %(store)s::uuid)
GROUP BY 1, 2 ORDER BY 1, 2
"""
# By scenario: recommended products shown, clicked and bought.
_FEEDBACK_COUNTS = """
SELECT scenario, count(*) FILTER (WHERE kind = 'shown'),
  count(*) FILTER (WHERE kind = 'clicked'), count(*) FILTER (WHERE kind = 'bought')
FROM recommendation_feedback
WHERE at >= %(since)s AND (%(store)s::uuid IS NULL OR store_id = %(store)s::uuid)
GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReach:
    """
    Current products that match a rule, and the stores that have them in stock.

    product_count: at most MAX_COUNTED_PRODUCTS + 1, which means more. stocking_store_count: stores
    in which the rule applies and a matching product is in stock, of store_count.
    """

    product_count: int
    examples: Sequence[Product]
    stocking_store_count: int
    store_count: int


@dataclass(frozen=True, slots=True)
class Proportion:
    """A part of a whole, both as counts; name: what is counted, empty for unknown or everything."""

    name: str
    part: int
    whole: int

    @property
    def percent(self) -> float:
        """Share of the whole, 0 to 100; 0 when the whole is 0."""
        return 100 * self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class FeedbackCounts:
    """Outcomes of the recommended products of a scenario."""

    scenario: str
    shown: int
    clicked: int
    bought: int

    @property
    def click_percent(self) -> float:
        """Clicks per hundred shown products; 0 when none was shown."""
        return 100 * self.clicked / self.shown if self.shown else 0.0


def products_matching_rule(rule: BusinessRule) -> QuerySet[Product]:
    """Return the current products that match a rule; the same condition as `matches_rule`."""
    rows = Product.objects.current().defer("search_document")
    if rule.product:
        rows = rows.filter(pk=rule.product.effective_id)
    if rule.brand:
        # A pattern, since the trigram index supports patterns and not equality of upper case.
        rows = rows.filter(brand__iregex=f"^{re.escape(rule.brand)}$")
    for name in ("category", "strain_type"):
        if value := getattr(rule, name):
            rows = rows.filter(**{name: value})
    if rule.min_thc_percentage is None:
        return rows
    return rows.alias(max_thc=Coalesce("thc_percentage_high", "thc_percentage")).filter(
        max_thc__gte=rule.min_thc_percentage
    )


def rule_reach(rule: BusinessRule) -> RuleReach:
    """Return the reach of a rule in the stores where it applies; four bounded queries."""
    matching = products_matching_rule(rule)
    stores = Store.objects.filter(pk=rule.store_id) if rule.store_id else Store.objects.all()
    if rule.province:
        stores = stores.filter(province=rule.province)
    stocked = StoreStock.objects.filter(
        store=OuterRef("pk"), quantity__gt=0, product__in=matching.values("pk")
    )
    return RuleReach(
        product_count=matching.order_by()[: MAX_COUNTED_PRODUCTS + 1].count(),
        examples=list(matching.order_by("name", "-id")[:_MAX_EXAMPLES]),
        stocking_store_count=stores.filter(Exists(stocked)).count(),
        store_count=stores.count(),
    )


def best_sellers(*, store: Store | None, limit: int = 20) -> list[ProductPopularity]:
    """Return the best sellers of a store, or of all stores, best first; one query."""
    rows = ProductPopularity.objects.filter(store=store, product__merged_into=None)
    rows = rows.select_related("product").defer("product__search_document")
    return list(rows.order_by("-score", "product_id")[:limit])


def category_coverage(*, store: Store | None, since: datetime) -> list[Proportion]:
    """Return, by category, how many products in stock were recommended since a time; one query."""
    return [Proportion(*row) for row in _rows(_COVERAGE, store, since)]


def fallback_counts(*, store: Store | None, since: datetime) -> list[tuple[str, int, int]]:
    """Return scenario, fallback level and number of results since a time; one query."""
    return _rows(_FALLBACK_COUNTS, store, since)


def feedback_counts(*, store: Store | None, since: datetime) -> list[FeedbackCounts]:
    """Return the feedback since a time, by scenario; one query."""
    return [FeedbackCounts(*row) for row in _rows(_FEEDBACK_COUNTS, store, since)]


def _rows(query: str, store: Store | None, since: datetime) -> list[Any]:
    params = {"store": store.pk if store else None, "since": since}
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return list(cursor.fetchall())
