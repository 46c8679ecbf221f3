"""Price suggestions: products to suggest for, evidence by province, sales, and stored rows."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, QuerySet
from django.utils import timezone

from catalog.models import Product
from catalog.search import find_products
from catalog.selectors import store_provinces
from catalog.selectors.products import current_products
from competitors.comparable import price_without_tax
from competitors.models import PriceApproval, PriceSuggestion
from competitors.pricing.elasticity import SalesCell
from competitors.selectors.price_evidence import OfferEvidence, limits_in_force
from competitors.selectors.price_position import price_positions
from mlops.waiting_work import Waiting, waiting

OUTCOME_DAYS = 28
MIN_OUTCOME_DAYS = 7
_BATCH_SIZE = 500
_SALES_PERIOD = timedelta(days=365)
# Returns the weekly sales of each product and store, without returns, by category.
_SALES = """
SELECT coalesce(p.category, ''), coalesce(m.merged_into_id, m.id)::text,
  coalesce(s.store_id::text, ''),
  floor(extract(epoch FROM s.purchased_at) / 604800)::int AS week, sum(s.quantity),
  sum(s.quantity * s.unit_price) / sum(s.quantity)
FROM purchases s
JOIN products m ON m.id = s.product_id
JOIN products p ON p.id = coalesce(m.merged_into_id, m.id)
WHERE s.purchased_at >= %(start)s AND s.purchased_at < %(end)s AND s.quantity > 0
  AND s.unit_price > 0
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
# Returns the approved prices whose outcome is due, with the days to compare: until 28 days, the
# next approved price of the product, or now. Units and revenue are net of returns.
_OUTCOMES = """
WITH approved AS (
  SELECT a.id, a.product_id, a.decided_at,
    lead(a.decided_at) OVER (PARTITION BY a.product_id ORDER BY a.decided_at) AS next_at
  FROM price_approvals a WHERE a.decision = 'approved'
), periods AS (
  SELECT a.*, least(
      %(max_days)s::int,
      floor(extract(epoch FROM least(coalesce(a.next_at, %(now)s), %(now)s) - a.decided_at) / 86400)
    )::int AS days
  FROM approved a LEFT JOIN price_outcomes o ON o.approval_id = a.id
  WHERE o.id IS NULL OR NOT o.is_complete
)
SELECT p.id, p.days, p.days = %(max_days)s OR coalesce(p.next_at <= %(now)s, false),
  coalesce(sum(s.quantity) FILTER (WHERE s.purchased_at < p.decided_at), 0),
  coalesce(sum(s.quantity) FILTER (WHERE s.purchased_at >= p.decided_at), 0),
  coalesce(sum(s.quantity * s.unit_price) FILTER (WHERE s.purchased_at < p.decided_at), 0),
  coalesce(sum(s.quantity * s.unit_price) FILTER (WHERE s.purchased_at >= p.decided_at), 0)
FROM periods p
LEFT JOIN products m ON m.id = p.product_id OR m.merged_into_id = p.product_id
LEFT JOIN purchases s ON s.product_id = m.id
  AND s.purchased_at >= p.decided_at - p.days * interval '1 day'
  AND s.purchased_at < p.decided_at + p.days * interval '1 day'
WHERE p.days >= %(min_days)s
GROUP BY p.id, p.days, p.next_at ORDER BY p.id
"""


@dataclass(frozen=True, slots=True)
class ProvinceEvidence:
    """Competitors' prices of a product in a province: median without tax, CAD, and how many."""

    province: str
    net_price: Decimal
    competitors: int


@dataclass(frozen=True, slots=True)
class MeasuredOutcome:
    """Sales before and after an approved price, each over `days`."""

    approval_id: UUID
    days: int
    is_complete: bool
    units_before: int
    units_after: int
    revenue_before: Decimal
    revenue_after: Decimal


def products_with_evidence(*, now: datetime) -> Iterator[list[Product]]:
    """Yield current products with a price of ours and enough competitors, in batches."""
    limits = limits_in_force(timezone.localdate(now))
    ids = [
        position.product_id
        for position in price_positions(now=now)
        if position.own_price and position.competitors >= limits.min_evidence_offers
    ]
    for start in range(0, len(ids), _BATCH_SIZE):
        batch = ids[start : start + _BATCH_SIZE]
        yield list(Product.objects.filter(pk__in=batch).order_by("pk"))


def evidence_by_province(
    offers: Sequence[OfferEvidence], product: Product, *, now: datetime
) -> list[ProvinceEvidence]:
    """
    Return what competitors ask in the provinces of our stores; without one there, in all.

    A competitor counts once in a province, by its lowest price without tax.
    """
    lowest: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for offer in offers:
        net = price_without_tax(
            offer.price,
            is_tax_included=offer.is_tax_included,
            province=offer.province,
            category=product.category or "",
            on=timezone.localdate(now),
        )
        if net:
            prices = lowest[offer.province]
            prices[offer.competitor] = min(net, prices.get(offer.competitor, net))
    ours = set(store_provinces()) & lowest.keys()
    return [
        ProvinceEvidence(province, median(lowest[province].values()), len(lowest[province]))
        for province in sorted(ours or lowest)
    ]


def sales_by_category(*, now: datetime) -> dict[str, list[SalesCell]]:
    """Return the weekly sales of the last year by category."""
    cells: dict[str, list[SalesCell]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_SALES, {"start": now - _SALES_PERIOD, "end": now})
        for category, product, store, week, units, price in cursor:
            cells[category].append(SalesCell(product, store, week, float(units), float(price)))
    return dict(cells)


def due_outcomes(*, now: datetime) -> list[MeasuredOutcome]:
    """Return the sales around approved prices whose outcome is not complete yet."""
    parameters: dict[str, Any] = {
        "now": now,
        "max_days": OUTCOME_DAYS,
        "min_days": MIN_OUTCOME_DAYS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OUTCOMES, parameters)
        return [MeasuredOutcome(*row) for row in cursor.fetchall()]


def suggestions_of_products(
    suggestions: QuerySet[PriceSuggestion], text: str
) -> QuerySet[PriceSuggestion]:
    """Return the suggestions for products that staff find by a text."""
    products = find_products(current_products(), text)
    return suggestions.filter(product__in=products.order_by().values("pk"))


def all_suggestions() -> QuerySet[PriceSuggestion]:
    """Return all suggestions with what their pages show."""
    return PriceSuggestion.objects.select_related(
        "product", "model_version", "decided_by", "approval__outcome"
    )


def pending_suggestions(ids: Sequence[Any] = ()) -> QuerySet[PriceSuggestion]:
    """Return the suggestions that wait for a decision; of some ids, if any are given."""
    pending = all_suggestions().filter(status=PriceSuggestion.Status.PENDING)
    return pending.filter(pk__in=ids) if ids else pending


def suggestions_to_decide() -> Waiting:
    """Return the number of pending suggestions and the time of the oldest."""
    return waiting(pending_suggestions(), "suggested_at")


def count_by_status() -> dict[str, int]:
    """Return the number of suggestions by status."""
    rows = PriceSuggestion.objects.order_by().values_list("status")
    counts = dict(rows.annotate(count=Count("pk")))
    return {status: counts.get(status, 0) for status in PriceSuggestion.Status.values}


def earlier_decisions(product_id: UUID) -> QuerySet[PriceApproval]:
    """Return the decisions about prices of a product with their outcomes, the newest first."""
    approvals = PriceApproval.objects.filter(product=product_id)
    return approvals.select_related("decided_by", "outcome").order_by("-decided_at")
