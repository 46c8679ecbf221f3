"""Search over REST: understood questions, hard filters, counts that hold, pages, pictures and vectors."""

import io
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient

from catalog.models import CatalogSource, Product, SearchWeights, Store, StoreStock
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.search.normalize import folded, words_of
from catalog.services.corrections import create_product
from catalog.services.search_vocabulary import refresh_search_words
from mlops.pipelines.runner import run_source
from tests.integration.catalog.test_products_api import _client
from tests.samples.suppliers.server import SampleSupplier
from vectors import search
from vectors.index.write import index_due

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/products/search/"


@pytest.fixture(scope="module")
def catalogue(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The sample catalogue, taken in and indexed once for all tests here; none of them changes it for the others."""
    server = SampleSupplier()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with django_db_blocker.unblock():
        CatalogSource.objects.update(requests_per_second=1000)
        run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{server.url}/ocs")
        refresh_search_words()
        index_due()
    yield
    server.shutdown()
    server.server_close()
    with django_db_blocker.unblock():
        call_command("flush", "--no-input", verbosity=0)


@pytest.fixture
def client(catalogue: None, db: None) -> APIClient:
    """A client of verified audience."""
    return _client()


def _ask(client: APIClient, **asked: Any) -> Any:
    answer = client.get(ADDRESS, asked)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_everything_of_a_question_is_understood_and_can_be_taken_back(client: APIClient) -> None:
    found = _ask(client, q="indica pas trop fort moins de 40 $")
    assert {term["key"] for term in found["understood"]} == {
        "price",
        "strain_type:indica",
        "strength:low",
    }
    assert found["results"]
    for product in found["results"]:
        assert float(product["price"]) <= 40
        assert product["strain_type"].startswith("indica")
        assert float(product["thc_percentage_high"]) <= 20
    freer = _ask(client, q="indica pas trop fort moins de 40 $", ignore="price,strength:low")
    assert {term["key"] for term in freer["understood"]} == {"strain_type:indica"}
    assert freer["total"] > found["total"]


def test_filters_of_the_client_are_hard(client: APIClient) -> None:
    asked = {
        "category": "dried-flower",
        "price_max": "35",
        "thc_min": "20",
        "strain_type": "hybrid",
        "terpene": "limonene",
    }
    for query in ("citrus", "agrumes", "sativa", "pink kush", ""):
        for product in _ask(client, q=query, **asked)["results"]:
            assert float(product["price"]) <= 35
            assert float(product["thc_percentage"]) >= 20
            assert (product["category"], product["strain_type"]) == ("dried-flower", "hybrid")
            assert "limonene" in product["terpenes"]


@pytest.mark.parametrize("query", ["citrus", "kush", "indica under $40", "fleur séchée", "fruité"])
def test_facets_count_what_a_filter_would_find(client: APIClient, query: str) -> None:
    found = _ask(client, q=query)
    assert sum(value["count"] for value in found["facets"]["category"]) == found["total"]
    for facet in ("strain_type", "brand", "category", "terpene"):
        for value in found["facets"][facet][:4]:
            assert (
                _ask(client, q=query, facets="none", **{facet: value["value"]})["total"]
                == value["count"]
            ), value
    for band in found["facets"]["price"]:
        ends = {f"price_{end}": band[end] for end in ("min", "max") if end in band}
        assert _ask(client, q=query, facets="none", **ends)["total"] == band["count"], band


def test_a_facet_whose_filter_is_set_is_counted_without_it(client: APIClient) -> None:
    free = _ask(client, q="kush")["facets"]["strain_type"]
    narrowed = _ask(client, q="kush", strain_type="hybrid")
    assert narrowed["facets"]["strain_type"] == free
    assert {product["strain_type"] for product in narrowed["results"]} == {"hybrid"}


def test_pages_follow_each_other_without_gap_or_double(client: APIClient) -> None:
    for sort in ("relevance", "price", "-thc"):
        asked = {"q": "haze", "sort": sort, "limit": 7, "facets": "none"}
        page = _ask(client, **asked)
        ids = [product["id"] for product in page["results"]]
        while page["next"]:
            page = _ask(client, **asked, cursor=page["next"])
            ids += [product["id"] for product in page["results"]]
        assert len(ids) == len(set(ids)) == page["total"]
    first = _ask(client, q="haze", limit=7)
    assert client.get(ADDRESS, {"q": "kush", "cursor": first["next"]}).status_code == 400


def test_sorting_by_price_is_by_price(client: APIClient) -> None:
    prices = [
        float(product["price"])
        for product in _ask(client, q="kush", sort="price", limit=50)["results"]
    ]
    assert prices == sorted(prices)


def test_exact_names_and_numbers_stand_first(client: APIClient) -> None:
    for product in Product.objects.exclude(sku=None).order_by("sku")[::25]:
        assert _ask(client, q=product.sku, facets="none", limit=1)["results"][0]["id"] == str(
            product.pk
        ), product.sku
        named = _ask(client, q=f"{product.brand} {product.name}", facets="none", limit=1)[
            "results"
        ][0]
        assert (named["name"], named["brand"]) == (product.name, product.brand)
        named = _ask(client, q=product.name, facets="none", limit=1)["results"][0]
        assert words_of(named["name"]) == words_of(product.name)


def test_gtin_finds_its_product(client: APIClient, admin_user: User) -> None:
    product = create_product(
        values={"name": "Petrol Pump", "gtin": "00628011959126"}, by=admin_user
    )
    assert _ask(client, q="628011959126")["results"][0]["id"] == str(product.pk)


def test_misspelled_words_are_mended_and_told(client: APIClient) -> None:
    found = _ask(client, q="pnik kush")
    assert found["did_you_mean"] == "pink kush"
    assert found["results"][0]["name"] == "Pink Kush"
    assert found["results"][0]["highlights"]["name"] == "<mark>Pink</mark> <mark>Kush</mark>"
    assert _ask(client, q="pink kush")["did_you_mean"] is None


def test_highlights_are_safe_to_show(client: APIClient, admin_user: User) -> None:
    create_product(values={"name": "<b>Zorglub</b> & Co"}, by=admin_user)
    found = _ask(client, q="zorglub")["results"][0]
    assert found["highlights"]["name"] == "&lt;b&gt;<mark>Zorglub</mark>&lt;/b&gt; &amp; Co"


def test_what_is_like_one_and_not_like_another(client: APIClient) -> None:
    liked, unliked = (
        str(Product.objects.filter(name=name)[0].pk) for name in ("Pink Kush", "Lemon Haze")
    )
    found = _ask(client, like=liked, unlike=unliked, limit=20)
    ids = [product["id"] for product in found["results"]]
    assert len(ids) == 20
    assert not {liked, unliked} & set(ids)
    vectors = search.vectors_of(collection="product_embeddings", ids=[liked, unliked, *ids])
    assert np.mean([vectors[pk] @ vectors[liked] for pk in ids]) > np.mean(
        [vectors[pk] @ vectors[unliked] for pk in ids]
    )


def test_like_a_name_but_cheaper(client: APIClient) -> None:
    found = _ask(client, q="something like pink kush but cheaper")
    assert {term["kind"] for term in found["understood"]} == {"like", "cheap"}
    assert all(product["name"] != "Pink Kush" for product in found["results"][:5])


@pytest.mark.parametrize(
    "query",
    [
        "🌿🔥",
        "'; DROP TABLE products; --",
        "%",
        "a & | ! b",
        ":*",
        "\\",
        "<->",
        "€",
        "ÿ" * 300,
        "( ) ' \"",
        "$",
        "1:0",
    ],
)
def test_odd_questions_have_well_formed_answers(client: APIClient, query: str) -> None:
    found = _ask(client, q=query)
    assert found["count"] == len(found["results"])
    assert Product.objects.exists()


def test_without_vectors_words_answer(client: APIClient) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE vector_indexes SET status = 'failed'")
    found = _ask(client, q="pink kush")
    assert found["legs"] == ["lexical"]
    assert found["results"][0]["name"] == "Pink Kush"


def test_staff_see_how_a_score_is_made_and_others_do_not(client: APIClient) -> None:
    staff = _ask(_client("staff"), q="lemon haze")["results"][0]
    assert staff["scoring"]["ranks"]["lexical"] >= 1
    assert {"effects", "score", "scoring"} <= set(staff)
    assert {"effects", "score", "scoring", "source"}.isdisjoint(
        _ask(client, q="lemon haze")["results"][0]
    )


def test_similar_products_tell_facts_and_staff_the_parts(client: APIClient) -> None:
    product = Product.objects.filter(name="Pink Kush")[0]
    address = f"/api/v1/products/{product.pk}/similar/"
    one = client.get(address, {"limit": 3}).json()["results"][0]
    assert one["reasons"]
    assert {reason["kind"] for reason in one["reasons"]} <= {
        "same_strain",
        "same_brand",
        "same_strain_type",
        "same_category",
        "shared_terpene",
        "shared_parent",
        "near_thc",
        "near_cbd",
        "same_size",
        "near_price",
    }
    assert "breakdown" not in one
    told = _client("staff").get(address, {"limit": 3}).json()["results"][0]
    assert set(told["breakdown"]) == {"text", "chemistry", "type", "price", "names"}
    assert sum(told["breakdown"].values()) == pytest.approx(told["score"], abs=0.01)


def test_weights_of_staff_move_what_answers_but_nothing_in_or_out(
    client: APIClient, admin_user: User
) -> None:
    before = [
        product["id"] for product in _ask(client, q="kush", limit=100, facets="none")["results"]
    ]
    store = Store.objects.create(code="queen", name="Queen", province="ON")
    StoreStock.objects.create(store=store, product_id=before[-1], quantity=3)
    SearchWeights.objects.create(stock=1, note="nobody pays for it", set_by=admin_user)
    after = [
        product["id"] for product in _ask(client, q="kush", limit=100, facets="none")["results"]
    ]
    assert set(after) == set(before)
    assert after.index(before[-1]) < len(before) - 1
    here = _ask(client, q="kush", store="queen")
    assert [product["id"] for product in here["results"]] == [before[-1]]
    assert _ask(client, q="kush")["facets"]["store"] == [{"value": "queen", "count": 1}]


def test_vectors_are_for_staff_and_of_the_right_kind(client: APIClient) -> None:
    index = search.serving("product_embeddings")
    product = Product.objects.filter(name="Pink Kush")[0]
    vector = search.vectors_of(collection="product_embeddings", ids=[str(product.pk)])[
        str(product.pk)
    ]
    told = {"vector": vector.tolist(), "stamp": index.stamp, "limit": 5}
    address = f"{ADDRESS}vector/"
    staff = _client("staff")
    assert staff.post(address, told, format="json").json()["results"][0]["id"] == str(product.pk)
    wrong: dict[str, Any]
    for wrong in (
        {"stamp": "0" * 12},
        {"vector": vector[:-1].tolist()},
        {"vector": []},
        {"limit": 0},
        {"vector": "x"},
    ):
        assert staff.post(address, told | wrong, format="json").status_code == 400, wrong
    assert _client().post(address, told, format="json").status_code == 403


def test_pictures_need_a_model_and_say_so(client: APIClient) -> None:
    picture = io.BytesIO(b"no picture")
    picture.name = "package.png"
    answer = client.post(f"{ADDRESS}image/", {"image": picture}, format="multipart")
    assert answer.status_code == 503
    assert "fetch_models" in answer.json()["detail"]
    assert client.post(f"{ADDRESS}image/", {}, format="multipart").status_code == 400


def test_no_effect_is_in_what_customers_get(client: APIClient) -> None:
    effects = {word for told in Product.objects.values_list("effects", flat=True) for word in told}
    assert effects
    for asked in (
        {"q": "kush"},
        {"q": "lemon haze"},
        {"q": "indica", "sort": "price"},
        {"like": str(Product.objects.all()[0].pk)},
    ):
        text = client.get(ADDRESS, asked).content.decode().lower()
        assert not [word for word in effects if f'"{word}"' in text]
    assert client.get(ADDRESS, {"q": "kush", "facets": "effects"}).status_code == 400


@pytest.mark.parametrize(
    "text",
    ["Grower's Choice", "M’mosa", "Ça Sent l'Gaz", "R'Belle", "OS.HYBRID", "Cœur d’été №5", "24k"],
)
def test_words_are_the_same_here_and_in_the_database(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT search_text(%s)", [text])
        told = cursor.fetchone()[0].split()
    assert set(words_of(text)) <= set(told)
    assert all(word in folded(text).replace("'", "") or word in folded(text) for word in told)
