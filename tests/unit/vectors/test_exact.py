"""Exact search holds to its laws: the best rows that fit, in order, ties by id."""

import uuid

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vectors.exact import ExactIndex
from vectors.filters import Between, Condition, OneOf
from vectors.models import VectorIndex

# Few values in few dimensions, so that many rows tie.
_ROW = st.tuples(
    st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=2, max_size=2),
    st.sampled_from([-1.0, 0.0, 19.99, 20.0, 39.95]),
    st.sampled_from(["a", "b", ""]),
)
_CONDITION = st.one_of(
    st.builds(
        Between,
        st.just("price"),
        st.none() | st.sampled_from([-5.0, 0.0, 20.0]),
        st.none() | st.just(39.95),
    ),
    st.builds(OneOf, st.just("kind"), st.sampled_from([("a",), ("a", "b"), ("nothing",)])),
)


def _index(rows: list[tuple[list[float], float, str]]) -> ExactIndex:
    index = ExactIndex(VectorIndex(collection="t", dimension=2))
    index.ids = [str(uuid.UUID(int=number)) for number in range(len(rows))]
    index.places = {pk: place for place, pk in enumerate(index.ids)}
    index.matrix = np.array([vector for vector, _, _ in rows], np.float32).reshape(-1, 2)
    index._scalars = [{"price": price, "kind": kind} for _, price, kind in rows]
    return index


def _fits(condition: Condition, price: float, kind: str) -> bool:
    if isinstance(condition, OneOf):
        return kind in condition.values
    return price >= max(condition.low or 0, 0) and (
        condition.high is None or price <= condition.high
    )


@given(st.lists(_ROW, max_size=40), st.lists(_CONDITION, max_size=2), st.integers(1, 50))
def test_the_best_that_fit_are_found_in_order(
    rows: list[tuple[list[float], float, str]], where: list[Condition], limit: int
) -> None:
    index, asked = _index(rows), np.array([1.0, 0.5], np.float32)
    scores = [vector[0] + 0.5 * vector[1] for vector, _, _ in rows]
    fitting = [
        n for n, (_, price, kind) in enumerate(rows) if all(_fits(c, price, kind) for c in where)
    ]
    expected = sorted(fitting, key=lambda n: (-scores[n], n))[:limit]
    hits, best = index.search(asked, limit=limit, where=where)
    assert [(hit.id, hit.score) for hit in hits] == [(index.ids[n], scores[n]) for n in expected]
    assert best == max(scores, default=0.0)


@given(st.lists(_ROW, min_size=1, max_size=20))
def test_scores_are_of_rows_that_are_there(rows: list[tuple[list[float], float, str]]) -> None:
    index, asked = _index(rows), np.array([0.0, 1.0], np.float32)
    told = index.scores(asked, [*index.ids, "nobody"])
    assert told == {pk: vector[1] for pk, (vector, _, _) in zip(index.ids, rows, strict=True)}
    assert index.vector("nobody") is None
    assert index.scores(asked, ["nobody"]) == {}
