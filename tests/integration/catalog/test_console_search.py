"""Console pages of search: playground, boost weights, stores, vector indexes."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from catalog.models import Product, SearchWeights
from catalog.services.corrections import create_product
from catalog.services.search_vocabulary import refresh_search_words
from tests.integration.console import message_levels
from vectors import search, tasks
from vectors.encoders.registry import encoder_id
from vectors.errors import IndexBusy, ModelMissing
from vectors.index.write import index_due_rows
from vectors.models import VectorIndex

pytestmark = pytest.mark.django_db(transaction=True)
PLAYGROUND = "/console/catalog/searchweights/playground/"
INDEXES = "/console/vectors/vectorindex/"


@pytest.fixture
def indexed_products(admin_user: User) -> list[Product]:
    """Three indexed products."""
    products = [
        create_product(
            values={
                "name": name,
                "strain_type": strain_type,
                "price": price,
                "category": "dried_flower",
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
    index_due_rows()
    return products


def _found_names(response: Any) -> set[str]:
    return {row["product"].name for row in response.context["result_rows"]}


def _excluding_rules(response: Any) -> dict[str, list[str]]:
    """Return the rules that exclude each product, by its name."""
    return {product.name: rules for product, rules in response.context["excluded"]}


def test_playground_shows_results_and_excluded_products_with_their_rules(
    admin_client: Client, indexed_products: list[Product]
) -> None:
    assert "result" not in admin_client.get(PLAYGROUND).context

    strict = admin_client.get(PLAYGROUND, {"q": "indica kush under $50"})
    assert _found_names(strict) == {"Pink Kush"}
    assert _excluding_rules(strict)["Purple Kush"] == ["price", "strain_type:indica"]

    ignoring = {"ignore_interpretations": "price,strain_type:indica"}
    wider = admin_client.get(PLAYGROUND, {"q": "indica kush under $50", **ignoring})
    assert "Purple Kush" in _found_names(wider)

    filtered = admin_client.get(PLAYGROUND, {"q": "kush", "price_max": "50"})
    assert "filter price__lte" in _excluding_rules(filtered)["Purple Kush"]

    nothing = admin_client.get(PLAYGROUND, {"q": "kush", "category": "seeds"})
    assert _found_names(nothing) == set()


def test_pages_require_view_permissions(client: Client) -> None:
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
        physical_name="c_1",
        fingerprint="s",
        encoder="e",
        revision="r",
        dimension=3,
        index_type="FLAT",
    )
    assert (
        client.post(
            reverse("admin:vectors_vectorindex_action", args=[index.pk, "rebuild"])
        ).status_code
        == 403
    )


def test_boost_weights_are_added_and_never_changed(admin_client: Client, admin_user: User) -> None:
    address = "/console/catalog/searchweights/"
    values = {
        "stock": "0.2",
        "margin": "0",
        "freshness": "0.1",
        "note": "new products first; no supplier pays for it",
    }
    assert admin_client.post(f"{address}add/", values).status_code == 302
    weights = SearchWeights.objects.get()
    assert weights.set_by == admin_user
    assert weights.stock == 0.2
    assert admin_client.post(f"{address}add/", values | {"stock": "2"}).status_code == 200
    assert admin_client.post(f"{address}add/", values | {"note": ""}).status_code == 200
    assert (
        admin_client.post(f"{address}{weights.pk}/change/", values | {"stock": "1"}).status_code
        == 403
    )
    assert admin_client.post(f"{address}{weights.pk}/delete/", {"post": "yes"}).status_code == 403
    assert SearchWeights.objects.count() == 1


def test_stores_are_created_in_the_console(admin_client: Client) -> None:
    empty_formset = {"stock-TOTAL_FORMS": "0", "stock-INITIAL_FORMS": "0"}
    values = {"code": "queen", "name": "Queen", "province": "ON", **empty_formset}
    assert admin_client.post("/console/catalog/store/add/", values).status_code == 302
    stores = admin_client.get("/console/catalog/store/").context["cl"].result_list
    assert [(store.code, store.name, store.province) for store in stores] == [
        ("queen", "Queen", "ON")
    ]


def test_index_actions_are_confirmed_before_they_start(
    admin_client: Client, indexed_products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []
    for task in (tasks.rebuild_vectors, tasks.reconcile_vectors, tasks.roll_back_index):
        monkeypatch.setattr(task, "delay", lambda **kwargs: started.append(kwargs))
    serving = search.serving_index("product_embeddings")
    overview = admin_client.get(INDEXES)
    assert serving.physical_name in overview.content.decode()
    assert overview.context["missing_models"] == [encoder_id("image")]
    change_page = admin_client.get(f"{INDEXES}{serving.pk}/change/").content.decode()
    assert reverse("admin:vectors_vectorindex_action", args=[serving.pk, "rebuild"]) in change_page
    for action, expected in (
        ("rebuild", {"collection": "product_embeddings", "index_type": "FLAT"}),
        ("reconcile", {"collection": "product_embeddings"}),
    ):
        address = reverse("admin:vectors_vectorindex_action", args=[serving.pk, action])
        assert "<form" in admin_client.get(address).content.decode()
        assert started == []
        assert admin_client.post(address, {"index_type": "FLAT"}).status_code == 302
        assert started.pop() == expected
    admin_client.post(reverse("admin:vectors_vectorindex_action", args=[serving.pk, "roll-back"]))
    assert started == []  # the serving index is no rollback target
    VectorIndex.objects.filter(pk=serving.pk).update(status="retired")
    admin_client.post(reverse("admin:vectors_vectorindex_action", args=[serving.pk, "roll-back"]))
    assert started == [{"index_id": str(serving.pk)}]


def test_an_unavailable_task_queue_is_reported(
    admin_client: Client, indexed_products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.reconcile_vectors, "delay", refuse)
    serving = search.serving_index("product_embeddings")
    address = reverse("admin:vectors_vectorindex_action", args=[serving.pk, "reconcile"])

    response = admin_client.post(address, follow=True)

    assert message_levels(response) == ["error"]


def test_playground_links_ignore_a_term_and_unavailable_retrievers_are_shown(
    admin_client: Client, indexed_products: list[Product]
) -> None:
    page = admin_client.get(PLAYGROUND, {"q": "indica kush under $50"})
    assert "ignore_interpretations=strain_type%3Aindica" in page.content.decode()
    assert list(page.context["result"].unavailable_retrievers) == []
    VectorIndex.objects.filter(collection="product_texts").delete()
    page = admin_client.get(PLAYGROUND, {"q": "kush"})
    assert list(page.context["result"].unavailable_retrievers) == ["dense_multilingual"]
    assert "dense_multilingual" in page.content.decode()


def test_a_failing_collection_does_not_block_the_others(
    indexed_products: list[Product], monkeypatch: pytest.MonkeyPatch
) -> None:
    collections = []

    def fail_first(*, collection: str, **_: Any) -> Any:
        collections.append(collection)
        raise IndexBusy(f"{collection} is being built")

    monkeypatch.setattr(tasks, "index_due_rows", fail_first)
    assert tasks.index_due_vectors() == {"claimed": 0, "encoded": 0, "deleted": 0}
    monkeypatch.setattr("vectors.index.reconcile.reconcile", fail_first)
    with pytest.raises(IndexBusy):
        tasks.reconcile_vectors()
    assert collections == ["product_embeddings", "product_texts", "customer_embeddings"] * 2


def test_an_empty_index_list_says_who_builds_indexes(admin_client: Client) -> None:
    page = admin_client.get(INDEXES).content.decode()

    assert "The worker builds all collections" in page


def test_m23_missing_model_is_named_without_paths_and_commands(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_role: str) -> None:
        raise ModelMissing("clip is not in /srv/models/clip: run `manage.py fetch_models`.")

    monkeypatch.setattr("vectors.admin.encoder", fail)

    page = admin_client.get(INDEXES).content.decode()

    assert "is not installed" in page
    assert "/srv/models" not in page
    assert "manage.py" not in page


def test_tasks_perform_the_index_actions(indexed_products: list[Product]) -> None:
    old = search.serving_index("product_embeddings")
    assert tasks.reconcile_vectors() == {
        "product_embeddings": 0,
        "product_texts": 0,
        "customer_embeddings": 0,
    }
    assert tasks.rebuild_outdated_indexes() == {"scheduled": 0}
    tasks.rebuild_vectors(collection="product_embeddings")
    assert search.serving_index("product_embeddings").pk != old.pk
    tasks.roll_back_index(index_id=str(old.pk))
    assert search.serving_index("product_embeddings").pk == old.pk
    assert tasks.index_due_vectors()["claimed"] == 0
