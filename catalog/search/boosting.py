"""Boosts for stock, margin and freshness, weighted by staff; they reorder results only."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from catalog.search.fusion import SearchCandidate

# Only this many of the best are boosted: further down, scores differ too little to be meaningful.
_MAX_BOOSTED = 200
_FRESHNESS_DAYS = 30
_CURRENT_WEIGHTS_SQL = """
SELECT stock, margin, freshness FROM search_weights ORDER BY set_at DESC LIMIT 1
"""
# For each product: whether it is in stock (in the given store, else anywhere), its margin as a
# share of the price (0 to 1, null without a wholesale price), and its freshness (1 for new,
# decaying).
_SIGNALS_SQL = """
SELECT p.id,
  CASE WHEN %(store_code)s <> '' THEN EXISTS (
    SELECT FROM store_stock k JOIN stores s ON s.id = k.store_id
    WHERE k.product_id = p.id AND s.code = %(store_code)s AND k.quantity > 0)
  ELSE EXISTS (SELECT FROM store_stock k WHERE k.product_id = p.id AND k.quantity > 0)
    OR EXISTS (
      SELECT FROM supplier_listings l
      WHERE l.merge_key = p.merge_key AND l.in_stock AND l.gone_at IS NULL)
  END,
  (SELECT greatest(0, least(1, (p.price - min(l.price)) / nullif(p.price, 0)))
   FROM supplier_listings l
   WHERE l.merge_key = p.merge_key AND l.price_kind = 'wholesale' AND l.gone_at IS NULL),
  exp(-extract(epoch FROM now() - p.created_at) / (86400 * %(freshness_days)s))
FROM products p WHERE p.id = ANY(%(ids)s::uuid[])
"""


@dataclass(frozen=True, slots=True)
class BoostWeights:
    """Weights of the signals, 0 to 1 each."""

    stock: float
    margin: float
    freshness: float


def current_weights() -> BoostWeights | None:
    """Return the weights that staff have set; None: no product is boosted. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_CURRENT_WEIGHTS_SQL)
        weights = cursor.fetchone()
    return BoostWeights(*weights) if weights and any(weights) else None


def apply_boosts(
    candidates: Sequence[SearchCandidate],
    weights: BoostWeights | None,
    *,
    store_code: str = "",
) -> list[SearchCandidate]:
    """Multiply scores by 1 + the weighted signals and sort the best again. One query at most."""
    if not candidates or weights is None:
        return list(candidates)
    best = list(candidates[:_MAX_BOOSTED])
    rest = list(candidates[_MAX_BOOSTED:])
    signals = _load_signals([candidate.id for candidate in best], store_code)
    for candidate in best:
        stock, margin, freshness = signals.get(candidate.id, (0.0, 0.0, 0.0))
        candidate.boost = {
            "stock": weights.stock * stock,
            "margin": weights.margin * margin,
            "freshness": weights.freshness * freshness,
        }
        candidate.score *= 1 + sum(candidate.boost.values())
    return [*sorted(best, key=lambda c: (-c.score, c.id)), *rest]


def _load_signals(ids: list[str], store_code: str) -> dict[str, tuple[float, float, float]]:
    """Return stock (0 or 1), margin and freshness (0 to 1 each) by product id."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SIGNALS_SQL,
            {"store_code": store_code, "freshness_days": _FRESHNESS_DAYS, "ids": ids},
        )
        return {
            str(pk): (float(bool(stock)), float(margin or 0), float(freshness))
            for pk, stock, margin, freshness in cursor
        }
