"""What staff weigh: stock, margin and novelty move what answers up or down, never in or out."""

from collections.abc import Sequence

from django.db import connection

from catalog.models import SearchWeights
from catalog.search.fusion import Candidate

# So many of the best are weighed; below them order is a matter of chance anyway.
_WEIGHED = 200
_NEW_DAYS = 30
_NEWEST = "SELECT * FROM search_weights ORDER BY set_at DESC LIMIT 1"
_FACTS = """
SELECT p.id,
  CASE WHEN %(store)s <> '' THEN EXISTS (
    SELECT FROM store_stock k JOIN stores s ON s.id = k.store_id
    WHERE k.product_id = p.id AND s.code = %(store)s AND k.quantity > 0)
  ELSE EXISTS (SELECT FROM store_stock k WHERE k.product_id = p.id AND k.quantity > 0)
    OR EXISTS (SELECT FROM supplier_listings l WHERE l.merge_key = p.merge_key AND l.in_stock AND l.gone_at IS NULL)
  END,
  (SELECT greatest(0, least(1, (p.price - min(l.price)) / nullif(p.price, 0))) FROM supplier_listings l
   WHERE l.merge_key = p.merge_key AND l.price_kind = 'wholesale' AND l.gone_at IS NULL),
  exp(-extract(epoch FROM now() - p.created_at) / (86400 * %(days)s))
FROM products p WHERE p.id = ANY(%(ids)s::uuid[])
"""


def weigh(candidates: Sequence[Candidate], *, store: str = "") -> list[Candidate]:
    """Multiply scores by 1 + what staff weigh, and put the best in order anew; one query, two where anything weighs."""
    weights = next(iter(SearchWeights.objects.raw(_NEWEST)), None)
    if (
        not candidates
        or weights is None
        or not (weights.stock or weights.margin or weights.freshness)
    ):
        return list(candidates)
    best, rest = list(candidates[:_WEIGHED]), list(candidates[_WEIGHED:])
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, {"store": store, "days": _NEW_DAYS, "ids": [c.id for c in best]})
        told = {
            str(pk): (float(bool(stock)), float(margin or 0), float(new))
            for pk, stock, margin, new in cursor
        }
    for candidate in best:
        stock, margin, new = told.get(candidate.id, (0.0, 0.0, 0.0))
        candidate.business = {
            "stock": weights.stock * stock,
            "margin": weights.margin * margin,
            "freshness": weights.freshness * new,
        }
        candidate.score *= 1 + sum(candidate.business.values())
    return [*sorted(best, key=lambda c: (-c.score, c.id)), *rest]
