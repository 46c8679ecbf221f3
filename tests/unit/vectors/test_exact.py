"""Exact search: properties of filtering, order and ties."""

import uuid

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vectors.exact import ExactIndex
from vectors.filters import AnyOfFilter, RangeFilter, VectorFilter
from vectors.models import VectorIndex

Row = tuple[list[float], float, str]
# Few values in few dimensions, so that many rows tie.
_ROW = st.tuples(
    st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=2, max_size=2),
    st.sampled_from([-1.0, 0.0, 19.99, 20.0, 39.95]),
    st.sampled_from(["a", "b", ""]),
)
_FILTER = st.one_of(
    st.builds(
        RangeFilter,
        st.just("price"),
        st.none() | st.sampled_from([-5.0, 0.0, 20.0]),
        st.none() | st.just(39.95),
    ),
    st.builds(AnyOfFilter, st.just("kind"), st.sampled_from([("a",), ("a", "b"), ("nothing",)])),
)


def _index(rows: list[Row]) -> ExactIndex:
    index = ExactIndex(VectorIndex(collection="t", dimension=2))
    index.ids = [str(uuid.UUID(int=number)) for number in range(len(rows))]
    index.positions = {pk: position for position, pk in enumerate(index.ids)}
    index.matrix = np.array([vector for vector, _, _ in rows], np.float32).reshape(-1, 2)
    index._scalars = [{"price": price, "kind": kind} for _, price, kind in rows]
    return index


def _matches(condition: VectorFilter, price: float, kind: str) -> bool:
    if isinstance(condition, AnyOfFilter):
        return kind in condition.values
    return price >= max(condition.low or 0, 0) and (
        condition.high is None or price <= condition.high
    )


@given(st.lists(_ROW, max_size=40), st.lists(_FILTER, max_size=2), st.integers(1, 50))
def test_search_returns_the_best_matching_rows_in_order(
    rows: list[Row], filters: list[VectorFilter], limit: int
) -> None:
    index = _index(rows)
    query = np.array([1.0, 0.5], np.float32)
    scores = [vector[0] + 0.5 * vector[1] for vector, _, _ in rows]
    matching = [
        n
        for n, (_, price, kind) in enumerate(rows)
        if all(_matches(condition, price, kind) for condition in filters)
    ]
    expected = sorted(matching, key=lambda n: (-scores[n], n))[:limit]

    hits, max_score = index.search(query, limit=limit, filters=filters)

    assert [(hit.id, hit.score) for hit in hits] == [(index.ids[n], scores[n]) for n in expected]
    assert max_score == max(scores, default=0.0)


@given(st.lists(_ROW, min_size=1, max_size=20))
def test_scores_leave_out_unknown_rows(rows: list[Row]) -> None:
    index = _index(rows)
    query = np.array([0.0, 1.0], np.float32)

    scores = index.scores(query, [*index.ids, "unknown"])

    assert scores == {pk: vector[1] for pk, (vector, _, _) in zip(index.ids, rows, strict=True)}
    assert index.scores(query, ["unknown"]) == {}
    assert index.vector("unknown") is None
