"""Candidate sources: each returns raw scores by product, which `scoring` brings to one scale."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from django.db import connection

from catalog.selectors import PRODUCT_EMBEDDINGS
from customers.recommendations import scoring
from customers.recommendations.context import RecommendationContext
from customers.recommendations.statistics import repeats
from customers.reference.history import PURCHASE
from customers.reference.segments import segment_sql
from customers.selectors.history import HistoryEntry
from customers.selectors.vectors import get_customer_vector
from mlops.sql_arrays import array
from vectors import search
from vectors.errors import VectorRefused, VectorsUnavailable

log = structlog.get_logger(__name__)
_NEW_ARRIVAL_DAYS = 30
_NEWNESS_DECAY_DAYS = 10.0
# Weight of the customer's history beside the viewed products.
_HISTORY_SHARE = 0.3
# Neighbors of seed products: id, sum of seed weight * similarity, segment; best first.
_CO_PURCHASE = f"""
SELECT found.id, found.score, {segment_sql("p")} FROM (
  SELECT n.neighbor_id AS id, sum(s.weight * n.score) AS score
  FROM unnest(%s::uuid[], %s::float8[]) AS s(product, weight)
  JOIN product_neighbors n ON n.product_id = s.product GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s
) AS found JOIN products p ON p.id = found.id ORDER BY found.score DESC, found.id
"""
# Orders per buyer of products.
_REPEATS = """
SELECT product_id, repeats FROM product_repeat_statistics WHERE product_id = ANY(%s::uuid[])
"""
_IN_STOCK = """
EXISTS (
  SELECT FROM store_stock k
  WHERE k.product_id = p.id AND k.quantity > 0 AND k.store_id = ANY(%(stores)s::uuid[])
)
"""
# Best sellers in stock, and the customer's purchases whatever their rank: id, score; best first.
# Four times as many rows are read from the index as are needed, so that enough are in stock.
_POPULARITY = f"""
(SELECT p.id, p.score FROM (
  SELECT product_id AS id, score FROM product_popularity
  WHERE {{store}} ORDER BY score DESC LIMIT 4 * %(limit)s
) AS p WHERE {_IN_STOCK} ORDER BY p.score DESC, p.id LIMIT %(limit)s)
UNION
SELECT product_id, score FROM product_popularity
WHERE {{store}} AND product_id = ANY(%(purchased)s::uuid[])
ORDER BY 2 DESC, 1
"""
# New products in stock, newest first: id, score that decays with age. The newest rows are read
# from the index, so that a whole catalogue of new products is not scanned.
_NEWNESS = f"""
SELECT p.id,
  exp(-greatest(extract(epoch FROM %(now)s - p.created_at), 0)::float8 / 86400 / %(decay_days)s)
FROM (
  SELECT id, created_at FROM products
  WHERE created_at > %(now)s - make_interval(days => %(days)s) AND merged_into_id IS NULL
  ORDER BY created_at DESC, id LIMIT 3 * %(limit)s
) AS p WHERE {_IN_STOCK} ORDER BY p.created_at DESC, p.id LIMIT %(limit)s
"""
# Ids of products in stock, newest first.
_STOCKED = f"""
SELECT p.id FROM products p WHERE p.merged_into_id IS NULL AND {_IN_STOCK}
ORDER BY p.created_at DESC, p.id LIMIT %(limit)s
"""
CandidateScores = dict[str, dict[UUID, float]]
"""Raw scores, 0 to 1, by candidate source and product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSet:
    """
    Raw scores of all candidate sources, and what is needed to combine and explain them.

    unavailable: fallback reasons of sources whose vectors are unavailable. seeds: weights of the
    products that co-purchase neighbors were looked up by. orders_per_buyer: of purchased products.
    discovery_ratio, lifts: see `statistics.repeats`; on product pages co-purchase candidates come
    from the viewed product, and neither applies.
    """

    scores: CandidateScores = field(default_factory=dict)
    unavailable: tuple[str, ...] = ()
    seeds: Mapping[UUID, float] = field(default_factory=dict)
    orders_per_buyer: Mapping[UUID, float] = field(default_factory=dict)
    discovery_ratio: float = repeats.DEFAULT_DISCOVERY_RATIO
    lifts: Mapping[UUID, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreferenceSignals:
    """History entries that express a preference, with age in days (n,) and weight (n,)."""

    entries: list[HistoryEntry]
    days: np.ndarray
    weights: np.ndarray


def generate_candidates(context: RecommendationContext) -> CandidateSet:
    """
    Return candidates of every source of the scenario.

    A source whose vectors are unavailable is left out; other errors are raised.
    """
    signals = _preference_signals(context)
    seeds = _seeds(context, signals)
    segments: dict[UUID, str] = {}
    orders_per_buyer: dict[UUID, float] = {}

    def repurchase() -> dict[UUID, float]:
        scores, found_orders = _repurchase(context)
        orders_per_buyer.update(found_orders)
        return scores

    def co_purchase() -> dict[UUID, float]:
        scores, found_segments = _co_purchase(seeds)
        segments.update(found_segments)
        return scores

    sources: Mapping[str, Callable[[], dict[UUID, float]]] = {
        "repurchase": repurchase,
        "co_purchase": co_purchase,
        "embedding_similarity": lambda: _embedding_similarity(context),
        "popularity": lambda: popular_products(
            context, purchased={entry.product for entry in _purchases(context)}
        ),
        "newness": lambda: new_products(context),
    }
    scores: CandidateScores = {}
    unavailable: list[str] = []
    for source in context.source_weights:
        try:
            scores[source] = sources[source]()
        except (VectorsUnavailable, VectorRefused) as error:
            log.warning("recommendation.vectors_unavailable", reason=str(error))
            unavailable.append("vectors_unavailable")
    if context.request.products:
        return CandidateSet(scores=scores, unavailable=tuple(unavailable), seeds=seeds)
    return CandidateSet(
        scores=scores,
        unavailable=tuple(unavailable),
        seeds=seeds,
        orders_per_buyer=orders_per_buyer,
        discovery_ratio=context.statistics.discovery_ratio,
        lifts=_lifts(context, signals, segments),
    )


def popular_products(
    context: RecommendationContext, *, purchased: Collection[UUID] = ()
) -> dict[UUID, float]:
    """
    Return scores of best sellers of the store, and of the purchased products, best first.

    In a store without sales, the best sellers of all stores.
    """
    params: dict[str, Any] = {
        "stores": array(context.store_ids),
        "limit": scoring.MAX_CANDIDATES_PER_SOURCE,
        "purchased": array(purchased),
    }
    if context.request.store:
        params["store"] = context.request.store.pk
        if scores := _scores(_POPULARITY.format(store="store_id = %(store)s"), params):
            return scores
    return _scores(_POPULARITY.format(store="store_id IS NULL"), params)


def new_products(context: RecommendationContext) -> dict[UUID, float]:
    """Return scores of products in stock that were added in the last 30 days, newest first."""
    params = {
        "stores": array(context.store_ids),
        "limit": scoring.MAX_CANDIDATES_PER_SOURCE,
        "days": _NEW_ARRIVAL_DAYS,
        "decay_days": _NEWNESS_DECAY_DAYS,
        "now": context.now,
    }
    return _scores(_NEWNESS, params)


def stocked_products(context: RecommendationContext) -> list[UUID]:
    """Return products in stock, newest first: for stores without any sales statistics."""
    params: dict[str, Any] = {
        "stores": array(context.store_ids),
        "limit": scoring.MAX_CANDIDATES_PER_SOURCE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STOCKED, params)
        return [pk for (pk,) in cursor.fetchall()]


def _preference_signals(context: RecommendationContext) -> PreferenceSignals:
    entries = [entry for entry in context.history if entry.weight > 0]
    weights = np.array([entry.weight for entry in entries], float)
    return PreferenceSignals(entries, history_ages(entries), weights)


def _seeds(context: RecommendationContext, signals: PreferenceSignals) -> dict[UUID, float]:
    """Return the weights of viewed products and of the customer's history, together 1."""
    products = [entry.product for entry in signals.entries]
    own = scoring.seed_weights(products, signals.days, signals.weights)
    viewed = context.request.products
    if not viewed:
        return own
    viewed_share = (1 - _HISTORY_SHARE if own else 1.0) / len(viewed)
    viewed_weights = dict.fromkeys(viewed, viewed_share)
    return {
        product: viewed_weights.get(product, 0.0) + _HISTORY_SHARE * own.get(product, 0.0)
        for product in {**viewed_weights, **own}
    }


def _purchases(context: RecommendationContext) -> list[HistoryEntry]:
    return [entry for entry in context.history if entry.kind == PURCHASE]


def _repurchase(
    context: RecommendationContext,
) -> tuple[dict[UUID, float], dict[UUID, float]]:
    """Return scores of repeat purchases, and the orders per buyer of the purchased products."""
    purchases = _purchases(context)
    if not purchases:
        return {}, {}
    products = [entry.product for entry in purchases]
    quantities = np.array([entry.quantity for entry in purchases], float)
    orders_per_buyer = _scores(_REPEATS, [array(set(products))])
    days = history_ages(purchases)
    scores = scoring.repurchase_scores(products, days, quantities, orders_per_buyer)
    return scores, orders_per_buyer


def _co_purchase(seeds: Mapping[UUID, float]) -> tuple[dict[UUID, float], dict[UUID, str]]:
    """Return scores of the neighbors of the seeds, best first, and the segment of each."""
    if not seeds:
        return {}, {}
    params: list[Any] = [array(seeds), list(seeds.values()), scoring.MAX_CANDIDATES_PER_SOURCE]
    with connection.cursor() as cursor:
        cursor.execute(_CO_PURCHASE, params)
        rows = cursor.fetchall()
    scores = {product: score for product, score, _ in rows}
    segments = {product: segment for product, _, segment in rows}
    return scores, segments


def _lifts(
    context: RecommendationContext, signals: PreferenceSignals, segments: Mapping[UUID, str]
) -> dict[UUID, float]:
    """Return the customer's lift of the segment of each co-purchase candidate."""
    if not context.history:
        return {}
    own = repeats.segment_weights(
        [entry.segment for entry in signals.entries], signals.days, signals.weights
    )
    lifts = repeats.segment_lifts(own, context.statistics.segment_shares)
    return {product: lifts[segment] for product, segment in segments.items() if segment in lifts}


def _embedding_similarity(context: RecommendationContext) -> dict[UUID, float]:
    """Return products close to the viewed products, else close to the customer's vector."""
    if context.request.products:
        liked = [str(pk) for pk in context.request.products]
        vector = search.blend_vectors(collection=PRODUCT_EMBEDDINGS, liked=liked)
        fingerprint = ""
    elif context.customer and context.history:
        vector, fingerprint = get_customer_vector(context.customer.id) or (None, "")
    else:
        return {}
    if vector is None:
        return {}
    found = search.nearest(
        collection=PRODUCT_EMBEDDINGS,
        vector=vector,
        limit=scoring.MAX_CANDIDATES_PER_SOURCE,
        fingerprint=fingerprint,
    )
    return {UUID(hit.id): hit.score for hit in found.hits}


def history_ages(entries: Sequence[HistoryEntry]) -> np.ndarray:
    """Return the age of each entry in days (n,), 0 or more."""
    return np.array([max(entry.age_days, 0.0) for entry in entries])


def _scores(sql: str, params: Mapping[str, Any] | Sequence[Any]) -> dict[UUID, float]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return dict(cursor.fetchall())
