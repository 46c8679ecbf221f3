"""Where customers lie among the products: near what they bought and like, and nowhere unless they agree."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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
from customers.embeddings import ENCODED, PURCHASE, CustomerVector, Deed, weights
from customers.models import Consent, CustomerProfile, Interaction
from customers.selectors import taste_of
from customers.services import consents, profiles
from customers.services.history import Act, Line, record_acts, record_purchases
from customers.services.preferences import derive_due
from mlops.models import Erasure
from mlops.privacy.erasure import erase
from tests.canaries import remove_collections
from tests.integration import customer_data
from vectors import exact, search, tasks
from vectors.encoders.base import Vectors
from vectors.errors import IndexRefused, VectorRefused, VectorsUnavailable
from vectors.index import build, write
from vectors.index.reconcile import reconcile
from vectors.index.write import index_due
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import store

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS, PRODUCTS = CustomerVector.collection, ProductEmbedding.collection
AGREED = ("history", "profiling")
_FLOWER = {
    "category": "dried-flower",
    "strain_type": "indica",
    "price": 30,
    "thc_percentage_high": 24,
    "brand": "Pure",
}
_GUMMIES = {
    "category": "edibles",
    "strain_type": "sativa",
    "price": 8,
    "thc_mg": 10,
    "brand": "Sweet",
}


@pytest.fixture
def shelf() -> Iterator[dict[str, Product]]:
    """Flower and gummies, indexed; whose vectors there were before is forgotten."""
    exact.forget()
    cache.clear()
    made = {}
    for number in range(6):
        made[f"kush-{number}"] = _product(f"Kush {'ABCDEF'[number]}", **_FLOWER)
        made[f"gummy-{number}"] = _product(f"Mango Gummies {'ABCDEF'[number]}", **_GUMMIES)
    index_due(collection=PRODUCTS)
    yield made
    exact.forget()
    remove_collections()


def _index() -> dict[str, int]:
    return index_due(collection=CUSTOMERS)  # what is due of products comes with it


def _product(name: str, **facts: Any) -> Product:
    made = Product.objects.create(name=name, merge_key=f"test:{uuid4()}", **facts)
    made.refresh_from_db()
    return made


def _buy(customer: CustomerProfile, *products: Product, days_ago: float = 1) -> None:
    at, event = timezone.now() - timedelta(days=days_ago), uuid4()
    lines = [
        Line(
            event_id=event,
            line=line,
            order_id=f"order-{event}",
            customer=customer.pk,
            store=None,
            product=product.pk,
            quantity=1,
            unit_price=Decimal(20),
            purchased_at=at,
        )
        for line, product in enumerate(products)
    ]
    record_purchases(lines)
    derive_due()


def _act(customer: CustomerProfile, kind: str, product: Product, days_ago: float = 1) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    record_acts(
        [
            Act(
                event_id=uuid4(),
                kind=kind,
                customer=customer.pk,
                session="",
                store=None,
                product=product.pk,
                quantity=None,
                occurred_at=at,
            )
        ]
    )


def _buyer(shelf: dict[str, Product]) -> CustomerProfile:
    """Somebody who agreed, bought two kinds of flower, and has a vector."""
    made = customer_data.person(*AGREED)
    _buy(made, shelf["kush-0"], shelf["kush-1"])
    _index()
    return made


def _taste(customer: CustomerProfile) -> Vectors:
    told = taste_of(UUID(str(customer.pk)))
    assert told is not None
    return told[0]


def _names(customer: CustomerProfile, limit: int) -> set[str]:
    vector, stamp = taste_of(UUID(str(customer.pk))) or pytest.fail("no vector")
    hits = search.nearest(collection=PRODUCTS, vector=vector, limit=limit, stamp=stamp).hits
    return set(
        Product.objects.filter(pk__in=[hit.id for hit in hits]).values_list("name", flat=True)
    )


def _near(customer: CustomerProfile, product: Product) -> float:
    found = search.scores_of(collection=PRODUCTS, vector=_taste(customer), ids=[str(product.pk)])
    return found[str(product.pk)]


def _held(customer: CustomerProfile) -> tuple[int, int]:
    """Return how many rows and how many entries of Milvus are theirs, in whatever index."""
    names = [
        name for name in store().collections() if name.startswith(CUSTOMERS) and name != CUSTOMERS
    ]
    in_milvus = sum(len(store().fetch(name, [str(customer.pk)])) for name in names)
    return IndexedVector.objects.filter(entity_id=customer.pk).count(), in_milvus


def test_what_is_nearest_is_like_what_was_bought(shelf: dict[str, Product]) -> None:
    flower, gummies = _buyer(shelf), customer_data.person(*AGREED)
    _buy(gummies, shelf["gummy-0"], shelf["gummy-1"])
    _index()
    assert _names(flower, 6) == {f"Kush {letter}" for letter in "ABCDEF"}
    assert _names(gummies, 6) == {f"Mango Gummies {letter}" for letter in "ABCDEF"}
    ids = [str(shelf[name].pk) for name in ("kush-0", "kush-1")]
    bought = search.vectors_of(collection=PRODUCTS, ids=ids)
    mean = np.sum(list(bought.values()), axis=0)
    np.testing.assert_allclose(_taste(flower), mean / np.linalg.norm(mean), atol=1e-6)
    index = search.serving(CUSTOMERS)
    np.testing.assert_allclose(
        store().fetch(index.physical, [str(flower.pk)])[str(flower.pk)], _taste(flower), atol=1e-6
    )
    assert (index.stamp, index.dimension) == (search.serving(PRODUCTS).stamp, 768)


def test_praise_draws_near_and_blame_pushes_away(shelf: dict[str, Product]) -> None:
    customer = _buyer(shelf)
    before = _near(customer, shelf["gummy-3"])
    _act(customer, "like", shelf["gummy-3"])
    _index()
    praised = _near(customer, shelf["gummy-3"])
    _act(customer, "dislike", shelf["gummy-3"], days_ago=0)
    _index()
    assert _near(customer, shelf["gummy-3"]) < before < praised
    only_blame = customer_data.person(*AGREED)
    _act(only_blame, "dislike", shelf["kush-0"])
    _index()
    assert taste_of(UUID(str(only_blame.pk))) is None


def test_what_was_bought_lately_counts_more_and_what_is_older_than_a_year_not_at_all(
    shelf: dict[str, Product],
) -> None:
    customer, former = customer_data.person(*AGREED), customer_data.person(*AGREED)
    _buy(customer, shelf["kush-0"], days_ago=121)
    _buy(customer, shelf["gummy-0"], days_ago=1)
    _buy(former, shelf["kush-0"], days_ago=366)
    _index()
    old, new = (
        search.vectors_of(collection=PRODUCTS, ids=[str(shelf[name].pk)])[str(shelf[name].pk)]
        for name in ("kush-0", "gummy-0")
    )
    expected = new + 0.25 * old  # two half-lives
    np.testing.assert_allclose(_taste(customer), expected / np.linalg.norm(expected), atol=1e-4)
    assert taste_of(UUID(str(former.pk))) is None


def test_scalars_are_the_preferences_that_hold(shelf: dict[str, Product]) -> None:
    customer = _buyer(shelf)
    unknown = {"thc_percentage": -1.0, "cbd_percentage": -1.0, "price": -1.0, "strain_type": ""}
    assert IndexedVector.objects.get(entity_id=customer.pk).scalars == unknown
    profiles.correct(
        customer=customer,
        changes={"thc_range": [18, 25], "price_range": [20, 45], "strain_types": ["indica"]},
        by="key:test",
    )
    before = _taste(customer)
    _index()
    told = IndexedVector.objects.get(entity_id=customer.pk).scalars
    assert told == unknown | {"thc_percentage": 21.5, "price": 32.5, "strain_type": "indica"}
    np.testing.assert_array_equal(_taste(customer), before)


@pytest.mark.parametrize(
    "purposes", [(), ("history",), ("profiling",), ("profiling", "chat", "marketing")]
)
def test_who_has_not_agreed_to_both_has_no_vector(
    shelf: dict[str, Product], purposes: tuple[str, ...]
) -> None:
    customer = customer_data.person(*purposes)
    _buy(customer, shelf["kush-0"])
    _act(customer, "like", shelf["kush-1"])
    _index()
    assert _held(customer) == (0, 0)
    assert taste_of(UUID(str(customer.pk))) is None
    assert reconcile(collection=CUSTOMERS, repair=False)["before"].total == 0


@pytest.mark.parametrize("purpose", AGREED)
def test_a_consent_taken_back_takes_the_vector_out_of_every_index(
    shelf: dict[str, Product], purpose: str
) -> None:
    customer, neighbor = _buyer(shelf), _buyer(shelf)
    build.rebuild(collection=CUSTOMERS)
    assert _held(customer) == (2, 2)  # also where one can roll back to
    consents.withdraw(customer=customer, purpose=purpose, by="key:test")
    _index()
    assert _held(customer) == (0, 0)
    assert taste_of(UUID(str(customer.pk))) is None
    assert _held(neighbor) == (2, 2)
    people_again = consents.give(
        customer=customer, purpose=purpose, version="2026-11", language="en", by="key:test"
    )
    assert people_again.withdrawn_at is None
    _index()
    # What was no longer linked to them is not theirs again.
    assert _held(customer) == ((0, 0) if purpose == "history" else (1, 1))


def test_of_an_erased_person_nothing_is_left(shelf: dict[str, Product]) -> None:
    customer, neighbor = _buyer(shelf), _buyer(shelf)
    build.rebuild(collection=CUSTOMERS)
    _act(customer, "like", shelf["kush-2"])
    receipt = erase(subject=UUID(str(customer.pk)), asked_by="key:test", reason="they asked")
    assert (receipt.status, receipt.left, receipt.removed["vectors"]) == (
        Erasure.Status.DONE,
        {},
        5,
    )
    assert _held(customer) == (0, 0)
    assert not OutboxEntry.objects.filter(row_id=customer.pk).exists()
    _index()
    assert _held(customer) == (0, 0)
    assert _held(neighbor) == (2, 2)


def test_vectors_of_two_stamps_never_meet(
    shelf: dict[str, Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, leaver = _buyer(shelf), _buyer(shelf)
    write.index_due()
    old, before = search.serving(CUSTOMERS), _taste(customer)
    asked: list[str] = []
    monkeypatch.setattr(
        tasks.rebuild_vectors, "delay", lambda *, collection: asked.append(collection)
    )
    monkeypatch.setattr(ProductEmbedding, "text_weight", 0.7)
    assert tasks.rebuild_due() == {
        "due": 1
    }  # customers are right until products are of another make
    assert asked == [PRODUCTS]
    tasks.rebuild_vectors(collection=PRODUCTS)
    assert asked == [PRODUCTS, CUSTOMERS]
    stamp = search.serving(PRODUCTS).stamp

    # Until customers are built anew, theirs serve as they were, and products refuse them.
    _buy(customer, shelf["gummy-0"], shelf["gummy-1"])
    consents.withdraw(customer=leaver, purpose="profiling", by="key:test")
    _index()
    np.testing.assert_array_equal(_taste(customer), before)
    assert _held(leaver) == (0, 0)
    told = taste_of(UUID(str(customer.pk)))
    assert told is not None
    assert told[1] == old.stamp != stamp
    with pytest.raises(VectorRefused):
        search.nearest(collection=PRODUCTS, vector=told[0], limit=1, stamp=told[1])

    build.rebuild(collection=CUSTOMERS)
    assert search.serving(CUSTOMERS).stamp == stamp
    assert _names(customer, 4) >= {"Mango Gummies A", "Mango Gummies B"}
    assert tasks.rebuild_due() == {"due": 0}
    with pytest.raises(IndexRefused):  # its parts are not there
        build.roll_back(index=old)


def test_products_rolled_back_bring_customers_of_their_stamp_up_to_what_they_did_meanwhile(
    shelf: dict[str, Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, old = _buyer(shelf), search.serving(PRODUCTS)
    before = _taste(customer)
    monkeypatch.setattr(ProductEmbedding, "text_weight", 0.7)
    build.rebuild(collection=PRODUCTS)
    _buy(customer, shelf["gummy-0"])
    _index()
    np.testing.assert_array_equal(_taste(customer), before)
    monkeypatch.undo()
    build.roll_back(index=old)
    assert _near(customer, shelf["gummy-0"]) > float(before @ _vector(shelf["gummy-0"])) + 0.1
    assert reconcile(collection=CUSTOMERS, repair=False)["before"].total == 0


def _vector(product: Product) -> Vectors:
    return search.vectors_of(collection=PRODUCTS, ids=[str(product.pk)])[str(product.pk)]


def test_reconciling_finds_and_mends_what_differs(shelf: dict[str, Product]) -> None:
    buyers = [_buyer(shelf) for _ in range(5)]
    index, right = search.serving(CUSTOMERS), _taste(buyers[0])
    wrong = np.roll(right, 1)
    tampered = IndexedVector.objects.filter(index=index, entity_id=buyers[0].pk)
    tampered.update(vector=wrong.tobytes(), content_hash="0" * 32)
    store().delete(index.physical, [str(buyers[1].pk)])
    IndexedVector.objects.filter(index=index, entity_id=buyers[2].pk).delete()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE consents DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE consents SET withdrawn_at = now() WHERE customer_id = %s", [buyers[3].pk]
        )
        cursor.execute("ALTER TABLE consents ENABLE TRIGGER USER")
    found = reconcile(collection=CUSTOMERS)
    before, after = found["before"], found["after"]
    assert (before.stale, before.missing, before.surplus) == (1, 1, 1)
    assert (before.missing_in_milvus, before.stale_in_milvus, before.surplus_in_milvus) == (1, 1, 1)
    assert after.total == 0
    np.testing.assert_array_equal(_taste(buyers[0]), right)
    np.testing.assert_allclose(
        store().fetch(index.physical, [str(buyers[0].pk)])[str(buyers[0].pk)], right, atol=1e-6
    )
    assert _held(buyers[3]) == (0, 0)


def test_what_a_product_has_become_is_seen_by_reconciling(shelf: dict[str, Product]) -> None:
    customer, before = _buyer(shelf), None
    before = _taste(customer)
    Product.objects.filter(pk=shelf["kush-0"].pk).update(price=300, strain_type="sativa")
    _index()
    assert reconcile(collection=CUSTOMERS)["before"].stale == 1
    assert not np.allclose(_taste(customer), before)
    Product.objects.filter(pk=shelf["kush-0"].pk).update(merged_into=shelf["gummy-0"].pk)
    _index()
    assert reconcile(collection=CUSTOMERS)["before"].stale == 1
    expected = _vector(shelf["gummy-0"]) + _vector(shelf["kush-1"])
    np.testing.assert_allclose(_taste(customer), expected / np.linalg.norm(expected), atol=1e-6)


def test_a_run_that_dies_is_done_again(
    shelf: dict[str, Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    customers = [customer_data.person(*AGREED) for _ in range(6)]
    for customer in customers:
        _buy(customer, shelf["kush-0"])
    with monkeypatch.context() as patch:  # Milvus has them, the rows do not
        patch.setattr(IndexedVector.objects, "bulk_create", die)
        with pytest.raises(Killed):
            _index()
    assert OutboxEntry.objects.exists()
    assert _index()["encoded"] == 6
    assert reconcile(collection=CUSTOMERS, repair=False)["before"].total == 0
    # A build goes on where it ended.
    monkeypatch.setattr(write, "BATCH", 2)
    monkeypatch.setattr(build, "BATCH", 2)
    with pytest.raises(Killed):
        build.rebuild(collection=CUSTOMERS, on_batch=die)
    assert VectorIndex.objects.get(collection=CUSTOMERS, status="building").vectors.count() == 2
    assert build.rebuild(collection=CUSTOMERS)["encoded"] == 4
    assert search.serving(CUSTOMERS).vectors.count() == 6


def test_without_parts_nothing_is_made_and_the_rest_goes_on() -> None:
    with pytest.raises(IndexRefused, match="no index of that serves yet"):
        index_due(collection=CUSTOMERS)
    with pytest.raises(VectorsUnavailable):
        taste_of(uuid4())
    _product("Alone", **_FLOWER)
    assert tasks.index_due_vectors()["encoded"] == 2  # in two collections
    assert search.serving(CUSTOMERS).vectors.count() == 0
    assert taste_of(uuid4()) is None


def test_what_a_vector_is_made_of_is_noted_and_nothing_else(shelf: dict[str, Product]) -> None:
    customer = _buyer(shelf)

    def noted() -> bool:
        found = OutboxEntry.objects.filter(table_name="customer_profiles")
        ids = set(found.values_list("row_id", flat=True))
        found.delete()
        assert ids <= {customer.pk}
        return bool(ids)

    assert not noted()
    row = CustomerProfile.objects.filter(pk=customer.pk)
    row.update(language="fr", avg_spending=10)
    profiles.verify_age(customer=customer, proof="in-person", by="key:test")
    customer_data.person()
    Interaction.objects.create(kind="like", product=shelf["kush-3"], session="nobody's")
    assert not noted()
    _act(customer, "view", shelf["kush-3"])
    assert noted()
    _buy(customer, shelf["kush-3"])
    assert noted()
    row.update(preferred_strain_types=["sativa"])
    assert noted()
    Consent.objects.filter(customer=customer, purpose="profiling").update(
        withdrawn_at=timezone.now()
    )
    assert noted()
    Consent.objects.filter(customer=customer).delete()
    assert noted()
    Interaction.objects.filter(customer=customer).update(customer=None)
    assert noted()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgargs FROM pg_trigger WHERE tgname = 'customer_profiles_vector_updated'"
        )
        watched = bytes(cursor.fetchone()[0]).decode().split("\x00")
    assert set(watched) - {""} == {*ENCODED, "is_due"}


def test_weights_follow_the_last_word_and_do_not_move_with_the_clock() -> None:
    bought, blamed, forgiven, seen = (uuid4() for _ in range(4))
    day = datetime(2026, 6, 1, tzinfo=UTC)
    deeds = [
        Deed(bought, PURCHASE, day),
        Deed(bought, PURCHASE, day - timedelta(days=60)),
        Deed(blamed, PURCHASE, day),
        Deed(blamed, "like", day - timedelta(days=2)),
        Deed(blamed, "dislike", day),
        Deed(forgiven, "dislike", day - timedelta(days=120)),
        Deed(forgiven, "like", day - timedelta(days=60)),
        Deed(seen, "view", day),
        Deed(seen, "basket-add", day),
    ]
    expected = {bought: 1.5, blamed: -0.5, forgiven: 0.5, seen: 0.4}
    assert weights(deeds) == expected
    assert (
        weights(reversed([Deed(d.product, d.kind, d.at - timedelta(days=200)) for d in deeds]))
        == expected
    )
    assert weights([]) == {}
