"""
Price position: our price of each product beside those of competitors.

Prices are without tax. A competitor counts once for a product, by its lowest fresh, confident price
of an offer that is not out of stock; freshness and confidence are those of the price guards. Where
our own price includes tax, that of the province counts; without a province, the highest tax of the
provinces that we sell in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from catalog.selectors import store_provinces
from competitors.models import CompetitorOffer
from competitors.reference.taxes import tax_rate
from competitors.selectors.price_evidence import limits_in_force

Position = Literal["below", "at", "above", "none"]
POSITIONS: tuple[Position, ...] = ("below", "at", "above", "none")
"""
Our price beside the median of the competitors'.

at: within one percent; none: no competitor, or no price of ours.
"""
SORTS = ("name", "own_price", "index", "median_price", "competitors", "difference")
"""Columns that positions are sorted by; "-" before one sorts in descending order."""
_MAX_EQUAL_DIFFERENCE = Decimal("0.01")
_NUMERIC = "numeric"
_SORT_COLUMNS: Mapping[str, tuple[str, str]] = {
    "name": ("p.name", "text"),
    "own_price": ("p.price", _NUMERIC),
    "index": ("s.price_index", _NUMERIC),
    "median_price": ("s.median_price", _NUMERIC),
    "competitors": ("coalesce(s.competitors, 0)", _NUMERIC),
    "difference": ("s.difference", _NUMERIC),
}
"""SQL and type of each sort column."""
_PRODUCT_SORTS = frozenset({"name", "own_price"})
"""Sort columns of products: a page is selected before its positions are computed."""
_EVIDENCE = """
evidence AS (
  SELECT coalesce(m.merged_into_id, m.id) AS product_id, o.competitor_id,
    min(o.net_price) AS price, max(o.last_seen_at) AS observed_at
  FROM competitor_offers o
  JOIN products m ON m.id = o.product_id
  {joins}
  WHERE o.match_status IN ('automatic', 'confirmed') AND o.gone_at IS NULL AND o.stock <> 'out'
    AND o.net_price IS NOT NULL AND o.confidence >= %(min_confidence)s
    AND o.last_seen_at >= %(oldest)s {conditions}
  GROUP BY 1, 2
), summaries AS (
  SELECT e.product_id, count(*) AS competitors, min(e.price) AS min_price,
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY e.price)::numeric, 2) AS median_price,
    max(e.price) AS max_price, max(e.observed_at) AS observed_at,
    count(*) FILTER (WHERE e.price < n.net) AS cheaper, min(n.net) AS own_net
  FROM evidence e JOIN products p ON p.id = e.product_id
  CROSS JOIN LATERAL (
    SELECT round(p.price / CASE WHEN p.category = 'accessories' THEN %(accessory_divisor)s
      ELSE %(divisor)s END, 2) AS net
  ) n
  GROUP BY e.product_id
), positions AS (
  SELECT *, round(own_net / nullif(median_price, 0), 4) AS price_index,
    own_net - median_price AS difference
  FROM summaries
)
"""
_PROVINCE_JOINS = """
JOIN competitors c ON c.id = o.competitor_id
LEFT JOIN competitor_locations l ON l.id = o.location_id
"""
_OF_SELECTED = "AND o.product_id IN (SELECT id FROM members)"
_COLUMNS = """
p.id, p.name, p.brand, p.category, p.price, s.own_net, coalesce(s.competitors, 0), s.min_price,
s.median_price, s.max_price, CASE WHEN s.own_net IS NULL THEN NULL ELSE s.cheaper + 1 END,
s.price_index, s.observed_at
"""
_POSITION_SQL = f"""
CASE WHEN s.price_index IS NULL THEN 'none'
  WHEN s.price_index < 1 - {_MAX_EQUAL_DIFFERENCE} THEN 'below'
  WHEN s.price_index > 1 + {_MAX_EQUAL_DIFFERENCE} THEN 'above'
  ELSE 'at' END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFilters:
    """
    Which products and offers are compared; "" and None: all.

    province: of the competitors' locations, for which also our own price counts. competitor: code.
    location: id. search: part of a name.
    """

    province: str = ""
    competitor: str = ""
    location: UUID | None = None
    brand: str = ""
    categories: Sequence[str] = ()
    position: Position | None = None
    search: str = ""
    product_ids: Sequence[UUID] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePosition:
    """
    Our price of a product beside those of competitors, in CAD without tax.

    own_price: as listed; own_net_price: without tax, None without an offer or a price of ours.
    rank: 1 where no competitor is cheaper. index: own ÷ median. observed_at: of the newest offer.
    """

    product_id: UUID
    name: str
    brand: str | None
    category: str | None
    own_price: Decimal | None
    own_net_price: Decimal | None
    competitors: int
    min_price: Decimal | None
    median_price: Decimal | None
    max_price: Decimal | None
    rank: int | None
    index: Decimal | None
    observed_at: datetime | None

    @property
    def position(self) -> Position:
        """Our price beside the median."""
        if self.index is None:
            return "none"
        if abs(self.index - 1) <= _MAX_EQUAL_DIFFERENCE:
            return "at"
        return "below" if self.index < 1 else "above"

    @property
    def difference(self) -> Decimal | None:
        """Our price minus the median."""
        if self.own_net_price is None or self.median_price is None:
            return None
        return self.own_net_price - self.median_price

    def sort_value(self, column: str) -> str | None:
        """Return the value of a sort column as text, for a cursor."""
        value = getattr(self, column)
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Keyset:
    """A page: the rows after a position (sort value, id), or before it in reverse order."""

    limit: int | None = None
    after: tuple[str | None, UUID] | None = None
    is_backward: bool = False


def price_positions(
    filters: PositionFilters | None = None,
    *,
    sort: str = "name",
    page: Keyset | None = None,
    now: datetime | None = None,
) -> list[PricePosition]:
    """
    Return the positions of current products, sorted; unknown values last.

    sort: of SORTS, with "-" before it in descending order. One query besides that of the limits.
    Backward pages come in reverse order.
    """
    chosen = filters or PositionFilters()
    keyset = page or Keyset()
    moment = now or timezone.now()
    query, parameters = _position_query(chosen, sort, keyset)
    with connection.cursor() as cursor:
        cursor.execute(query, {**parameters, **_parameters(chosen, moment)})
        return [PricePosition(**dict(zip(_FIELDS, row, strict=True))) for row in cursor.fetchall()]


def price_position(product_id: UUID, *, now: datetime | None = None) -> PricePosition | None:
    """Return the position of a current product; None: there is none with this id."""
    found = price_positions(PositionFilters(product_ids=[product_id]), now=now)
    return found[0] if found else None


def count_positions(
    filters: PositionFilters | None = None, *, now: datetime | None = None
) -> dict[Position, int]:
    """Return the number of products by position."""
    chosen = filters or PositionFilters()
    where, parameters = _product_conditions(chosen)
    query = f"""
    WITH {_filtered_evidence_sql(chosen)}
    SELECT {_POSITION_SQL}, count(*) FROM products p LEFT JOIN positions s ON s.product_id = p.id
    WHERE {where} GROUP BY 1
    """
    with connection.cursor() as cursor:
        cursor.execute(query, {**parameters, **_parameters(chosen, now or timezone.now())})
        counts = dict(cursor.fetchall())
    return {position: counts.get(position, 0) for position in POSITIONS}


def all_offers() -> QuerySet[CompetitorOffer]:
    """Return the offers of all competitors."""
    return CompetitorOffer.objects.all()


def reads_all_offers(filters: PositionFilters, *, sort: str = "name") -> bool:
    """Return whether a page of positions must read all offers, and not those of few products."""
    if filters.brand or filters.search or filters.product_ids is not None:
        return False
    return filters.position is not None or sort.removeprefix("-") not in _PRODUCT_SORTS


def count_not_compared(*, now: datetime | None = None) -> int:
    """Return the number of fresh matched offers whose price without tax in CAD is unknown."""
    moment = now or timezone.now()
    limits = limits_in_force(timezone.localdate(moment))
    return CompetitorOffer.objects.filter(
        match_status__in=CompetitorOffer.MATCHED,
        gone_at=None,
        net_price=None,
        last_seen_at__gte=moment - timedelta(hours=limits.max_evidence_age_hours),
    ).count()


_FIELDS = (
    "product_id",
    "name",
    "brand",
    "category",
    "own_price",
    "own_net_price",
    "competitors",
    "min_price",
    "median_price",
    "max_price",
    "rank",
    "index",
    "observed_at",
)


def _position_query(
    filters: PositionFilters, sort: str, page: Keyset
) -> tuple[str, dict[str, Any]]:
    column = sort.removeprefix("-")
    where, parameters = _product_conditions(filters)
    expression, sort_type = _SORT_COLUMNS[column]
    is_descending = sort.startswith("-") != page.is_backward
    if page.after:
        where += f" AND {_after_sql(expression, sort_type, is_descending=is_descending, page=page)}"
        parameters["sort_value"], parameters["sort_id"] = page.after
    order = (
        f"ORDER BY {expression} {'DESC' if is_descending else 'ASC'}"
        f" NULLS {'FIRST' if page.is_backward else 'LAST'}, "
        f"p.id {'DESC' if page.is_backward else 'ASC'}"
    )
    limit = "" if page.limit is None else f"LIMIT {int(page.limit)}"
    if column in _PRODUCT_SORTS and filters.position is None and page.limit is not None:
        # Only the offers of the page are read.
        query = f"""
        WITH {_selected_sql(f"{where} {order} {limit}")}, {_evidence_sql(filters, _OF_SELECTED)}
        SELECT {_COLUMNS} FROM selected p LEFT JOIN positions s ON s.product_id = p.id {order}
        """
    else:
        if filters.position:
            where += f" AND {_POSITION_SQL} = %(position)s"
            parameters["position"] = filters.position
        query = f"""
        WITH {_filtered_evidence_sql(filters)}
        SELECT {_COLUMNS} FROM products p LEFT JOIN positions s ON s.product_id = p.id
        WHERE {where} {order} {limit}
        """
    return query, parameters


def _after_sql(expression: str, sort_type: str, *, is_descending: bool, page: Keyset) -> str:
    """Return the condition of the rows after a position; unknown values are last."""
    is_later_id = f"p.id {'<' if page.is_backward else '>'} %(sort_id)s"
    value = f"%(sort_value)s::{sort_type}"
    if page.after and page.after[0] is None:
        is_null = f"({expression} IS NULL AND {is_later_id})"
        return f"({is_null} OR {expression} IS NOT NULL)" if page.is_backward else is_null
    is_later = f"{expression} {'<' if is_descending else '>'} {value}"
    null = "" if page.is_backward else f" OR {expression} IS NULL"
    return f"({is_later} OR ({expression} = {value} AND {is_later_id}){null})"


def _product_conditions(filters: PositionFilters) -> tuple[str, dict[str, Any]]:
    conditions = {
        "p.merged_into_id IS NULL": True,
        "p.brand = %(brand)s": filters.brand,
        "p.category = ANY(%(categories)s)": filters.categories,
        "p.name ILIKE %(search)s": filters.search,
        "p.id = ANY(%(product_ids)s::uuid[])": filters.product_ids is not None,
    }
    parameters = {
        "brand": filters.brand,
        "categories": list(filters.categories),
        "search": f"%{_escape_like(filters.search)}%",
        "product_ids": list(filters.product_ids or ()),
    }
    return " AND ".join(sql for sql, applies in conditions.items() if applies), parameters


def _escape_like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _selected_sql(conditions: str) -> str:
    """Return SQL of the products `selected`, and with those merged into them, of `members`."""
    return f"""
    selected AS MATERIALIZED (
      SELECT p.id, p.name, p.brand, p.category, p.price FROM products p WHERE {conditions}
    ), members AS MATERIALIZED (
      SELECT id FROM selected UNION ALL
      SELECT m.id FROM products m JOIN selected ON selected.id = m.merged_into_id
    )
    """


def _filtered_evidence_sql(filters: PositionFilters) -> str:
    """Return SQL of the positions; of those products alone that the filters name, if any."""
    is_filtered = filters.product_ids is not None or filters.brand or filters.search
    if not (is_filtered or filters.categories):
        return _evidence_sql(filters)
    where, _ = _product_conditions(filters)
    return f"{_selected_sql(where)}, {_evidence_sql(filters, _OF_SELECTED)}"


def _evidence_sql(filters: PositionFilters, condition: str = "") -> str:
    conditions = {
        condition: True,
        "AND coalesce(nullif(l.province, ''), c.province) = %(province)s": filters.province,
        "AND c.code = %(competitor)s": filters.competitor,
        "AND o.location_id = %(location)s": filters.location,
    }
    needs_shop = bool(filters.province or filters.competitor)
    return _EVIDENCE.format(
        joins=_PROVINCE_JOINS if needs_shop else "",
        conditions=" ".join(sql for sql, applies in conditions.items() if applies),
    )


def _parameters(filters: PositionFilters, moment: datetime) -> dict[str, Any]:
    today = timezone.localdate(moment)
    limits = limits_in_force(today)
    return {
        "min_confidence": limits.min_evidence_confidence,
        "oldest": moment - timedelta(hours=limits.max_evidence_age_hours),
        "province": filters.province,
        "competitor": filters.competitor,
        "location": filters.location,
        "divisor": own_price_divisor(filters.province, on=today),
        "accessory_divisor": own_price_divisor(filters.province, on=today, category="accessories"),
    }


def own_price_divisor(province: str, *, on: date, category: str = "") -> Decimal:
    """Return what our listed price is divided by to be without tax, in a province or in all."""
    if not settings.OWN_PRICES_INCLUDE_TAX_IN:
        return Decimal(1)
    provinces = [province] if province else store_provinces()
    taxed = [code for code in provinces if code in settings.OWN_PRICES_INCLUDE_TAX_IN]
    rates = [tax_rate(code, on, category=category) for code in taxed]
    return 1 + max(rates, default=Decimal(0))
