"""Findings about prices that staff are alerted to, by product."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from catalog.reference.provinces import PROVINCES
from catalog.selectors import store_provinces
from competitors.comparable import price_without_tax
from competitors.models import PriceGuardSettings
from competitors.selectors.price_evidence import limits_in_force
from competitors.selectors.price_position import PositionFilters, price_positions

_RECENT = timedelta(hours=24)
# A matched offer counts as evidence of its price; `p` is the product that stands for its own.
_EVIDENCE = """
competitor_offers o
JOIN competitors c ON c.id = o.competitor_id
JOIN products m ON m.id = o.product_id
JOIN products p ON p.id = coalesce(m.merged_into_id, m.id)
WHERE o.match_status IN ('automatic', 'confirmed') AND o.gone_at IS NULL AND o.currency = 'CAD'
  AND o.confidence >= %(min_confidence)s AND o.last_seen_at >= %(oldest)s
"""
# Returns, for each product, the offer whose price has changed the most within a day.
_JUMPS = f"""
SELECT DISTINCT ON (p.id) p.id, p.name, c.name, o.previous_price,
  coalesce(o.sale_price, o.regular_price) AS price,
  round(100 * (coalesce(o.sale_price, o.regular_price) / o.previous_price - 1), 1) AS change
FROM {_EVIDENCE}
  AND o.price_changed_at >= %(recent)s AND o.previous_price > 0
  AND abs(coalesce(o.sale_price, o.regular_price) / o.previous_price - 1) * 100 >= %(jump)s
ORDER BY p.id, abs(coalesce(o.sale_price, o.regular_price) / o.previous_price - 1) DESC
"""
# Returns the products that competitors sell again within a day while no other one had them.
_RESTOCKED = f"""
SELECT p.id, p.name, min(c.name), count(DISTINCT c.id)
FROM {_EVIDENCE} AND o.stock IN ('in_stock', 'low')
GROUP BY p.id, p.name
HAVING bool_and(o.restocked_at IS NOT NULL AND o.restocked_at >= %(recent)s)
"""
# Returns our products below a minimum price in force: price, category and size, and the minimum. Of
# several minimums of a province, category and basis, the newest is in force.
_MINIMUMS = """
WITH in_force AS (
  SELECT DISTINCT ON (province, category, basis) province, category, basis, amount
  FROM minimum_prices
  WHERE effective_on <= %(today)s AND (expires_on IS NULL OR expires_on >= %(today)s)
  ORDER BY province, category, basis, effective_on DESC
)
SELECT p.id, p.name, p.category, p.price, f.province,
  round(f.amount * CASE f.basis WHEN 'package' THEN 1 WHEN 'gram' THEN p.weight_grams
    ELSE p.dried_equivalent_grams END, 2) AS floor
FROM products p JOIN in_force f ON f.category IN ('', p.category)
WHERE p.merged_into_id IS NULL AND p.price IS NOT NULL AND f.province = ANY(%(provinces)s)
  AND p.price / %(max_divisor)s < f.amount * CASE f.basis WHEN 'package' THEN 1
    WHEN 'gram' THEN p.weight_grams ELSE p.dried_equivalent_grams END
ORDER BY p.id, floor DESC
"""
_MAX_TAX_DIVISOR = Decimal("1.2")
"""More than the highest sales tax: a first selection of products, then the tax of each counts."""


@dataclass(frozen=True, slots=True)
class PriceFinding:
    """A finding about a product. severity: for sorting; the greatest first."""

    product_id: UUID
    severity: Decimal
    message: str


def price_findings(code: str, *, now: datetime | None = None) -> list[PriceFinding]:
    """Return the findings of an alert code, the most severe first. Raises KeyError: unknown."""
    moment = now or timezone.now()
    limits = limits_in_force(timezone.localdate(moment))
    found = _FINDERS[code](limits, moment)
    return sorted(found, key=lambda finding: (-finding.severity, finding.product_id))


def _undercuts(limits: PriceGuardSettings, moment: datetime) -> list[PriceFinding]:
    """Find products that a competitor sells far below our price."""
    findings = []
    for row in price_positions(PositionFilters(position="above"), now=moment):
        if row.min_price is None or not row.own_net_price:
            continue
        percent = (1 - row.min_price / row.own_net_price) * 100
        if percent >= limits.undercut_alert_percent:
            message = (
                f"{row.name}: a competitor sells it for {row.min_price}, {percent:.1f} % below our "
                f"price of {row.own_net_price} (without tax; median of {row.competitors}: "
                f"{row.median_price})."
            )
            findings.append(PriceFinding(row.product_id, percent, message))
    return findings


def _jumps(limits: PriceGuardSettings, moment: datetime) -> list[PriceFinding]:
    """Find products whose price at a competitor has changed much within a day."""
    return [
        PriceFinding(
            product_id, abs(change), f"{name}: {shop} went from {before} to {price} ({change:+} %)."
        )
        for product_id, name, shop, before, price, change in _fetch(_JUMPS, limits, moment)
    ]


def _restocked(limits: PriceGuardSettings, moment: datetime) -> list[PriceFinding]:
    """Find products that competitors sell again, which none of them had."""
    return [
        PriceFinding(
            product_id,
            Decimal(shops),
            f"{name}: back in stock at {shop}"
            + (f" and {shops - 1} other competitors." if shops > 1 else "."),
        )
        for product_id, name, shop, shops in _fetch(_RESTOCKED, limits, moment)
    ]


def _below_minimum(limits: PriceGuardSettings, moment: datetime) -> list[PriceFinding]:
    """Find our prices below a provincial minimum in force."""
    today = timezone.localdate(moment)
    worst: dict[UUID, PriceFinding] = {}
    for product_id, name, category, price, province, floor in _fetch(_MINIMUMS, limits, moment):
        net = price_without_tax(
            price,
            is_tax_included=province in settings.OWN_PRICES_INCLUDE_TAX_IN,
            province=province,
            category=category or "",
            on=today,
        )
        known = worst.get(product_id)
        if net is None or net >= floor or (known and known.severity >= floor - net):
            continue
        message = (
            f"{name}: our price of {net} without tax is below the minimum of {floor} in "
            f"{PROVINCES[province].name_en}."
        )
        worst[product_id] = PriceFinding(product_id, floor - net, message)
    return list(worst.values())


def _fetch(query: str, limits: PriceGuardSettings, moment: datetime) -> list[tuple[Any, ...]]:
    parameters: dict[str, Any] = {
        "min_confidence": limits.min_evidence_confidence,
        "oldest": moment - timedelta(hours=limits.max_evidence_age_hours),
        "recent": moment - _RECENT,
        "jump": limits.jump_alert_percent,
        "today": timezone.localdate(moment),
        "provinces": store_provinces(),
        "max_divisor": _MAX_TAX_DIVISOR if settings.OWN_PRICES_INCLUDE_TAX_IN else 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


_FINDERS: Mapping[str, Callable[[PriceGuardSettings, datetime], list[PriceFinding]]] = {
    "price_undercut": _undercuts,
    "price_jump": _jumps,
    "competitor_restocked": _restocked,
    "price_below_minimum": _below_minimum,
}
ALERT_CODES = tuple(_FINDERS)
"""Codes of alerts about prices; the subject of each is the id of a product."""
