"""Pages of search in the console: the playground, what staff weigh, stores, vector indexes."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from catalog.models import Product, SearchWeights
from catalog.services.corrections import create_product
from catalog.services.search_vocabulary import refresh_search_words
from vectors import search, tasks
from vectors.errors import IndexBusy
from vectors.index.write import index_due
from vectors.models import VectorIndex

pytestmark = pytest.mark.django_db(transaction=True)
PLAYGROUND = "/console/catalog/searchweights/playground/"
INDEXES = "/console/vectors/vectorindex/"


@pytest.fixture
def indexed(admin_user: User) -> list[Product]:
    """Three products, indexed."""
    made = [
        create_product(
            values={
                "name": name,
                "strain_type": strain_type,
                "price": price,
                "category": "dried-flower",
            },
            by=admin_user,
        )
        for name, strain_type, price in (
            ("Pink Kush", "indica", 30),
            ("Purple Kush", "sativa", 90),
            ("Lemon Haze", "sativa", 20),
        )
    ]
    refresh_search_words()
    index_due()
    return made


def test_playground_shows_what_answers_and_what_was_removed_by_which_rule(
    admin_client: Client, indexed: list[Product]
) -> None:
    assert "Ask as a customer does" in admin_client.get(PLAYGROUND).content.decode()
    page = admin_client.get(PLAYGROUND, {"q": "indica kush under $50"}).content.decode()
    found, removed = page.split("Removed, and by which rule")
    assert "Pink Kush" in found
    assert "Purple Kush" not in found
    assert "price, strain_type:indica" in removed
    freer = admin_client.get(
        PLAYGROUND, {"q": "indica kush under $50", "ignore": "price,strain_type:indica"}
    ).content.decode()
    assert "Purple Kush" in freer.split("Removed, and by which rule")[0]
    filtered = admin_client.get(PLAYGROUND, {"q": "kush", "price_max": "50"}).content.decode()
    assert "filter price__lte" in filtered
    assert (
        "Nothing answers"
        in admin_client.get(PLAYGROUND, {"q": "kush", "category": "seeds"}).content.decode()
    )


def test_pages_are_for_those_who_may(client: Client) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    client.force_login(user)
    assert client.get(PLAYGROUND).status_code == 403
    assert client.get(INDEXES).status_code == 403
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_product", "view_vectorindex"])
    )
    assert client.get(PLAYGROUND).status_code == 200
    assert client.get(INDEXES).status_code == 200
    index = VectorIndex.objects.create(
        collection="c",
        physical="c_1",
        stamp="s",
        encoder="e",
        revision="r",
        dimension=3,
        index_type="FLAT",
    )
    assert (
        client.post(
            reverse("admin:vectors_vectorindex_act", args=[index.pk, "rebuild"])
        ).status_code
        == 403
    )


def test_weights_are_added_and_never_changed(admin_client: Client, admin_user: User) -> None:
    address = "/console/catalog/searchweights/"
    told = {
        "stock": "0.2",
        "margin": "0",
        "freshness": "0.1",
        "note": "new first; nobody pays for a place",
    }
    assert admin_client.post(f"{address}add/", told).status_code == 302
    weights = SearchWeights.objects.get()
    assert (weights.set_by, weights.stock) == (admin_user, 0.2)
    assert admin_client.post(f"{address}add/", told | {"stock": "2"}).status_code == 200
    assert admin_client.post(f"{address}add/", told | {"note": ""}).status_code == 200
    assert (
        admin_client.post(f"{address}{weights.pk}/change/", told | {"stock": "1"}).status_code
        == 403
    )
    assert admin_client.post(f"{address}{weights.pk}/delete/", {"post": "yes"}).status_code == 403
    assert SearchWeights.objects.count() == 1


def test_stores_are_kept(admin_client: Client) -> None:
    empty = {"stock-TOTAL_FORMS": "0", "stock-INITIAL_FORMS": "0"}
    told = {"code": "queen", "name": "Queen", "province": "ON", **empty}
    assert admin_client.post("/console/catalog/store/add/", told).status_code == 302
    assert "Queen" in admin_client.get("/console/catalog/store/").content.decode()


def test_indexes_are_listed_and_asked_about_before_anything_is_done(
    admin_client: Client, indexed: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[dict[str, Any]] = []
    for task in (tasks.rebuild_vectors, tasks.reconcile_vectors, tasks.roll_back_index):
        monkeypatch.setattr(task, "delay", lambda **told: begun.append(told))
    serving = search.serving("product_embeddings")
    page = admin_client.get(INDEXES).content.decode()
    assert serving.physical in page
    assert "fetch_models" in page  # the model that sees is not here
    one = admin_client.get(f"{INDEXES}{serving.pk}/change/").content.decode()
    assert reverse("admin:vectors_vectorindex_act", args=[serving.pk, "rebuild"]) in one
    for what, expected in (
        ("rebuild", {"collection": "product_embeddings", "index_type": "FLAT"}),
        ("reconcile", {"collection": "product_embeddings"}),
    ):
        address = reverse("admin:vectors_vectorindex_act", args=[serving.pk, what])
        assert "<form" in admin_client.get(address).content.decode()
        assert begun == []
        assert admin_client.post(address, {"index_type": "FLAT"}).status_code == 302
        assert begun.pop() == expected
    admin_client.post(reverse("admin:vectors_vectorindex_act", args=[serving.pk, "roll-back"]))
    assert begun == []  # what serves cannot be rolled back to
    VectorIndex.objects.filter(pk=serving.pk).update(status="retired")
    admin_client.post(reverse("admin:vectors_vectorindex_act", args=[serving.pk, "roll-back"]))
    assert begun == [{"index_id": str(serving.pk)}]


def test_a_queue_that_does_not_answer_is_told(
    admin_client: Client, indexed: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.reconcile_vectors, "delay", refuse)
    serving = search.serving("product_embeddings")
    address = reverse("admin:vectors_vectorindex_act", args=[serving.pk, "reconcile"])
    assert (
        "does not answer; nothing was begun"
        in admin_client.post(address, follow=True).content.decode()
    )


def test_playground_drops_a_term_by_a_click_and_tells_what_is_silent(
    admin_client: Client, indexed: list[Product]
) -> None:
    page = admin_client.get(PLAYGROUND, {"q": "indica kush under $50"}).content.decode()
    assert "ignore=strain_type%3Aindica" in page
    assert "Found without meaning" not in page
    VectorIndex.objects.filter(collection="product_texts").delete()
    assert (
        "no answer from product_texts"
        in admin_client.get(PLAYGROUND, {"q": "kush"}).content.decode()
    )


def test_one_collection_that_fails_does_not_keep_the_others_waiting(
    indexed: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fail_first(*, collection: str, **_: Any) -> Any:
        asked.append(collection)
        raise IndexBusy(f"{collection} is being built")

    monkeypatch.setattr(tasks, "index_due", fail_first)
    assert tasks.index_due_vectors() == {"taken": 0, "encoded": 0, "deleted": 0}
    monkeypatch.setattr("vectors.index.reconcile.reconcile", fail_first)
    with pytest.raises(IndexBusy):
        tasks.reconcile_vectors()
    assert asked == ["product_embeddings", "product_texts", "customer_embeddings"] * 2


def test_an_empty_list_says_what_to_do(admin_client: Client) -> None:
    assert "manage.py index_vectors" in admin_client.get(INDEXES).content.decode()


def test_tasks_do_what_pages_ask(indexed: list[Product]) -> None:
    old = search.serving("product_embeddings")
    assert tasks.reconcile_vectors() == {
        "product_embeddings": 0,
        "product_texts": 0,
        "customer_embeddings": 0,
    }
    assert tasks.rebuild_due() == {"due": 0}
    tasks.rebuild_vectors(collection="product_embeddings")
    assert search.serving("product_embeddings").pk != old.pk
    tasks.roll_back_index(index_id=str(old.pk))
    assert search.serving("product_embeddings").pk == old.pk
    assert tasks.index_due_vectors()["taken"] == 0
