"""The store, held to the same behavior on the embedded Milvus Lite and on a real Milvus."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from tests.servers import milvus
from vectors.encoders.base import Vectors, unit
from vectors.errors import VectorRefused, VectorsUnavailable
from vectors.exact import ExactIndex
from vectors.filters import Between, Condition, OneOf
from vectors.models import VectorIndex
from vectors.store import Shape, VectorStore, expression

pytestmark = pytest.mark.slow
DIMENSION = 16
SHAPE = Shape(DIMENSION, {"price": "float", "kind": "text", "brand": "text"})
KINDS = ("flower", "vape", 'odd "quoted" \\ kind', "fleur séchée", "")


@pytest.fixture(scope="module", params=["lite", "standalone"])
def uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Both servers in turn."""
    if request.param == "lite":
        yield settings.MILVUS_URI
        return
    if not milvus.is_there():
        pytest.skip("no real Milvus here: the wheel milvus==2.3.5 is for Linux on x86-64")
    directory: Path = tmp_path_factory.mktemp("milvus")
    with milvus.standalone(directory) as address:
        yield address


@pytest.fixture(scope="module")
def store(uri: str) -> Iterator[VectorStore]:
    """A store with collections of its own."""
    store = VectorStore(uri=uri, token="", prefix=f"t{uuid.uuid4().hex[:8]}_", timeout_seconds=30)
    yield store
    for name in store.collections():
        store.drop(name)


def _rows(count: int, seed: int = 0) -> tuple[list[dict[str, object]], Vectors]:
    chance = np.random.default_rng(seed)
    rows: list[dict[str, object]] = [
        {
            "id": str(uuid.UUID(int=number)),
            "content_hash": f"{number:032x}",
            "kind": KINDS[number % len(KINDS)],
            "price": float(number % 50) if number % 7 else -1.0,
            "brand": f"brand{number % 3}",
        }
        for number in range(count)
    ]
    return rows, unit(chance.standard_normal((count, DIMENSION)).astype(np.float32))


@pytest.fixture(scope="module")
def filled(store: VectorStore) -> tuple[str, list[dict[str, object]], Vectors]:
    """A collection of 2,500 rows: more than a page."""
    rows, vectors = _rows(2500)
    store.make("filled", SHAPE, index_type="FLAT")
    store.upsert("filled", rows, vectors, dimension=DIMENSION)
    store.flush("filled")
    return "filled", rows, vectors


class TestStore:
    """One class of tests for both servers."""

    def test_what_is_written_is_read_at_once(self, store: VectorStore) -> None:
        rows, vectors = _rows(20, seed=1)
        store.make("fresh", SHAPE, index_type="FLAT")
        store.upsert("fresh", rows, vectors, dimension=DIMENSION)
        hits = store.search("fresh", vectors[3], limit=1, consistency="Strong")
        assert (hits[0].id, round(hits[0].score, 3)) == (rows[3]["id"], 1.0)
        fetched = store.fetch("fresh", [str(rows[4]["id"]), "nobody"])
        assert np.allclose(fetched[str(rows[4]["id"])], vectors[4], atol=1e-6)
        assert len(fetched) == 1
        store.drop("fresh")
        store.drop("fresh")  # absent is no error

    def test_writing_twice_is_writing_once_and_what_is_deleted_is_gone(
        self, store: VectorStore
    ) -> None:
        rows, vectors = _rows(30, seed=2)
        store.make("twice", SHAPE, index_type="FLAT")
        for _ in range(2):
            store.upsert("twice", rows, vectors, dimension=DIMENSION)
        changed = [{**rows[0], "content_hash": "f" * 32}]
        store.upsert("twice", changed, vectors[:1], dimension=DIMENSION)
        store.delete("twice", [str(rows[1]["id"]), "nobody"])
        entries = store.entries("twice")
        assert len(entries) == 29
        assert entries[str(rows[0]["id"])] == "f" * 32
        hits = store.search("twice", vectors[1], limit=30, consistency="Strong")
        assert len(hits) == 29
        assert str(rows[1]["id"]) not in {hit.id for hit in hits}

    def test_entries_are_all_there_beyond_one_page(
        self, store: VectorStore, filled: tuple[str, list[dict[str, object]], Vectors]
    ) -> None:
        name, rows, _ = filled
        assert store.entries(name) == {row["id"]: row["content_hash"] for row in rows}

    def test_alias_moves(
        self, store: VectorStore, filled: tuple[str, list[dict[str, object]], Vectors]
    ) -> None:
        store.make("other", SHAPE, index_type="FLAT")
        assert store.pointed("alias") is None
        for name in (filled[0], filled[0], "other"):
            store.point("alias", name)
            assert store.pointed("alias") == name

    def test_other_shapes_and_dimensions_are_refused(self, store: VectorStore) -> None:
        store.make("shaped", SHAPE, index_type="FLAT")
        store.make("shaped", SHAPE, index_type="FLAT")
        for wrong in (
            Shape(DIMENSION + 1, SHAPE.scalar_fields),
            Shape(DIMENSION, {"color": "text"}),
        ):
            with pytest.raises(VectorRefused):
                store.make("shaped", wrong, index_type="FLAT")
        rows, vectors = _rows(2)
        with pytest.raises(VectorRefused):
            store.upsert("shaped", rows, vectors[:, :-1], dimension=DIMENSION)
        with pytest.raises(VectorRefused):
            store.upsert("shaped", rows, vectors[:1], dimension=DIMENSION)

    def test_another_index_finds_the_same(
        self, store: VectorStore, filled: tuple[str, list[dict[str, object]], Vectors]
    ) -> None:
        rows, vectors = _rows(600, seed=3)
        store.make("ivf", SHAPE, index_type="IVF_FLAT", nlist=16)
        store.upsert("ivf", rows, vectors, dimension=DIMENSION)
        store.flush("ivf")
        asked = vectors[17]
        best = [rows[place]["id"] for place in np.argsort(-(vectors @ asked))[:5]]
        assert [
            hit.id for hit in store.search("ivf", asked, limit=5, nprobe=16, consistency="Strong")
        ] == best
        store.reindex("ivf", index_type="FLAT")
        assert [hit.id for hit in store.search("ivf", asked, limit=5, consistency="Strong")] == best

    @given(
        st.lists(
            st.one_of(
                st.builds(
                    Between,
                    st.just("price"),
                    st.none() | st.floats(-2, 60),
                    st.none() | st.floats(-2, 60),
                ),
                st.builds(
                    OneOf,
                    st.just("kind"),
                    st.lists(st.sampled_from(KINDS), min_size=1, max_size=3).map(tuple),
                ),
                st.builds(
                    OneOf,
                    st.just("brand"),
                    st.sampled_from([("brand0",), ("brand1", "brand2"), ("' or 1 == 1",)]),
                ),
            ),
            max_size=3,
        )
    )
    @examples(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_conditions_leave_the_same_rows_here_and_there(
        self,
        store: VectorStore,
        filled: tuple[str, list[dict[str, object]], Vectors],
        where: list[Condition],
    ) -> None:
        name, rows, vectors = filled
        expected = {row["id"] for row in rows if all(_holds(condition, row) for condition in where)}
        mask = _held(rows, vectors).mask(where)
        assert {row["id"] for row, holds in zip(rows, mask, strict=True) if holds} == expected, (
            expression(where)
        )
        hits = store.search(name, vectors[0], limit=2500, where=where, consistency="Strong")
        assert {hit.id for hit in hits} == expected, expression(where)


def test_a_server_that_is_away_is_said_to_be() -> None:
    away = VectorStore(uri="http://127.0.0.1:1", token="", prefix="", timeout_seconds=0.5)
    with pytest.raises(VectorsUnavailable):
        away.collections()


def _held(rows: list[dict[str, object]], vectors: Vectors) -> ExactIndex:
    held = ExactIndex(VectorIndex(collection="t", dimension=DIMENSION))
    held.ids, held.matrix, held._scalars = [str(row["id"]) for row in rows], vectors, list(rows)
    return held


def _holds(condition: Condition, row: dict[str, object]) -> bool:
    value = row[condition.field]
    if isinstance(condition, OneOf):
        return value in condition.values
    number = np.float32(value)  # type: ignore[arg-type]
    low, high = condition.low or 0.0, condition.high
    return bool(
        number >= 0 and number >= np.float32(low) and (high is None or number <= np.float32(high))
    )
