"""Vector store: the same promises of the fake, the embedded Milvus Lite and a real Milvus."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.fakes.store import FakeVectorStore
from tests.servers import milvus
from vectors.encoders.base import Vectors, normalize_rows
from vectors.errors import VectorRefused, VectorsUnavailable
from vectors.exact import ExactIndex
from vectors.filters import AnyOfFilter, RangeFilter, VectorFilter
from vectors.models import VectorIndex
from vectors.store import CollectionSchema, MilvusStore, VectorStore, filter_expression

pytestmark = pytest.mark.slow
DIMENSION = 16
SCHEMA = CollectionSchema(DIMENSION, {"price": "float", "kind": "text", "brand": "text"})
KINDS = ("flower", "vape", 'odd "quoted" \\ kind', "fleur séchée", "")
FilledCollection = tuple[str, list[dict[str, object]], Vectors]


@pytest.fixture(scope="module", params=["fake", "lite", "standalone"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VectorStore]:
    """Return the fake, or a store with a unique prefix whose collections are dropped later."""
    if request.param == "fake":
        yield FakeVectorStore()
        return
    if request.param == "lite":
        yield from _milvus_store(settings.MILVUS_URI)
        return
    if reason := milvus.unavailable_reason():
        pytest.skip(f"no real Milvus: {reason}")
    directory: Path = tmp_path_factory.mktemp("milvus")
    with milvus.standalone(directory) as address:
        yield from _milvus_store(address)


def _milvus_store(uri: str) -> Iterator[VectorStore]:
    prefix = f"t{uuid.uuid4().hex[:8]}_"
    store = MilvusStore(uri=uri, token="", prefix=prefix, timeout_seconds=30)
    yield store
    for name in store.collections():
        store.drop(name)


@pytest.fixture(params=["fake", "milvus"])
def unavailable_store(request: pytest.FixtureRequest) -> VectorStore:
    """Return a store whose server does not respond."""
    if request.param == "milvus":
        return MilvusStore(uri="http://127.0.0.1:1", token="", prefix="", timeout_seconds=0.5)
    fake = FakeVectorStore()
    fake.is_available = False
    return fake


def _rows(count: int, seed: int = 0) -> tuple[list[dict[str, object]], Vectors]:
    random = np.random.default_rng(seed)
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
    vectors = normalize_rows(random.standard_normal((count, DIMENSION)).astype(np.float32))
    return rows, vectors


@pytest.fixture(scope="module")
def filled(store: VectorStore) -> FilledCollection:
    """Return a collection of 2,500 rows, more than one page of an iterator."""
    rows, vectors = _rows(2500)
    store.create_collection("filled", SCHEMA, index_type="FLAT")
    store.upsert("filled", rows, vectors, dimension=DIMENSION)
    store.flush("filled")
    return "filled", rows, vectors


class TestStore:
    """Promises that hold for the fake and for both servers."""

    def test_written_rows_are_read_at_once(self, store: VectorStore) -> None:
        rows, vectors = _rows(20, seed=1)
        store.create_collection("fresh", SCHEMA, index_type="FLAT")

        store.upsert("fresh", rows, vectors, dimension=DIMENSION)

        hits = store.search("fresh", vectors[3], limit=1, consistency="Strong")
        assert hits[0].id == rows[3]["id"]
        assert round(hits[0].score, 3) == 1.0
        fetched = store.fetch_vectors("fresh", [str(rows[4]["id"]), "unknown"])
        assert np.allclose(fetched[str(rows[4]["id"])], vectors[4], atol=1e-6)
        assert len(fetched) == 1

    def test_dropping_an_absent_collection_is_no_error(self, store: VectorStore) -> None:
        store.create_collection("dropped", SCHEMA, index_type="FLAT")

        store.drop("dropped")
        store.drop("dropped")

        assert "dropped" not in store.collections()

    def test_upserts_are_idempotent_and_deleted_rows_are_not_found(
        self, store: VectorStore
    ) -> None:
        rows, vectors = _rows(30, seed=2)
        store.create_collection("twice", SCHEMA, index_type="FLAT")

        for _ in range(2):
            store.upsert("twice", rows, vectors, dimension=DIMENSION)
        changed = [{**rows[0], "content_hash": "f" * 32}]
        store.upsert("twice", changed, vectors[:1], dimension=DIMENSION)
        store.delete("twice", [str(rows[1]["id"]), "unknown"])

        hashes = store.content_hashes("twice")
        assert len(hashes) == 29
        assert hashes[str(rows[0]["id"])] == "f" * 32
        hits = store.search("twice", vectors[1], limit=30, consistency="Strong")
        assert len(hits) == 29
        assert str(rows[1]["id"]) not in {hit.id for hit in hits}

    def test_content_hashes_are_complete_beyond_one_page(
        self, store: VectorStore, filled: FilledCollection
    ) -> None:
        name, rows, _ = filled

        assert store.content_hashes(name) == {row["id"]: row["content_hash"] for row in rows}

    def test_alias_moves_between_collections(
        self, store: VectorStore, filled: FilledCollection
    ) -> None:
        store.create_collection("other", SCHEMA, index_type="FLAT")
        assert store.alias_target("alias") is None

        for name in (filled[0], filled[0], "other"):
            store.set_alias("alias", name)
            assert store.alias_target("alias") == name

    def test_other_schemas_and_dimensions_are_refused(self, store: VectorStore) -> None:
        store.create_collection("shaped", SCHEMA, index_type="FLAT")
        store.create_collection("shaped", SCHEMA, index_type="FLAT")

        for schema in (
            CollectionSchema(DIMENSION + 1, SCHEMA.scalar_fields),
            CollectionSchema(DIMENSION, {"color": "text"}),
        ):
            with pytest.raises(VectorRefused):
                store.create_collection("shaped", schema, index_type="FLAT")
        rows, vectors = _rows(2)
        for refused in (vectors[:, :-1], vectors[:1]):
            with pytest.raises(VectorRefused):
                store.upsert("shaped", rows, refused, dimension=DIMENSION)

    def test_replaced_index_finds_the_same_rows(self, store: VectorStore) -> None:
        rows, vectors = _rows(600, seed=3)
        store.create_collection("ivf", SCHEMA, index_type="IVF_FLAT", nlist=16)
        store.upsert("ivf", rows, vectors, dimension=DIMENSION)
        store.flush("ivf")
        query = vectors[17]
        expected = [rows[i]["id"] for i in np.argsort(-(vectors @ query))[:5]]

        ivf_hits = store.search("ivf", query, limit=5, nprobe=16, consistency="Strong")
        store.replace_index("ivf", index_type="FLAT")
        flat_hits = store.search("ivf", query, limit=5, consistency="Strong")

        assert [hit.id for hit in ivf_hits] == expected
        assert [hit.id for hit in flat_hits] == expected

    def test_an_alias_is_searched_as_its_collection(
        self, store: VectorStore, filled: FilledCollection
    ) -> None:
        name, rows, vectors = filled
        store.set_alias("serving", name)

        hits = store.search("serving", vectors[7], limit=1)

        assert hits[0].id == rows[7]["id"]

    def test_searching_an_absent_collection_raises_vectors_unavailable(
        self, store: VectorStore
    ) -> None:
        with pytest.raises(VectorsUnavailable):
            store.search("absent", np.zeros(DIMENSION, np.float32), limit=1)

    def test_writing_to_an_absent_collection_raises_vectors_unavailable(
        self, store: VectorStore
    ) -> None:
        with pytest.raises(VectorsUnavailable):
            store.upsert("absent", *_rows(1), dimension=DIMENSION)

    def test_deleting_from_an_absent_collection_is_no_error(self, store: VectorStore) -> None:
        store.delete("absent", ["1"])

        assert "absent" not in store.collections()

    def test_a_query_of_another_dimension_raises_vectors_unavailable(
        self, store: VectorStore, filled: FilledCollection
    ) -> None:
        with pytest.raises(VectorsUnavailable):
            store.search(filled[0], np.zeros(DIMENSION + 1, np.float32), limit=1)

    def test_a_row_without_a_scalar_field_raises_vectors_unavailable(
        self, store: VectorStore, filled: FilledCollection
    ) -> None:
        rows, vectors = _rows(1)
        del rows[0]["price"]

        with pytest.raises(VectorsUnavailable):
            store.upsert(filled[0], rows, vectors, dimension=DIMENSION)

    @given(
        st.lists(
            st.one_of(
                st.builds(
                    RangeFilter,
                    st.just("price"),
                    st.none() | st.floats(-2, 60),
                    st.none() | st.floats(-2, 60),
                ),
                st.builds(
                    AnyOfFilter,
                    st.just("kind"),
                    st.lists(st.sampled_from(KINDS), min_size=1, max_size=3).map(tuple),
                ),
                st.builds(
                    AnyOfFilter,
                    st.just("brand"),
                    st.sampled_from([("brand0",), ("brand1", "brand2"), ("' or 1 == 1",)]),
                ),
            ),
            max_size=3,
        )
    )
    @hypothesis_settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_filters_select_the_same_rows_in_milvus_and_in_exact_search(
        self, store: VectorStore, filled: FilledCollection, filters: list[VectorFilter]
    ) -> None:
        name, rows, vectors = filled
        expected = {row["id"] for row in rows if all(_matches(f, row) for f in filters)}

        mask = _exact_index(rows, vectors).mask(filters)
        hits = store.search(name, vectors[0], limit=2500, filters=filters, consistency="Strong")

        exact_ids = {row["id"] for row, is_match in zip(rows, mask, strict=True) if is_match}
        assert exact_ids == expected, filter_expression(filters)
        assert {hit.id for hit in hits} == expected, filter_expression(filters)


_CALLS: dict[str, Callable[[VectorStore], object]] = {
    "collections": lambda store: store.collections(),
    "create_collection": lambda store: store.create_collection("c", SCHEMA, index_type="FLAT"),
    "search": lambda store: store.search("c", np.zeros(DIMENSION, np.float32), limit=1),
    "upsert": lambda store: store.upsert("c", *_rows(1), dimension=DIMENSION),
    "delete": lambda store: store.delete("c", ["1"]),
    "content_hashes": lambda store: store.content_hashes("c"),
    "alias_target": lambda store: store.alias_target("c"),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("call", list(_CALLS))
def test_every_call_without_a_server_raises_vectors_unavailable(
    unavailable_store: VectorStore, call: str
) -> None:
    with pytest.raises(VectorsUnavailable):
        _CALLS[call](unavailable_store)


def _exact_index(rows: list[dict[str, object]], vectors: Vectors) -> ExactIndex:
    index = ExactIndex(VectorIndex(collection="t", dimension=DIMENSION))
    index.ids = [str(row["id"]) for row in rows]
    index.matrix = vectors
    index._scalars = list(rows)
    return index


def _matches(condition: VectorFilter, row: dict[str, object]) -> bool:
    value = row[condition.field]
    if isinstance(condition, AnyOfFilter):
        return value in condition.values
    number = np.float32(value)  # type: ignore[arg-type]
    low = condition.low or 0.0
    high = condition.high
    return bool(
        number >= 0 and number >= np.float32(low) and (high is None or number <= np.float32(high))
    )
