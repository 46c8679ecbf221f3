"""The embed road: what is noted as due, encoded once, kept right, rebuilt under load."""

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import override_settings

from catalog import embeddings
from catalog.models import Product
from catalog.search.pipeline import Question, answer
from mlops.models import Alert
from vectors import exact, search
from vectors.encoders.registry import encoder
from vectors.errors import IndexRefused, VectorRefused, VectorsUnavailable
from vectors.index import build, write
from vectors.index.reconcile import reconcile
from vectors.index.write import index_due
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import VectorStore, store

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


def _product(name: str, **values: Any) -> Product:
    told: dict[str, Any] = {
        "category": "dried-flower",
        "strain_type": "indica",
        "price": 30,
        "brand": "Brand",
        **values,
    }
    product = Product.objects.create(name=name, merge_key=f"test:{uuid4()}", **told)
    product.refresh_from_db()
    return product


@pytest.fixture
def products() -> Iterator[list[Product]]:
    """Products that are indexed."""
    exact.forget()
    made = [
        _product(f"{name} {number}" if number else name) for number in range(8) for name in NAMES
    ]
    index_due()
    yield made
    exact.forget()


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that are encoded from now on."""
    texts: list[str] = []
    kind = type(encoder("text"))
    before = kind.encode

    def encode(self: Any, told: Any) -> Any:
        texts.extend(told)
        return before(self, told)

    monkeypatch.setattr(kind, "encode", encode)
    return texts


def _due() -> int:
    return OutboxEntry.objects.values("row_id").distinct().count()


def test_changes_of_what_is_encoded_are_noted_and_no_others(products: list[Product]) -> None:
    assert _due() == 0
    Product.objects.filter(pk=products[0].pk).update(matched_with="1", effects=["sleepy"], sku="X1")
    assert _due() == 0
    Product.objects.filter(pk=products[0].pk).update(price=31)
    Product.objects.filter(pk=products[1].pk).update(terpenes=["myrcene"])
    products[2].delete()
    _product("New")
    assert _due() == 4
    assert index_due()["deleted"] == 2  # from two collections
    assert _due() == 0


def test_nothing_is_encoded_twice(products: list[Product], encoded: list[str]) -> None:
    counts = index_due()
    assert (counts["taken"], counts["encoded"], encoded) == (0, 0, [])
    before = search.vectors_of(collection=EMBEDDINGS, ids=[str(products[0].pk)])[
        str(products[0].pk)
    ]
    Product.objects.filter(pk=products[0].pk).update(price=99)
    index_due()
    assert encoded == []  # the text is as it was
    after = search.vectors_of(collection=EMBEDDINGS, ids=[str(products[0].pk)])[str(products[0].pk)]
    assert not np.allclose(before, after)
    assert np.linalg.norm(after) == pytest.approx(1, abs=1e-5)
    Product.objects.filter(pk=products[0].pk).update(name="Another name")
    index_due()
    assert len(encoded) == 1


def test_two_runners_share_the_work(
    products: list[Product], encoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "BATCH", 8)  # one batch of the usual size would be all there is
    Product.objects.update(name="Changed")
    Product.objects.filter(pk__in=[p.pk for p in products[::2]]).update(name="Changed twice")
    taken: list[int] = []
    start = threading.Barrier(2, timeout=30)

    def run() -> None:
        try:
            connection.ensure_connection()
            start.wait()
            taken.append(index_due()["taken"])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 2
    assert min(taken) > 0
    index_due()
    assert _due() == 0
    assert len(encoded) == len(products)  # half of them were noted twice
    for name in (EMBEDDINGS, TEXTS):
        assert reconcile(collection=name, repair=False)["before"].total == 0


def test_reconciling_finds_and_mends_what_differs(products: list[Product]) -> None:
    index = search.serving(EMBEDDINGS)
    ids = [str(product.pk) for product in products]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE products DISABLE TRIGGER USER")
        cursor.execute("UPDATE products SET name = 'Behind our back' WHERE id = %s", [ids[0]])
        cursor.execute("DELETE FROM products WHERE id = %s", [ids[1]])
        cursor.execute("ALTER TABLE products ENABLE TRIGGER USER")
    store().delete(index.physical, ids[2:4])
    vector = search.vectors_of(collection=EMBEDDINGS, ids=[ids[4]])[ids[4]]
    row = {
        "content_hash": "0" * 32,
        **IndexedVector.objects.get(index=index, entity_id=ids[4]).scalars,
    }
    store().upsert(
        index.physical,
        [{"id": ids[4], **row}, {"id": str(uuid4()), **row}],
        np.stack([vector, vector]),
        dimension=768,
    )
    IndexedVector.objects.filter(index=index, entity_id=ids[5]).delete()
    dry = reconcile(collection=EMBEDDINGS, repair=False)["before"]
    assert (dry.missing, dry.stale, dry.surplus) == (1, 1, 1)
    assert (dry.missing_in_milvus, dry.stale_in_milvus, dry.surplus_in_milvus) == (2, 1, 2)
    told = reconcile(collection=EMBEDDINGS)
    assert (told["before"].total, told["after"].total) == (dry.total, 0)
    store().drop(index.physical)
    assert reconcile(collection=EMBEDDINGS)["after"].total == 0
    assert len(store().entries(index.physical)) == len(products) - 1


def test_a_rebuilt_index_takes_the_place_and_the_old_one_can_have_it_back(
    products: list[Product],
) -> None:
    old = search.serving(EMBEDDINGS)
    build.rebuild(collection=EMBEDDINGS)
    new = search.serving(EMBEDDINGS)
    old.refresh_from_db()
    assert new.pk != old.pk
    assert (new.stamp, new.recall, old.status) == (old.stamp, 1.0, VectorIndex.Status.RETIRED)
    assert store().pointed(EMBEDDINGS) == new.physical
    Product.objects.filter(pk=products[0].pk).update(name="Renamed since")
    index_due()
    build.roll_back(index=old)
    assert search.serving(EMBEDDINGS).pk == old.pk
    assert store().pointed(EMBEDDINGS) == old.physical
    assert reconcile(collection=EMBEDDINGS, repair=False)["before"].total == 0
    assert search.search(collection=EMBEDDINGS, text="Renamed since", limit=1).hits[0].id == str(
        products[0].pk
    )


def test_an_index_that_finds_too_little_does_not_serve(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = search.serving(EMBEDDINGS)
    monkeypatch.setattr(build, "LEAST_RECALL", 1.5)
    with pytest.raises(IndexRefused):
        build.rebuild(collection=EMBEDDINGS)
    assert search.serving(EMBEDDINGS).pk == old.pk
    assert Alert.objects.filter(code="vector-index-refused", closed_at=None).count() == 1
    monkeypatch.undo()
    build.rebuild(collection=EMBEDDINGS)
    assert not Alert.objects.filter(code="vector-index-refused", closed_at=None).exists()


def test_ivf_is_given_more_lists_until_it_finds_enough(products: list[Product]) -> None:
    build.rebuild(collection=EMBEDDINGS, index_type="IVF_FLAT")
    index = search.serving(EMBEDDINGS)
    assert index.recall is not None
    assert index.recall >= build.LEAST_RECALL
    with override_settings(VECTORS_EXACT_BELOW=0):
        exact.forget()
        found = search.search(collection=EMBEDDINGS, text="pink kush", limit=3)
    assert (found.path, len(found.hits)) == ("milvus", 3)


def test_vectors_of_another_stamp_or_dimension_are_refused(products: list[Product]) -> None:
    index = search.serving(EMBEDDINGS)
    vector = search.vectors_of(collection=EMBEDDINGS, ids=[str(products[0].pk)])[
        str(products[0].pk)
    ]
    assert search.nearest(collection=EMBEDDINGS, vector=vector, limit=1, stamp=index.stamp).hits
    for wrong, stamp in (
        (vector[:-1], ""),
        (vector, "0" * 12),
        (np.full(768, np.nan, np.float32), ""),
    ):
        with pytest.raises(VectorRefused):
            search.nearest(collection=EMBEDDINGS, vector=wrong, limit=1, stamp=stamp)


def test_milvus_and_exact_search_find_the_same_and_stand_in_for_each_other(
    products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = search.search(collection=EMBEDDINGS, text="lemon haze", limit=10)
    with override_settings(VECTORS_EXACT_BELOW=0):
        exact.forget()
        there = search.search(collection=EMBEDDINGS, text="lemon haze", limit=10)
        assert (here.path, there.path) == ("exact", "milvus")
        assert [h.score for h in here.hits] == pytest.approx(
            [h.score for h in there.hits], abs=1e-4
        )
        away = VectorStore(uri="http://127.0.0.1:1", token="", prefix="", timeout_seconds=0.5)
        monkeypatch.setattr(search, "store", lambda: away)
        fallen = search.search(collection=EMBEDDINGS, text="lemon haze", limit=10)
        assert (fallen.path, [h.id for h in fallen.hits]) == ("exact", [h.id for h in here.hits])
        exact.forget()
        with override_settings(VECTORS_FALLBACK_BELOW=0), pytest.raises(VectorsUnavailable):
            search.search(collection=EMBEDDINGS, text="lemon haze", limit=10)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["weight", "encoder"])
def test_rebuild_with_another_recipe_under_load_fails_no_query(
    products: list[Product], change: str
) -> None:
    old = search.serving(EMBEDDINGS)
    failures: list[str] = []
    stamps: set[str] = set()
    asked = [0]
    is_over = threading.Event()

    def ask(number: int) -> None:
        try:
            while not is_over.is_set():
                name = NAMES[(asked[0] + number) % len(NAMES)]
                found = search.search(collection=EMBEDDINGS, text=name, limit=5)
                stamps.add(found.stamp)
                # Vectors of two recipes compared would be far from each other, or of other lengths.
                if len(found.hits) < 5 or not 0.3 < found.best <= 1.001:
                    failures.append(f"{name}: {len(found.hits)} hits, best {found.best}")
                if not answer(Question(text=name, within=Product.objects.current())).candidates:
                    failures.append(f"{name}: no answer")
                asked[0] += 1
        except Exception as error:
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    entity = embeddings.ProductEmbedding
    weight = entity.text_weight
    chosen = settings.ENCODERS | ({"text": "use-multilingual-3"} if change == "encoder" else {})
    try:
        time.sleep(0.5)
        with override_settings(ENCODERS=chosen):
            if change == "weight":
                entity.text_weight = 0.7
            assert build.is_due(EMBEDDINGS)
            build.rebuild(collection=EMBEDDINGS)
            Product.objects.filter(pk=products[0].pk).update(price=77)
            index_due()
            time.sleep(0.5)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
        entity.text_weight = weight
    new = search.serving(EMBEDDINGS)
    assert failures == []
    assert asked[0] > 20
    assert stamps == {old.stamp, new.stamp}
    assert new.dimension == (512 + 384 if change == "encoder" else 768)
    # All stored vectors of an index are of its stamp: their length and unit norm say so.
    for index in (old, new):
        vectors = [
            np.frombuffer(v, np.float32) for v in index.vectors.values_list("vector", flat=True)
        ]
        assert {len(v) for v in vectors} == {index.dimension}
