"""Vector indexing: incremental updates, rebuilds under load, rollback and reconciliation."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.conf import settings
from django.db import connection, connections
from django.db.models import F
from django.test import override_settings
from threadpoolctl import threadpool_info, threadpool_limits

from catalog import embeddings
from catalog.models import Product
from catalog.search import SearchQuery, search_products
from mlops.models import Alert
from tests.factories.catalog import ProductFactory
from tests.polling import wait_until
from vectors import exact, search
from vectors.encoders.base import Vectors
from vectors.encoders.registry import encoder
from vectors.errors import IndexRefused, VectorRefused, VectorsUnavailable
from vectors.index import build, write
from vectors.index.reconcile import reconcile
from vectors.index.vectorize import compute_vectors
from vectors.index.write import index_due_rows
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import MilvusStore, store

pytestmark = pytest.mark.django_db(transaction=True)
EMBEDDINGS, TEXTS = "product_embeddings", "product_texts"
NAMES = (
    "Pink Kush",
    "Lemon Haze",
    "Blue Dream",
    "White Widow",
    "Sour Diesel",
    "Wedding Cake",
    "Mango Haze",
    "OG Kush",
)


@pytest.fixture
def products() -> Iterator[list[Product]]:
    """Return 64 indexed products."""
    exact.clear_cache()
    created = [
        ProductFactory.create(
            name=f"{name} {number}" if number else name,
            strain_type="indica",
            price=30,
            brand="Brand",
        )
        for number in range(8)
        for name in NAMES
    ]
    index_due_rows()
    yield created
    exact.clear_cache()


@pytest.fixture
def encoded_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that collects every text the encoder is called with from now on."""
    texts: list[str] = []
    encoder_class = type(encoder("text"))
    original = encoder_class.encode

    def encode(self: Any, batch: Any) -> Any:
        texts.extend(batch)
        return original(self, batch)

    monkeypatch.setattr(encoder_class, "encode", encode)
    return texts


def _vector(product: Product) -> Vectors:
    pk = str(product.pk)
    return search.stored_vectors(collection=EMBEDDINGS, ids=[pk])[pk]


def _count_due() -> int:
    return OutboxEntry.objects.values("row_id").distinct().count()


def test_only_changes_of_encoded_columns_are_written_to_the_outbox(
    products: list[Product],
) -> None:
    assert _count_due() == 0

    Product.objects.filter(pk=products[0].pk).update(matched_with="1", effects=["sleepy"], sku="X1")
    assert _count_due() == 0

    Product.objects.filter(pk=products[0].pk).update(price=31)
    Product.objects.filter(pk=products[1].pk).update(terpenes=["myrcene"])
    products[2].delete()
    ProductFactory.create(name="New")
    assert _count_due() == 4

    assert index_due_rows()["deleted"] == 2  # from two collections
    assert _count_due() == 0


def test_unchanged_text_is_not_encoded_again(
    products: list[Product], encoded_texts: list[str]
) -> None:
    counts = index_due_rows()
    assert (counts["claimed"], counts["encoded"]) == (0, 0)
    assert encoded_texts == []

    before = _vector(products[0])
    Product.objects.filter(pk=products[0].pk).update(price=99)
    index_due_rows()
    after = _vector(products[0])
    assert encoded_texts == []
    assert not np.allclose(before, after)
    assert np.linalg.norm(after) == pytest.approx(1, abs=1e-5)

    Product.objects.filter(pk=products[0].pk).update(name="Another name")
    index_due_rows()
    assert len(encoded_texts) == 1


def test_two_workers_share_the_due_rows_and_encode_each_once(
    products: list[Product], encoded_texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "BATCH_SIZE", 8)  # with the default, one batch would contain all
    Product.objects.update(name="Changed")
    Product.objects.filter(pk__in=[p.pk for p in products[::2]]).update(name="Changed twice")
    claimed: list[int] = []
    start = threading.Barrier(2, timeout=30)

    def run() -> None:
        try:
            connection.ensure_connection()
            start.wait()
            claimed.append(index_due_rows()["claimed"])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == 2
    assert min(claimed) > 0
    index_due_rows()
    assert _count_due() == 0
    assert len(encoded_texts) == len(products)  # though half of them have two outbox entries
    for name in (EMBEDDINGS, TEXTS):
        assert reconcile(collection=name, repair=False)["before"].total == 0


def test_a_collection_is_written_while_the_next_is_encoded(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_encoding_texts = threading.Event()
    compute, upsert = compute_vectors, MilvusStore.upsert
    waited: list[bool] = []

    def report(index: VectorIndex, *args: Any, **options: Any) -> Vectors:
        if index.collection == TEXTS:
            is_encoding_texts.set()
        return compute(index, *args, **options)

    def upsert_later(self: MilvusStore, name: str, *args: Any, **options: Any) -> None:
        if name.startswith(EMBEDDINGS):
            waited.append(is_encoding_texts.wait(30))
        upsert(self, name, *args, **options)

    monkeypatch.setattr(write, "compute_vectors", report)
    monkeypatch.setattr(MilvusStore, "upsert", upsert_later)
    Product.objects.filter(pk=products[0].pk).update(name="Another name")

    index_due_rows()

    assert waited == [True]


@pytest.mark.parametrize("collection", [EMBEDDINGS, TEXTS])
def test_nothing_is_stored_of_a_batch_that_milvus_refuses(
    products: list[Product], monkeypatch: pytest.MonkeyPatch, collection: str
) -> None:
    upsert = MilvusStore.upsert

    def refuse(self: MilvusStore, name: str, *args: Any, **options: Any) -> None:
        if name.startswith(collection):
            raise VectorsUnavailable("test")
        upsert(self, name, *args, **options)

    hashes = set(IndexedVector.objects.values_list("content_hash", flat=True))
    Product.objects.filter(pk=products[0].pk).update(name="Another name")

    with monkeypatch.context() as patch:
        patch.setattr(MilvusStore, "upsert", refuse)
        with pytest.raises(VectorsUnavailable):
            index_due_rows()

    assert set(IndexedVector.objects.values_list("content_hash", flat=True)) == hashes
    assert _count_due() == 1
    assert index_due_rows()["encoded"] == 2


def test_reconciliation_finds_and_repairs_every_kind_of_difference(
    products: list[Product],
) -> None:
    index = search.serving_index(EMBEDDINGS)
    ids = [str(product.pk) for product in products]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE products DISABLE TRIGGER USER")
        cursor.execute("UPDATE products SET name = 'Without trigger' WHERE id = %s", [ids[0]])
        cursor.execute("DELETE FROM products WHERE id = %s", [ids[1]])
        cursor.execute("ALTER TABLE products ENABLE TRIGGER USER")
    store().delete(index.physical_name, ids[2:4])
    vector = _vector(products[4])
    row = {
        "content_hash": "0" * 32,
        **IndexedVector.objects.get(index=index, entity_id=ids[4]).scalars,
    }
    store().upsert(
        index.physical_name,
        [{"id": ids[4], **row}, {"id": str(uuid4()), **row}],
        np.stack([vector, vector]),
        dimension=768,
    )
    IndexedVector.objects.filter(index=index, entity_id=ids[5]).delete()

    found = reconcile(collection=EMBEDDINGS, repair=False)["before"]
    assert (found.missing, found.stale, found.surplus) == (1, 1, 1)
    assert (found.missing_in_milvus, found.stale_in_milvus, found.surplus_in_milvus) == (2, 1, 2)

    result = reconcile(collection=EMBEDDINGS)
    assert result["before"].total == found.total
    assert result["after"].total == 0


def test_reconciliation_restores_a_dropped_collection(products: list[Product]) -> None:
    index = search.serving_index(EMBEDDINGS)
    store().drop(index.physical_name)

    assert reconcile(collection=EMBEDDINGS)["after"].total == 0

    assert len(store().content_hashes(index.physical_name)) == len(products)


def test_rebuilt_index_serves_and_the_previous_one_can_be_rolled_back_to(
    products: list[Product],
) -> None:
    old = search.serving_index(EMBEDDINGS)

    build.rebuild(collection=EMBEDDINGS)

    new = search.serving_index(EMBEDDINGS)
    old.refresh_from_db()
    assert new.pk != old.pk
    assert new.fingerprint == old.fingerprint
    assert new.recall == 1.0
    assert old.status == VectorIndex.Status.RETIRED
    assert store().alias_target(EMBEDDINGS) == new.physical_name

    Product.objects.filter(pk=products[0].pk).update(name="Renamed since")
    index_due_rows()
    build.roll_back(index=old)

    assert search.serving_index(EMBEDDINGS).pk == old.pk
    assert store().alias_target(EMBEDDINGS) == old.physical_name
    assert reconcile(collection=EMBEDDINGS, repair=False)["before"].total == 0
    result = search.search(collection=EMBEDDINGS, text="Renamed since", limit=1)
    assert result.hits[0].id == str(products[0].pk)


def test_index_with_low_recall_does_not_serve_and_opens_an_alert(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = search.serving_index(EMBEDDINGS)
    alerts = Alert.objects.filter(code=build.ALERT_CODE, closed_at=None)
    monkeypatch.setattr(build, "MIN_RECALL", 1.5)

    with pytest.raises(IndexRefused):
        build.rebuild(collection=EMBEDDINGS)

    assert search.serving_index(EMBEDDINGS).pk == old.pk
    assert alerts.count() == 1

    monkeypatch.undo()
    build.rebuild(collection=EMBEDDINGS)

    assert not alerts.exists()


def test_ivf_index_is_tuned_until_recall_suffices(products: list[Product]) -> None:
    build.rebuild(collection=EMBEDDINGS, index_type="IVF_FLAT")

    index = search.serving_index(EMBEDDINGS)
    assert index.recall is not None
    assert index.recall >= build.MIN_RECALL
    with override_settings(VECTORS_EXACT_BELOW=0):
        exact.clear_cache()
        result = search.search(collection=EMBEDDINGS, text="pink kush", limit=3)
    assert result.path == "milvus"
    assert len(result.hits) == 3


def test_vectors_with_another_fingerprint_or_dimension_are_refused(
    products: list[Product],
) -> None:
    index = search.serving_index(EMBEDDINGS)
    vector = _vector(products[0])

    result = search.nearest(
        collection=EMBEDDINGS, vector=vector, limit=1, fingerprint=index.fingerprint
    )

    assert result.hits
    for refused, fingerprint in (
        (vector[:-1], ""),
        (vector, "0" * 12),
        (np.full(768, np.nan, np.float32), ""),
    ):
        with pytest.raises(VectorRefused):
            search.nearest(collection=EMBEDDINGS, vector=refused, limit=1, fingerprint=fingerprint)


def test_milvus_and_exact_search_agree_and_exact_search_is_the_fallback(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_process = search.search(collection=EMBEDDINGS, text="lemon haze", limit=10)
    assert in_process.path == "exact"

    with override_settings(VECTORS_EXACT_BELOW=0):
        exact.clear_cache()
        in_milvus = search.search(collection=EMBEDDINGS, text="lemon haze", limit=10)
        assert in_milvus.path == "milvus"
        assert [h.score for h in in_process.hits] == pytest.approx(
            [h.score for h in in_milvus.hits], abs=1e-4
        )

        unreachable = MilvusStore(
            uri="http://127.0.0.1:1", token="", prefix="", timeout_seconds=0.5
        )
        monkeypatch.setattr(search, "store", lambda: unreachable)
        fallback = search.search(collection=EMBEDDINGS, text="lemon haze", limit=10)
        assert fallback.path == "exact"
        assert [h.id for h in fallback.hits] == [h.id for h in in_process.hits]

        exact.clear_cache()
        with override_settings(VECTORS_FALLBACK_BELOW=0), pytest.raises(VectorsUnavailable):
            search.search(collection=EMBEDDINGS, text="lemon haze", limit=10)


def _begin_in_both_collections() -> list[search.PendingQuery]:
    return search.begin_queries(
        [
            search.TextQuery(collection=name, text="lemon haze", limit=3)
            for name in (EMBEDDINGS, TEXTS)
        ]
    )


def test_texts_are_searched_for_at_the_same_time(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    both_begun = threading.Barrier(2, timeout=30)
    encode = search.encode_query

    def encode_beside_the_other(*args: Any) -> Vectors:
        both_begun.wait()
        return encode(*args)

    monkeypatch.setattr(search, "encode_query", encode_beside_the_other)

    results = [pending.result() for pending in _begin_in_both_collections()]

    assert [len(result.hits) for result in results] == [3, 3]


def test_a_matrix_is_multiplied_by_the_thread_that_searches(products: list[Product]) -> None:
    exact.clear_cache()
    exact._use_one_blas_thread.cache_clear()

    with threadpool_limits(2, user_api="blas"):
        search.search(collection=EMBEDDINGS, text="lemon haze", limit=3)
        threads = {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

    assert threads == {1}


def test_queries_that_begin_together_read_the_database_once(
    products: list[Product], django_assert_num_queries: Any
) -> None:
    expected = [
        search.search(collection=name, text="lemon haze", limit=3).hits
        for name in (EMBEDDINGS, TEXTS)
    ]

    with django_assert_num_queries(1):
        results = [pending.result() for pending in _begin_in_both_collections()]

    assert [result.hits for result in results] == expected


def test_scores_of_given_rows_are_those_of_the_search(products: list[Product]) -> None:
    hits = search.search(collection=EMBEDDINGS, text="lemon haze", limit=3).hits
    query = search.TextQuery(collection=EMBEDDINGS, text="lemon haze", limit=None)

    (pending,) = search.begin_queries([query])

    scores = pending.scores([hit.id for hit in hits] + [str(uuid4())])
    assert scores == pytest.approx({hit.id: hit.score for hit in hits}, abs=1e-6)


def test_results_from_vectors_that_are_being_replaced_are_not_current(
    products: list[Product],
) -> None:
    text_query = search.TextQuery(collection=TEXTS, text="haze", limit=None)
    is_current = [search.search(collection=TEXTS, text="haze", limit=3).is_current]
    VectorIndex.objects.update(version=F("version") + 1)

    with exact._locks[TEXTS]:  # as while another thread reads them
        is_current.append(search.search(collection=TEXTS, text="haze", limit=3).is_current)
        (pending,) = search.begin_queries([text_query])
        pending.scores([str(products[0].pk)])
        is_current.append(pending.is_current)
    is_current.append(search.search(collection=TEXTS, text="haze", limit=3).is_current)

    assert is_current == [True, False, False, True]


def test_rows_of_a_large_index_are_counted_once_for_each_version(
    products: list[Product], django_assert_num_queries: Any
) -> None:
    with override_settings(VECTORS_EXACT_BELOW=0):
        exact.clear_cache()
        search.search(collection=EMBEDDINGS, text="lemon haze", limit=3)

        with django_assert_num_queries(1):
            assert search.search(collection=EMBEDDINGS, text="haze", limit=3).path == "milvus"

        VectorIndex.objects.update(version=F("version") + 1)
        with django_assert_num_queries(2):
            assert search.search(collection=EMBEDDINGS, text="haze", limit=3).path == "milvus"


@pytest.mark.slow
@pytest.mark.parametrize("change", ["weight", "encoder"])
def test_rebuild_with_another_fingerprint_under_load_fails_no_query(
    products: list[Product], change: str
) -> None:
    old = search.serving_index(EMBEDDINGS)
    failures: list[str] = []
    fingerprints: set[str] = set()
    query_count = [0]
    is_over = threading.Event()

    def send_queries(number: int) -> None:
        try:
            while not is_over.is_set():
                name = NAMES[(query_count[0] + number) % len(NAMES)]
                result = search.search(collection=EMBEDDINGS, text=name, limit=5)
                fingerprints.add(result.fingerprint)
                # Vectors of two fingerprints would be far apart or of different length.
                is_plausible = 0.3 < result.max_score <= 1.001
                if len(result.hits) < 5 or not is_plausible:
                    failures.append(
                        f"{name}: {len(result.hits)} hits, max. score {result.max_score}"
                    )
                if not search_products(
                    SearchQuery(text=name, products=Product.objects.current())
                ).candidates:
                    failures.append(f"{name}: no search results")
                query_count[0] += 1
        except Exception as error:  # any exception is a failure of this test
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send_queries, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    entity = embeddings.ProductEmbedding
    weight = entity.text_weight
    encoders = settings.ENCODERS | ({"text": "use-multilingual-3"} if change == "encoder" else {})
    try:
        wait_until(lambda: failures or old.fingerprint in fingerprints)
        with override_settings(ENCODERS=encoders):
            if change == "weight":
                entity.text_weight = 0.7
            assert build.needs_rebuild(EMBEDDINGS)
            build.rebuild(collection=EMBEDDINGS)
            Product.objects.filter(pk=products[0].pk).update(price=77)
            index_due_rows()
            new = search.serving_index(EMBEDDINGS)
            wait_until(
                lambda: failures or (new.fingerprint in fingerprints and query_count[0] > 20)
            )
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
        entity.text_weight = weight

    assert failures == []
    assert fingerprints == {old.fingerprint, new.fingerprint}
    assert new.dimension == (512 + 384 if change == "encoder" else 768)
    for index in (old, new):
        vectors = index.vectors.values_list("vector", flat=True)
        lengths = {len(np.frombuffer(vector, np.float32)) for vector in vectors}
        assert lengths == {index.dimension}
