"""Customer vectors: direction, consent, erasure, fingerprints, reconciliation and recovery."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from catalog.embeddings import ProductEmbedding
from catalog.models import Product
from customers.embeddings import ENCODED_FIELDS, CustomerVector, product_weights
from customers.models import Consent, CustomerProfile, Interaction
from customers.reference.history import HISTORY_HALF_LIFE_DAYS, INTERACTION_WEIGHTS
from customers.selectors.history import HistoryEntry
from customers.selectors.vectors import get_customer_vector
from customers.services import consents, profiles
from customers.services.history import (
    InteractionRecord,
    PurchaseLine,
    record_interactions,
    record_purchases,
)
from customers.services.preferences import derive_due_preferences
from mlops.models import Erasure
from mlops.privacy.erasure import erase
from tests.canaries import remove_collections
from tests.factories.catalog import ProductFactory
from tests.factories.customers import CustomerFactory, InteractionFactory
from vectors import exact, search, tasks
from vectors.encoders.base import Vectors
from vectors.errors import IndexRefused, VectorRefused, VectorsUnavailable
from vectors.index import build, write
from vectors.index.reconcile import reconcile
from vectors.index.write import index_due_rows
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import store

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS = CustomerVector.collection
PRODUCTS = ProductEmbedding.collection
REQUIRED_CONSENTS = ("history", "profiling")
_FLOWER = {
    "category": "dried_flower",
    "strain_type": "indica",
    "price": 30,
    "thc_percentage": None,
    "thc_percentage_high": 24,
    "brand": "Pure",
}
_GUMMIES = {
    "category": "edibles",
    "strain_type": "sativa",
    "price": 8,
    "thc_percentage": None,
    "thc_mg": 10,
    "brand": "Sweet",
}
_UNKNOWN_SCALARS = {
    "thc_percentage": -1.0,
    "cbd_percentage": -1.0,
    "price": -1.0,
    "strain_type": "",
}


@pytest.fixture
def products() -> Iterator[dict[str, Product]]:
    """Six flowers and six gummies, indexed, without vectors of other tests."""
    exact.clear_cache()
    cache.clear()
    created = {}
    for number, letter in enumerate("ABCDEF"):
        created[f"kush-{number}"] = ProductFactory.create(name=f"Kush {letter}", **_FLOWER)
        created[f"gummy-{number}"] = ProductFactory.create(
            name=f"Mango Gummies {letter}", **_GUMMIES
        )
    index_due_rows(collection=PRODUCTS)
    yield created
    exact.clear_cache()
    remove_collections()


def _index() -> dict[str, int]:
    """Index due customers; due products are indexed with them."""
    return index_due_rows(collection=CUSTOMERS)


def _purchase(customer: CustomerProfile, *products: Product, days_ago: float = 1) -> None:
    purchased_at = timezone.now() - timedelta(days=days_ago)
    event_id = uuid4()
    lines = [
        PurchaseLine(
            event_id=event_id,
            line=line,
            order_id=f"order-{event_id}",
            customer_id=customer.pk,
            store_id=None,
            product_id=product.pk,
            quantity=1,
            unit_price=Decimal(20),
            purchased_at=purchased_at,
        )
        for line, product in enumerate(products)
    ]
    record_purchases(lines)
    derive_due_preferences()


def _interact(
    customer: CustomerProfile, interaction_type: str, product: Product, days_ago: float = 1
) -> None:
    record = InteractionRecord(
        event_id=uuid4(),
        type=interaction_type,
        customer_id=customer.pk,
        session_id="",
        store_id=None,
        product_id=product.pk,
        quantity=None,
        occurred_at=timezone.now() - timedelta(days=days_ago),
    )
    record_interactions([record])


def _create_buyer(products: dict[str, Product]) -> CustomerProfile:
    """Return a customer with the required consents, two purchases of flower, and a vector."""
    customer = CustomerFactory.create(consents=REQUIRED_CONSENTS)
    _purchase(customer, products["kush-0"], products["kush-1"])
    _index()
    return customer


def _has_vector(customer: CustomerProfile) -> bool:
    return get_customer_vector(UUID(str(customer.pk))) is not None


def _customer_vector(customer: CustomerProfile) -> Vectors:
    stored = get_customer_vector(UUID(str(customer.pk)))
    assert stored is not None
    return stored[0]


def _product_vector(product: Product) -> Vectors:
    vectors = search.stored_vectors(collection=PRODUCTS, ids=[str(product.pk)])
    return vectors[str(product.pk)]


def _milvus_vector(index: VectorIndex, customer: CustomerProfile) -> Vectors:
    vectors = store().fetch_vectors(index.physical_name, [str(customer.pk)])
    return vectors[str(customer.pk)]


def _normalized(vector: Vectors) -> Vectors:
    return vector / np.linalg.norm(vector)


def _nearest_product_names(customer: CustomerProfile, limit: int) -> set[str]:
    stored = get_customer_vector(UUID(str(customer.pk)))
    assert stored is not None
    vector, fingerprint = stored
    result = search.nearest(
        collection=PRODUCTS, vector=vector, limit=limit, fingerprint=fingerprint
    )
    nearest = Product.objects.filter(pk__in=[hit.id for hit in result.hits])
    return set(nearest.values_list("name", flat=True))


def _similarity(customer: CustomerProfile, product: Product) -> float:
    scores = search.cosine_scores(
        collection=PRODUCTS, vector=_customer_vector(customer), ids=[str(product.pk)]
    )
    return scores[str(product.pk)]


def _stored_vector_counts(customer: CustomerProfile) -> tuple[int, int]:
    """Return how many vectors of a customer are in PostgreSQL and in Milvus, over all indexes."""
    collections = [
        name for name in store().collections() if name.startswith(CUSTOMERS) and name != CUSTOMERS
    ]
    milvus_count = sum(len(store().fetch_vectors(name, [str(customer.pk)])) for name in collections)
    return IndexedVector.objects.filter(entity_id=customer.pk).count(), milvus_count


def _inconsistency_count() -> int:
    return int(reconcile(collection=CUSTOMERS, repair=False)["before"].total)


def test_nearest_products_resemble_the_purchases(products: dict[str, Product]) -> None:
    flower_buyer = _create_buyer(products)
    gummy_buyer = CustomerFactory.create(consents=REQUIRED_CONSENTS)
    _purchase(gummy_buyer, products["gummy-0"], products["gummy-1"])

    _index()

    assert _nearest_product_names(flower_buyer, 6) == {f"Kush {letter}" for letter in "ABCDEF"}
    assert _nearest_product_names(gummy_buyer, 6) == {
        f"Mango Gummies {letter}" for letter in "ABCDEF"
    }


def test_vector_is_the_normalized_sum_of_purchased_products(products: dict[str, Product]) -> None:
    customer = _create_buyer(products)

    index = search.serving_index(CUSTOMERS)
    vector = _customer_vector(customer)

    expected = _product_vector(products["kush-0"]) + _product_vector(products["kush-1"])
    np.testing.assert_allclose(vector, _normalized(expected), atol=1e-6)
    np.testing.assert_allclose(_milvus_vector(index, customer), vector, atol=1e-6)
    assert index.fingerprint == search.serving_index(PRODUCTS).fingerprint
    assert index.dimension == 768


def test_like_increases_and_dislike_decreases_similarity(products: dict[str, Product]) -> None:
    customer = _create_buyer(products)
    similarity = _similarity(customer, products["gummy-3"])

    _interact(customer, "like", products["gummy-3"])
    _index()
    similarity_when_liked = _similarity(customer, products["gummy-3"])
    _interact(customer, "dislike", products["gummy-3"], days_ago=0)
    _index()
    similarity_when_disliked = _similarity(customer, products["gummy-3"])

    assert similarity_when_liked > similarity
    assert similarity_when_disliked < similarity


def test_dislikes_alone_give_no_vector(products: dict[str, Product]) -> None:
    customer = CustomerFactory.create(consents=REQUIRED_CONSENTS)

    _interact(customer, "dislike", products["kush-0"])
    _index()

    assert not _has_vector(customer)


def test_purchases_lose_weight_with_age_and_expire_after_a_year(
    products: dict[str, Product],
) -> None:
    customer = CustomerFactory.create(consents=REQUIRED_CONSENTS)
    former_customer = CustomerFactory.create(consents=REQUIRED_CONSENTS)
    _purchase(customer, products["kush-0"], days_ago=1 + HISTORY_HALF_LIFE_DAYS)
    _purchase(customer, products["gummy-0"], days_ago=1)
    _purchase(former_customer, products["kush-0"], days_ago=366)

    _index()

    expected = _product_vector(products["gummy-0"]) + 0.5 * _product_vector(products["kush-0"])
    np.testing.assert_allclose(_customer_vector(customer), _normalized(expected), atol=1e-4)
    assert not _has_vector(former_customer)


def test_scalars_are_the_effective_preferences(products: dict[str, Product]) -> None:
    customer = _create_buyer(products)
    vector = _customer_vector(customer)
    assert IndexedVector.objects.get(entity_id=customer.pk).scalars == _UNKNOWN_SCALARS

    profiles.correct_profile(
        customer=customer,
        changes={"thc_range": [18, 25], "price_range": [20, 45], "strain_types": ["indica"]},
        by="key:test",
    )
    _index()

    assert IndexedVector.objects.get(entity_id=customer.pk).scalars == _UNKNOWN_SCALARS | {
        "thc_percentage": 21.5,
        "price": 32.5,
        "strain_type": "indica",
    }
    np.testing.assert_array_equal(_customer_vector(customer), vector)


@pytest.mark.parametrize(
    "purposes", [(), ("history",), ("profiling",), ("profiling", "chat", "marketing")]
)
def test_customers_without_both_consents_have_no_vector(
    products: dict[str, Product], purposes: tuple[str, ...]
) -> None:
    customer = CustomerFactory.create(consents=purposes)
    _purchase(customer, products["kush-0"])
    _interact(customer, "like", products["kush-1"])

    _index()

    assert _stored_vector_counts(customer) == (0, 0)
    assert not _has_vector(customer)
    assert _inconsistency_count() == 0


@pytest.mark.parametrize("purpose", REQUIRED_CONSENTS)
def test_withdrawn_consent_removes_the_vector_from_every_index(
    products: dict[str, Product], purpose: str
) -> None:
    customer = _create_buyer(products)
    other_customer = _create_buyer(products)
    build.rebuild(collection=CUSTOMERS)
    assert _stored_vector_counts(customer) == (2, 2)  # serving index and rollback index

    consents.withdraw_consent(customer=customer, purpose=purpose, by="key:test")
    _index()

    assert _stored_vector_counts(customer) == (0, 0)
    assert not _has_vector(customer)
    assert _stored_vector_counts(other_customer) == (2, 2)

    consent = consents.give_consent(
        customer=customer, purpose=purpose, version="2026-11", language="en", by="key:test"
    )
    _index()

    assert consent.withdrawn_at is None
    # Withdrawing `history` unlinked the purchases; a new consent does not link them again.
    assert _stored_vector_counts(customer) == ((0, 0) if purpose == "history" else (1, 1))


def test_erasure_removes_every_vector_and_outbox_entry(products: dict[str, Product]) -> None:
    customer = _create_buyer(products)
    other_customer = _create_buyer(products)
    build.rebuild(collection=CUSTOMERS)
    _interact(customer, "like", products["kush-2"])

    receipt = erase(subject=UUID(str(customer.pk)), requested_by="key:test", reason="they asked")

    assert receipt.status == Erasure.Status.DONE
    assert receipt.remaining == {}
    assert receipt.deleted["vectors"] == 5
    assert _stored_vector_counts(customer) == (0, 0)
    assert not OutboxEntry.objects.filter(row_id=customer.pk).exists()

    _index()

    assert _stored_vector_counts(customer) == (0, 0)
    assert _stored_vector_counts(other_customer) == (2, 2)


def test_customer_and_product_vectors_of_different_fingerprints_are_never_compared(
    products: dict[str, Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = _create_buyer(products)
    withdrawing_customer = _create_buyer(products)
    write.index_due_rows()
    old_index = search.serving_index(CUSTOMERS)
    old_vector = _customer_vector(customer)
    scheduled: list[str] = []
    monkeypatch.setattr(
        tasks.rebuild_vectors, "delay", lambda *, collection: scheduled.append(collection)
    )
    monkeypatch.setattr(ProductEmbedding, "text_weight", 0.7)

    # The customer index is up to date until the product index has the new fingerprint.
    assert tasks.rebuild_outdated_indexes() == {"scheduled": 1}
    assert scheduled == [PRODUCTS]
    tasks.rebuild_vectors(collection=PRODUCTS)
    assert scheduled == [PRODUCTS, CUSTOMERS]
    new_fingerprint = search.serving_index(PRODUCTS).fingerprint

    # Until the customer index is rebuilt, old vectors are served, and the product index rejects
    # them. Withdrawn consents apply nevertheless.
    _purchase(customer, products["gummy-0"], products["gummy-1"])
    consents.withdraw_consent(customer=withdrawing_customer, purpose="profiling", by="key:test")
    _index()
    stored = get_customer_vector(UUID(str(customer.pk)))
    assert stored is not None
    vector, fingerprint = stored
    np.testing.assert_array_equal(vector, old_vector)
    assert fingerprint == old_index.fingerprint
    assert fingerprint != new_fingerprint
    assert _stored_vector_counts(withdrawing_customer) == (0, 0)
    with pytest.raises(VectorRefused):
        search.nearest(collection=PRODUCTS, vector=vector, limit=1, fingerprint=fingerprint)

    build.rebuild(collection=CUSTOMERS)
    assert search.serving_index(CUSTOMERS).fingerprint == new_fingerprint
    assert _nearest_product_names(customer, 4) >= {"Mango Gummies A", "Mango Gummies B"}
    assert tasks.rebuild_outdated_indexes() == {"scheduled": 0}
    with pytest.raises(IndexRefused):  # no product index with the old fingerprint serves
        build.roll_back(index=old_index)


def test_rolling_back_products_updates_customer_vectors_of_the_same_fingerprint(
    products: dict[str, Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = _create_buyer(products)
    old_index = search.serving_index(PRODUCTS)
    old_vector = _customer_vector(customer)
    monkeypatch.setattr(ProductEmbedding, "text_weight", 0.7)
    build.rebuild(collection=PRODUCTS)
    _purchase(customer, products["gummy-0"])
    _index()
    np.testing.assert_array_equal(_customer_vector(customer), old_vector)

    monkeypatch.undo()
    build.roll_back(index=old_index)

    old_similarity = float(old_vector @ _product_vector(products["gummy-0"]))
    assert _similarity(customer, products["gummy-0"]) > old_similarity + 0.1
    assert _inconsistency_count() == 0


def test_reconciliation_finds_and_repairs_every_difference(products: dict[str, Product]) -> None:
    stale, missing_in_milvus, missing, withdrawn, _unchanged = [
        _create_buyer(products) for _ in range(5)
    ]
    index = search.serving_index(CUSTOMERS)
    correct_vector = _customer_vector(stale)
    IndexedVector.objects.filter(index=index, entity_id=stale.pk).update(
        vector=np.roll(correct_vector, 1).tobytes(), content_hash="0" * 32
    )
    store().delete(index.physical_name, [str(missing_in_milvus.pk)])
    IndexedVector.objects.filter(index=index, entity_id=missing.pk).delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE consents DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE consents SET withdrawn_at = now() WHERE customer_id = %s", [withdrawn.pk]
        )
        cursor.execute("ALTER TABLE consents ENABLE TRIGGER USER")

    report = reconcile(collection=CUSTOMERS)

    before = report["before"]
    assert before.stale == 1
    assert before.missing == 1
    assert before.surplus == 1
    assert before.missing_in_milvus == 1
    assert before.stale_in_milvus == 1
    assert before.surplus_in_milvus == 1
    assert report["after"].total == 0
    np.testing.assert_array_equal(_customer_vector(stale), correct_vector)
    np.testing.assert_allclose(_milvus_vector(index, stale), correct_vector, atol=1e-6)
    assert _stored_vector_counts(withdrawn) == (0, 0)


def test_reconciliation_detects_changed_and_merged_products(products: dict[str, Product]) -> None:
    customer = _create_buyer(products)
    vector = _customer_vector(customer)

    Product.objects.filter(pk=products["kush-0"].pk).update(price=300, strain_type="sativa")
    _index()
    assert reconcile(collection=CUSTOMERS)["before"].stale == 1
    assert not np.allclose(_customer_vector(customer), vector)

    Product.objects.filter(pk=products["kush-0"].pk).update(merged_into=products["gummy-0"].pk)
    _index()
    assert reconcile(collection=CUSTOMERS)["before"].stale == 1
    expected = _product_vector(products["gummy-0"]) + _product_vector(products["kush-1"])
    np.testing.assert_allclose(_customer_vector(customer), _normalized(expected), atol=1e-6)


class _KilledError(BaseException):
    """Simulated death of the process, which no error handler catches."""


def _kill(*_args: Any, **_kwargs: Any) -> None:
    raise _KilledError


def test_interrupted_indexing_is_repeated(
    products: dict[str, Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        customer = CustomerFactory.create(consents=REQUIRED_CONSENTS)
        _purchase(customer, products["kush-0"])

    with monkeypatch.context() as patch:  # after the write to Milvus, before the rows
        patch.setattr(IndexedVector.objects, "bulk_create", _kill)
        with pytest.raises(_KilledError):
            _index()

    assert OutboxEntry.objects.exists()
    assert _index()["encoded"] == 6
    assert _inconsistency_count() == 0


def test_interrupted_build_resumes(
    products: dict[str, Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        customer = CustomerFactory.create(consents=REQUIRED_CONSENTS)
        _purchase(customer, products["kush-0"])
    _index()
    monkeypatch.setattr(write, "BATCH_SIZE", 2)
    monkeypatch.setattr(build, "BATCH_SIZE", 2)

    with pytest.raises(_KilledError):
        build.rebuild(collection=CUSTOMERS, on_batch=_kill)

    interrupted = VectorIndex.objects.get(collection=CUSTOMERS, status="building")
    assert interrupted.vectors.count() == 2
    assert build.rebuild(collection=CUSTOMERS)["encoded"] == 4
    assert search.serving_index(CUSTOMERS).vectors.count() == 6


def test_customers_are_not_indexed_before_products() -> None:
    with pytest.raises(IndexRefused, match="no serving index"):
        index_due_rows(collection=CUSTOMERS)
    with pytest.raises(VectorsUnavailable):
        get_customer_vector(uuid4())

    ProductFactory.create(name="Alone", **_FLOWER)

    assert tasks.index_due_vectors()["encoded"] == 2  # in two collections
    assert search.serving_index(CUSTOMERS).vectors.count() == 0
    assert get_customer_vector(uuid4()) is None


def test_only_changes_that_affect_a_vector_are_enqueued(products: dict[str, Product]) -> None:
    customer = _create_buyer(products)
    profile = CustomerProfile.objects.filter(pk=customer.pk)

    def take_enqueued() -> bool:
        """Return whether the customer was enqueued since the last call."""
        entries = OutboxEntry.objects.filter(table_name="customer_profiles")
        row_ids = set(entries.values_list("row_id", flat=True))
        entries.delete()
        assert row_ids <= {customer.pk}
        return bool(row_ids)

    assert not take_enqueued()
    profile.update(language="fr", avg_spending=10)
    profiles.verify_age(
        customer=customer, verification_method="in_person", by="key:test", verified_age=19
    )
    CustomerFactory.create()
    InteractionFactory.create(
        kind="like", product=products["kush-3"], session="anonymous", customer=None, days_ago=0
    )
    assert not take_enqueued()

    _interact(customer, "view", products["kush-3"])
    assert take_enqueued()
    _purchase(customer, products["kush-3"])
    assert take_enqueued()
    profile.update(preferred_strain_types=["sativa"])
    assert take_enqueued()
    Consent.objects.filter(customer=customer, purpose="profiling").update(
        withdrawn_at=timezone.now()
    )
    assert take_enqueued()
    Consent.objects.filter(customer=customer).delete()
    assert take_enqueued()
    Interaction.objects.filter(customer=customer).update(customer=None)
    assert take_enqueued()


def test_trigger_watches_every_encoded_profile_field() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgargs FROM pg_trigger WHERE tgname = 'customer_profiles_vector_updated'"
        )
        arguments = bytes(cursor.fetchone()[0]).decode().split("\x00")

    assert set(arguments) - {""} == {*ENCODED_FIELDS, "is_due"}


def _entry(product: UUID, kind: str, age_days: float) -> HistoryEntry:
    return HistoryEntry(product, kind, 1, age_days, INTERACTION_WEIGHTS[kind], "")


def test_product_weights_decay_and_a_disliked_product_counts_for_nothing_else() -> None:
    purchased, disliked, liked, viewed = (uuid4() for _ in range(4))

    weights = product_weights(
        [
            _entry(purchased, "purchase", 0),
            _entry(purchased, "purchase", HISTORY_HALF_LIFE_DAYS),
            _entry(disliked, "purchase", 0),
            _entry(disliked, "dislike", 0),
            _entry(liked, "like", HISTORY_HALF_LIFE_DAYS),
            _entry(viewed, "view", 0),
            _entry(viewed, "basket_add", 0),
        ]
    )

    assert weights == {purchased: 1.5, disliked: -0.5, liked: 0.5, viewed: 0.7}


def test_product_weights_do_not_depend_on_the_current_time() -> None:
    first, second = uuid4(), uuid4()
    history = [_entry(first, "purchase", 1), _entry(second, "like", 31)]
    later = [replace(entry, age_days=entry.age_days + 200) for entry in history]

    assert product_weights(later[::-1]) == product_weights(history)


def test_returns_have_no_weight_in_a_vector() -> None:
    returned = replace(_entry(uuid4(), "purchase", 0), quantity=-1, weight=0.0)

    assert product_weights([returned]) == {}
