"""Where products come from: each leg gives raw scores by product, for `mixing` to bring to one scale."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from django.db import connection

from catalog.selectors import COLLECTION
from customers.recommendations import scoring
from customers.recommendations.context import Deed, Person
from customers.recommendations.request import Question
from customers.recommendations.segments import sort_in_sql
from customers.recommendations.statistics import repeats
from customers.recommendations.statistics.repeats import Habits
from customers.selectors import taste_of
from mlops.sql_arrays import array
from vectors import search
from vectors.errors import VectorRefused, VectorsUnavailable

log = structlog.get_logger(__name__)
_NEW_DAYS, _NEWNESS_DAYS = 30, 10.0
# How much a person's own history counts beside what they look at now.
_OWN_SHARE = 0.3
_ALIKE = f"""
SELECT near.id, near.score, {sort_in_sql("p")} FROM (
  SELECT n.neighbor_id AS id, sum(s.weight * n.score) AS score FROM unnest(%s::uuid[], %s::float8[]) AS s(product, weight)
  JOIN product_neighbors n ON n.product_id = s.product GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %s
) AS near JOIN products p ON p.id = near.id ORDER BY near.score DESC, near.id
"""
_REPEATS = "SELECT product_id, repeats FROM product_habits WHERE product_id = ANY(%s::uuid[])"
_IN_STOCK = """
EXISTS (SELECT FROM store_stock k WHERE k.product_id = p.id AND k.quantity > 0 AND k.store_id = ANY(%(stores)s::uuid[]))
"""
# The best come by their index, and so many that enough of them are in stock; and how what the person bought sells.
_POPULAR = f"""
(SELECT p.id, p.score FROM (
  SELECT product_id AS id, score FROM product_popularity WHERE {{store}} ORDER BY score DESC LIMIT 4 * %(most)s
) AS p WHERE {_IN_STOCK} ORDER BY p.score DESC, p.id LIMIT %(most)s)
UNION SELECT product_id, score FROM product_popularity WHERE {{store}} AND product_id = ANY(%(bought)s::uuid[])
ORDER BY 2 DESC, 1
"""
_NEW = f"""
SELECT p.id, exp(-greatest(extract(epoch FROM %(now)s - p.created_at), 0)::float8 / 86400 / %(newness)s) FROM (
  -- The newest come by their index; a whole catalogue that is new is not looked through.
  SELECT id, created_at FROM products WHERE created_at > %(now)s - make_interval(days => %(days)s)
    AND merged_into_id IS NULL ORDER BY created_at DESC, id LIMIT 3 * %(most)s
) AS p WHERE {_IN_STOCK} ORDER BY p.created_at DESC, p.id LIMIT %(most)s
"""
_ANYTHING = f"""
SELECT p.id FROM products p WHERE p.merged_into_id IS NULL AND {_IN_STOCK} ORDER BY p.created_at DESC, p.id LIMIT %(most)s
"""
Legs = dict[str, dict[UUID, float]]


@dataclass(slots=True)
class Candidates:
    """
    Raw scores by leg and product; what did not answer; what the person's own part rests on, the weightiest first.

    odds, lifts: of what is alike, see `habits`. Where something is looked at, it is alike to that and not to what somebody
    had, and neither is told.
    """

    legs: Legs = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    seeds: Mapping[UUID, float] = field(default_factory=dict)
    odds: float = repeats.ODDS_BEFORE
    lifts: Mapping[UUID, float] = field(default_factory=dict)


def gather(
    question: Question,
    person: Person | None,
    stores: Sequence[UUID],
    *,
    legs: Collection[str],
    shop: Habits,
    now: datetime,
) -> Candidates:
    """Ask these legs; one that does not answer is named, and the others go on."""
    deeds = person.deeds if person and person.is_profiled else ()
    told = _telling(deeds)
    ages, weights = _ages(told, now), np.array([scoring.TELLING[deed.kind] for deed in told], float)
    found = Candidates(
        seeds=_seeds(question, scoring.seeds([deed.product for deed in told], ages, weights))
    )
    if not question.products:
        found.odds = shop.odds

    def alike() -> dict[UUID, float]:
        scores, sorts = _alike(found.seeds)
        if deeds and not question.products:
            lifts = repeats.lifts(
                repeats.by_sort([deed.sort for deed in told], ages, weights), shop.shares
            )
            found.lifts = {product: lifts[sort] for product, sort in sorts.items() if sort in lifts}
        return scores

    ways: Mapping[str, Callable[[], dict[UUID, float]]] = {
        "again": lambda: _again(deeds, now),
        "alike": alike,
        "taste": lambda: _taste(question, person if deeds else None),
        "popular": lambda: popular(
            question, stores, bought={deed.product for deed in deeds if deed.kind == "purchase"}
        ),
        "new": lambda: new(stores, now=now),
    }
    for leg in legs:
        try:
            found.legs[leg] = ways[leg]()
        except (VectorsUnavailable, VectorRefused) as error:
            log.warning("recommended without vectors", reason=str(error))
            found.silent.append("vectors-silent")
    return found


def popular(
    question: Question, stores: Sequence[UUID], *, bought: Collection[UUID] = ()
) -> dict[UUID, float]:
    """
    Return what sells in the store, best first, and what of it the person bought, however it sells.

    In a store where nothing is counted yet, what sells in all.
    """
    asked: dict[str, Any] = {
        "stores": array(stores),
        "most": scoring.MOST_OF_A_LEG,
        "bought": array(bought),
    }
    if question.store:
        asked["store"] = question.store.pk
        if found := _pairs(_POPULAR.format(store="store_id = %(store)s"), asked):
            return found
    return _pairs(_POPULAR.format(store="store_id IS NULL"), asked)


def new(stores: Sequence[UUID], *, now: datetime) -> dict[UUID, float]:
    """Return what has come to the catalogue in the last 30 days and is in stock, the newest first."""
    asked = {
        "stores": array(stores),
        "most": scoring.MOST_OF_A_LEG,
        "days": _NEW_DAYS,
        "newness": _NEWNESS_DAYS,
        "now": now,
    }
    return _pairs(_NEW, asked)


def anything(stores: Sequence[UUID]) -> list[UUID]:
    """Return what is in stock at all, the newest first: for stores where nothing is known of sales."""
    with connection.cursor() as cursor:
        cursor.execute(_ANYTHING, {"stores": array(stores), "most": scoring.MOST_OF_A_LEG})
        return [pk for (pk,) in cursor.fetchall()]


def _seeds(question: Question, own: Mapping[UUID, float]) -> dict[UUID, float]:
    """Return by what neighbors are looked up: what is looked at, and what the person did."""
    if not question.products:
        return dict(own)
    looked_at = dict.fromkeys(
        question.products, (1 - _OWN_SHARE if own else 1.0) / len(question.products)
    )
    return {
        product: looked_at.get(product, 0.0) + _OWN_SHARE * own.get(product, 0.0)
        for product in {**looked_at, **own}
    }


def _again(deeds: Sequence[Deed], now: datetime) -> dict[UUID, float]:
    bought = [deed for deed in deeds if deed.kind == "purchase"]
    if not bought:
        return {}
    products = [deed.product for deed in bought]
    quantities = np.array([deed.quantity for deed in bought], float)
    return scoring.again(
        products, _ages(bought, now), quantities, _pairs(_REPEATS, [array(set(products))])
    )


def _alike(seeds: Mapping[UUID, float]) -> tuple[dict[UUID, float], dict[UUID, str]]:
    """Return what is bought with the seeds, best first, and the sort of each."""
    if not seeds:
        return {}, {}
    with connection.cursor() as cursor:
        cursor.execute(_ALIKE, [array(seeds), list(seeds.values()), scoring.MOST_OF_A_LEG])
        near = cursor.fetchall()
    return {product: score for product, score, _ in near}, {
        product: sort for product, _, sort in near
    }


def _telling(deeds: Sequence[Deed]) -> list[Deed]:
    """Return those that tell of taste."""
    return [deed for deed in deeds if deed.kind in scoring.TELLING and deed.quantity > 0]


def _taste(question: Question, person: Person | None) -> dict[UUID, float]:
    """Return what lies near what is looked at; where nothing is, near the person's own vector."""
    if question.products:
        vector = search.blend(collection=COLLECTION, like=[str(pk) for pk in question.products])
        stamp = ""
    elif person:
        vector, stamp = taste_of(person.id) or (None, "")
    else:
        return {}
    if vector is None:
        return {}
    found = search.nearest(
        collection=COLLECTION, vector=vector, limit=scoring.MOST_OF_A_LEG, stamp=stamp
    )
    return {UUID(hit.id): hit.score for hit in found.hits}


def _ages(deeds: Sequence[Deed], now: datetime) -> np.ndarray:
    """Return how long ago they were, in days (n,)."""
    return np.array([max((now - deed.at).total_seconds(), 0.0) / 86400 for deed in deeds])


def _pairs(sql: str, asked: Mapping[str, Any] | Sequence[Any]) -> dict[UUID, float]:
    with connection.cursor() as cursor:
        cursor.execute(sql, asked)
        return dict(cursor.fetchall())
