"""Assortment gaps: what competitors sell that we do not, and the reverse."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from competitors.selectors.price_evidence import limits_in_force

MAX_GAPS = 1_000
# Offers that can be bought now. Whether their price is certain does not matter here.
_FRESH = """
o.gone_at IS NULL AND o.stock <> 'out' AND o.last_seen_at >= %(oldest)s
  AND (%(province)s = '' OR coalesce(nullif(l.province, ''), c.province) = %(province)s)
  AND (%(category)s = '' OR coalesce(p.category, o.category) = %(category)s)
"""
_SHOPS = """
JOIN competitors c ON c.id = o.competitor_id
LEFT JOIN competitor_locations l ON l.id = o.location_id
"""
# Products in stock in one of our stores, of the province if one is given.
_CARRIED = """
carried AS (
  SELECT DISTINCT coalesce(m.merged_into_id, m.id) AS product_id
  FROM store_stock t JOIN stores s ON s.id = t.store_id JOIN products m ON m.id = t.product_id
  WHERE t.quantity > 0 AND (%(province)s = '' OR s.province = %(province)s)
)
"""
# Matched offers by product, and unmatched ones by the words that describe them.
_NOT_CARRIED = f"""
WITH {_CARRIED}, offered AS (
  SELECT coalesce(m.merged_into_id, m.id) AS product_id,
    CASE WHEN m.id IS NULL THEN lower(concat_ws('|', o.brand, o.name, o.size)) END AS description,
    coalesce(p.name, o.name) AS name, coalesce(p.brand, o.brand) AS brand,
    coalesce(p.category, o.category) AS category, o.size, o.competitor_id, o.net_price, o.id
  FROM competitor_offers o {_SHOPS}
  LEFT JOIN products m ON m.id = o.product_id
  LEFT JOIN products p ON p.id = coalesce(m.merged_into_id, m.id)
  WHERE o.match_status <> 'proposed' AND {_FRESH}
)
SELECT product_id, min(name), min(brand), min(category),
  CASE WHEN product_id IS NULL THEN min(size) ELSE '' END,
  count(DISTINCT competitor_id), count(*), min(net_price),
  round(percentile_cont(0.5) WITHIN GROUP (ORDER BY net_price)::numeric, 2), (array_agg(id))[1]
FROM offered o
WHERE NOT EXISTS (SELECT FROM carried WHERE carried.product_id = o.product_id)
GROUP BY product_id, description
ORDER BY count(DISTINCT competitor_id) DESC, count(*) DESC, min(name), product_id
LIMIT %(limit)s
"""
_ONLY_OURS = f"""
WITH {_CARRIED}, offered AS (
  SELECT DISTINCT p.id AS product_id
  FROM competitor_offers o {_SHOPS}
  JOIN products m ON m.id = o.product_id
  JOIN products p ON p.id = coalesce(m.merged_into_id, m.id)
  WHERE o.match_status IN ('automatic', 'confirmed') AND {_FRESH}
)
SELECT p.id, p.name, p.brand, p.category, p.price
FROM products p JOIN carried ON carried.product_id = p.id
WHERE NOT EXISTS (SELECT FROM offered WHERE offered.product_id = p.id)
  AND (%(category)s = '' OR p.category = %(category)s)
ORDER BY p.name, p.id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class NotCarried:
    """
    A product that competitors sell and our stores do not have.

    product_id: None for offers without a product, which are put together by brand, name and size;
    offer_id: one of them. Prices in CAD without tax.
    """

    product_id: UUID | None
    name: str
    brand: str | None
    category: str | None
    size: str
    competitors: int
    offers: int
    min_price: Decimal | None
    median_price: Decimal | None
    offer_id: UUID


@dataclass(frozen=True, slots=True)
class OnlyOurs:
    """A product in stock in our stores that no competitor lists."""

    product_id: UUID
    name: str
    brand: str | None
    category: str | None
    price: Decimal | None


def products_not_carried(
    *, province: str = "", category: str = "", limit: int = 200, now: datetime | None = None
) -> list[NotCarried]:
    """
    Return what competitors sell and our stores do not have, what most of them sell first.

    province: of their locations and our stores; "": all. Offers with a product to be confirmed are
    left out.
    """
    return [NotCarried(*row) for row in _fetch(_NOT_CARRIED, province, category, limit, now)]


def products_only_ours(
    *, province: str = "", category: str = "", limit: int = 200, now: datetime | None = None
) -> list[OnlyOurs]:
    """Return the products in stock in our stores that no competitor lists, by name."""
    return [OnlyOurs(*row) for row in _fetch(_ONLY_OURS, province, category, limit, now)]


def _fetch(
    query: str, province: str, category: str, limit: int, now: datetime | None
) -> list[tuple[Any, ...]]:
    moment = now or timezone.now()
    limits = limits_in_force(timezone.localdate(moment))
    parameters: dict[str, Any] = {
        "province": province,
        "category": category,
        "limit": min(limit, MAX_GAPS),
        "oldest": moment - timedelta(hours=limits.max_evidence_age_hours),
    }
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
