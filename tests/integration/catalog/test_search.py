"""Search over REST: query interpretation, hard filters, facets, pages, images and vectors."""

import io
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker
from rest_framework.test import APIClient

from catalog.models import CatalogSource, Product, SearchWeights
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.search import SearchQuery, pipeline, search_products
from catalog.search.normalize import normalize_text, words_of
from catalog.services.corrections import create_product
from catalog.services.search_vocabulary import refresh_search_words
from mlops.pipelines.runner import run_source
from tests.baseline import restore
from tests.factories.catalog import StoreFactory, StoreStockFactory
from tests.integration.catalog.test_products_api import create_api_client
from tests.samples.suppliers.server import SampleSupplier
from vectors import search as vector_search
from vectors.index.write import index_due_rows

pytestmark = pytest.mark.django_db
SEARCH_URL = "/api/v1/products/search/"


@pytest.fixture(scope="module")
def catalogue(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The sample catalogue, synced and indexed once; tests roll back their changes."""
    server = SampleSupplier()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with django_db_blocker.unblock():
        CatalogSource.objects.update(requests_per_second=1000)
        run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{server.url}/ocs")
        refresh_search_words()
        index_due_rows()
    yield
    server.shutdown()
    server.server_close()
    with django_db_blocker.unblock():
        restore()


@pytest.fixture
def client(catalogue: None, db: None) -> APIClient:
    """A client of the verified audience."""
    return create_api_client()


def _search(client: APIClient, **params: Any) -> Any:
    response = client.get(SEARCH_URL, params)
    assert response.status_code == 200, response.content
    return response.json()


def _query(text: str) -> SearchQuery:
    return SearchQuery(text=text, products=Product.objects.current())


def _product_ids(result: Any) -> list[str]:
    return [product["id"] for product in result["results"]]


def _term_keys(result: Any) -> set[str]:
    return {term["key"] for term in result["interpreted_query"]}


def test_attributes_in_a_query_filter_results_and_can_be_ignored(client: APIClient) -> None:
    query = "indica pas trop fort moins de 40 $"

    result = _search(client, q=query)
    wider = _search(client, q=query, ignore_interpretations="price,strength:low")

    assert _term_keys(result) == {"price", "strain_type:indica", "strength:low"}
    assert result["results"]
    for product in result["results"]:
        assert float(product["price"]) <= 40
        assert product["strain_type"].startswith("indica")
        assert float(product["thc_percentage_high"]) <= 20
    assert _term_keys(wider) == {"strain_type:indica"}
    assert wider["total_count"] > result["total_count"]


@pytest.mark.parametrize("query", ["citrus", "agrumes", "sativa", "pink kush", ""])
def test_request_filters_are_hard(client: APIClient, query: str) -> None:
    filters = {
        "category": "dried_flower",
        "price_max": "35",
        "thc_percentage_min": "20",
        "strain_type": "hybrid",
        "terpene": "limonene",
    }

    for product in _search(client, q=query, **filters)["results"]:
        assert float(product["price"]) <= 35
        assert float(product["thc_percentage"]) >= 20
        assert product["category"] == "dried_flower"
        assert product["strain_type"] == "hybrid"
        assert "limonene" in product["terpenes"]


@pytest.mark.parametrize("query", ["citrus", "kush", "indica under $40", "fleur séchée", "fruité"])
def test_facet_counts_equal_the_totals_of_their_filters(client: APIClient, query: str) -> None:
    result = _search(client, q=query)

    facets = result["facets"]
    assert sum(value["count"] for value in facets["category"]) == result["total_count"]
    for facet in ("strain_type", "brand", "category", "terpene"):
        for value in facets[facet][:4]:
            filtered = _search(client, q=query, facets="none", **{facet: value["value"]})
            assert filtered["total_count"] == value["count"], value
    for band in facets["price"]:
        bounds = {f"price_{end}": band[end] for end in ("min", "max") if end in band}
        filtered = _search(client, q=query, facets="none", **bounds)
        assert filtered["total_count"] == band["count"], band


def test_a_facet_is_counted_without_its_own_filter(client: APIClient) -> None:
    unfiltered = _search(client, q="kush")["facets"]["strain_type"]

    filtered = _search(client, q="kush", strain_type="hybrid")

    assert filtered["facets"]["strain_type"] == unfiltered
    assert {product["strain_type"] for product in filtered["results"]} == {"hybrid"}


@pytest.mark.parametrize("sort", ["relevance", "price", "-thc_percentage"])
def test_pages_contain_every_product_once(client: APIClient, sort: str) -> None:
    params = {"q": "haze", "sort": sort, "limit": 7, "facets": "none"}

    page = _search(client, **params)
    ids = _product_ids(page)
    while page["next_cursor"]:
        page = _search(client, **params, cursor=page["next_cursor"])
        ids += _product_ids(page)

    assert len(ids) == len(set(ids))
    assert len(ids) == page["total_count"]


def test_a_cursor_of_another_query_is_refused(client: APIClient) -> None:
    first = _search(client, q="haze", limit=7)

    response = client.get(SEARCH_URL, {"q": "kush", "cursor": first["next_cursor"]})

    assert response.status_code == 400
    assert response.json()["type"] == "urn:cultivar:problem:invalid_cursor"


def test_search_pages_link_to_their_neighbors(client: APIClient) -> None:
    params: dict[str, Any] = {"q": "haze", "limit": 3, "facets": "none"}
    first_page = client.get(SEARCH_URL, params)

    cursor = first_page.json()["next_cursor"]
    second_page = client.get(SEARCH_URL, {**params, "cursor": cursor})
    links = requests.utils.parse_header_links(second_page["Link"])
    first_page_again = client.get(links[1]["url"])

    assert first_page.json()["previous_cursor"] is None
    assert [link["rel"] for link in links] == ["next", "prev"]
    assert _product_ids(first_page_again.json()) == _product_ids(first_page.json())


def test_results_are_sorted_by_price(client: APIClient) -> None:
    result = _search(client, q="kush", sort="price", limit=50)

    prices = [float(product["price"]) for product in result["results"]]
    assert prices == sorted(prices)


def test_exact_skus_and_names_rank_first(client: APIClient) -> None:
    for product in Product.objects.exclude(sku=None).order_by("sku")[::25]:
        by_sku = _search(client, q=product.sku, facets="none", limit=1)["results"][0]
        full_name = f"{product.brand} {product.name}"
        by_full_name = _search(client, q=full_name, facets="none", limit=1)["results"][0]
        by_name = _search(client, q=product.name, facets="none", limit=1)["results"][0]

        assert by_sku["id"] == str(product.pk), product.sku
        assert by_full_name["name"] == product.name
        assert by_full_name["brand"] == product.brand
        assert words_of(by_name["name"]) == words_of(product.name)


def test_a_product_is_found_by_its_gtin(client: APIClient, admin_user: User) -> None:
    product = create_product(
        values={"name": "Petrol Pump", "gtin": "00628011959126"}, by=admin_user
    )

    result = _search(client, q="628011959126")

    assert result["results"][0]["id"] == str(product.pk)


def test_misspelled_words_are_corrected_and_reported(client: APIClient) -> None:
    result = _search(client, q="pnik kush")

    first = result["results"][0]
    assert result["did_you_mean"] == "pink kush"
    assert first["name"] == "Pink Kush"
    assert first["highlights"]["name"] == "<mark>Pink</mark> <mark>Kush</mark>"
    assert _search(client, q="pink kush")["did_you_mean"] is None


def test_only_selected_fields_of_results_are_returned(client: APIClient) -> None:
    results = _search(client, q="pink kush", fields="name,highlights")["results"]

    assert results
    assert all(set(result) == {"id", "name", "highlights"} for result in results)


def test_highlights_are_the_same_without_the_fields_they_mark(client: APIClient) -> None:
    selected = _search(client, q="pink kush", fields="highlights")["results"]
    complete = _search(client, q="pink kush")["results"]

    assert [r["highlights"] for r in selected] == [r["highlights"] for r in complete]


def test_sorted_results_have_the_selected_fields(client: APIClient) -> None:
    results = _search(client, q="kush", sort="price", fields="price")["results"]

    assert results
    assert all(set(result) == {"id", "price"} for result in results)


def test_fields_of_another_audience_are_refused(client: APIClient) -> None:
    response = client.get(SEARCH_URL, {"q": "kush", "fields": "name,score"})

    error = response.json()["errors"][0]
    assert response.status_code == 400
    assert error["field"] == "fields"
    assert "highlights" in error["message"]


def test_staff_can_select_scores(client: APIClient) -> None:
    results = _search(create_api_client("staff"), q="kush", fields="score")["results"]

    assert all(set(result) == {"id", "score"} for result in results)
    assert results[0]["score"] > 0


@pytest.mark.parametrize("query", ["indica under $40", "kush", "strongest 7 g flower"])
def test_scores_of_any_kind_of_query_are_json_numbers(client: APIClient, query: str) -> None:
    results = _search(create_api_client("staff"), q=query, limit=3)["results"]

    assert results
    for result in results:
        components = result["score_components"]
        assert isinstance(result["score"], float)
        assert isinstance(components["word_share"], float)
        assert isinstance(components["relevance"], float)


def test_pages_of_one_query_may_have_different_fields(client: APIClient) -> None:
    cursor = _search(client, q="kush", limit=2, fields="name")["next_cursor"]

    page = _search(client, q="kush", limit=2, fields="price", cursor=cursor)

    assert all(set(result) == {"id", "price"} for result in page["results"])


def test_highlights_escape_html(client: APIClient, admin_user: User) -> None:
    create_product(values={"name": "<b>Zorglub</b> & Co"}, by=admin_user)

    product = _search(client, q="zorglub")["results"][0]

    assert product["highlights"]["name"] == "&lt;b&gt;<mark>Zorglub</mark>&lt;/b&gt; &amp; Co"


def test_results_resemble_similar_to_more_than_not_similar_to(client: APIClient) -> None:
    liked = str(Product.objects.filter(name="Pink Kush")[0].pk)
    disliked = str(Product.objects.filter(name="Lemon Haze")[0].pk)

    ids = _product_ids(_search(client, similar_to=liked, not_similar_to=disliked, limit=20))

    vectors = vector_search.stored_vectors(
        collection="product_embeddings", ids=[liked, disliked, *ids]
    )
    similarity = np.mean([vectors[pk] @ vectors[liked] for pk in ids])
    dissimilarity = np.mean([vectors[pk] @ vectors[disliked] for pk in ids])
    assert len(ids) == 20
    assert liked not in ids
    assert disliked not in ids
    assert similarity > dissimilarity


def test_a_query_can_name_a_product_to_resemble_at_a_lower_price(client: APIClient) -> None:
    result = _search(client, q="something like pink kush but cheaper")

    assert {term["type"] for term in result["interpreted_query"]} == {"similar_to", "cheap"}
    assert all(product["name"] != "Pink Kush" for product in result["results"][:5])


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
def test_unusual_characters_in_a_query_are_harmless(client: APIClient, query: str) -> None:
    result = _search(client, q=query)

    assert result["total_count"] >= len(result["results"])
    assert Product.objects.exists()


def test_search_without_vectors_ranks_by_words(client: APIClient) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE vector_indexes SET status = 'failed'")

    result = _search(client, q="pink kush")

    assert result["retrievers"] == ["lexical"]
    assert result["results"][0]["name"] == "Pink Kush"


def test_only_staff_see_score_components(client: APIClient) -> None:
    for_staff = _search(create_api_client("staff"), q="lemon haze")["results"][0]
    for_others = _search(client, q="lemon haze")["results"][0]

    assert for_staff["score_components"]["ranks"]["lexical"] >= 1
    assert {"effects", "score", "score_components"} <= set(for_staff)
    assert {"effects", "score", "score_components", "source"}.isdisjoint(for_others)


def test_similar_products_have_reasons_and_staff_see_score_components(client: APIClient) -> None:
    product = Product.objects.filter(name="Pink Kush")[0]
    url = f"/api/v1/products/{product.pk}/similar/"

    similar = client.get(url, {"limit": 3}).json()["results"][0]
    for_staff = create_api_client("staff").get(url, {"limit": 3}).json()["results"][0]

    assert similar["reasons"]
    assert {reason["type"] for reason in similar["reasons"]} <= {
        "same_strain",
        "same_brand",
        "same_strain_type",
        "same_category",
        "shared_terpene",
        "shared_parent",
        "similar_thc",
        "similar_cbd",
        "same_size",
        "similar_price",
    }
    assert "score_components" not in similar
    components = for_staff["score_components"]
    assert set(components) == {"text", "chemistry", "type", "price", "names"}
    assert sum(components.values()) == pytest.approx(for_staff["score"], abs=0.01)


@pytest.mark.parametrize(
    "params",
    [
        {"q": "pink kush"},
        {"q": "indica gummies under 20"},
        {"q": "the strongest vape"},
        {"q": "strong indica", "price_max": "40"},
        {"q": "something like pink kush"},
        {"category": "dried_flower"},
    ],
    ids=lambda params: " ".join(params.values()),
)
def test_the_statement_for_large_catalogues_finds_the_same(
    client: APIClient, monkeypatch: pytest.MonkeyPatch, params: dict[str, str]
) -> None:
    expected = _search(client, **params)

    monkeypatch.setattr(pipeline, "_LARGE_CATALOGUE", 0)

    assert _search(client, **params) == expected


def test_in_a_large_catalogue_products_with_every_word_are_read_first(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = search_products(_query("pink kush"))
    best = {c.id for c in everything.candidates if c.word_share == 1}
    monkeypatch.setattr(pipeline, "_LARGE_CATALOGUE", 0)
    monkeypatch.setattr(pipeline, "MAX_READ_MATCHES", len(best))

    bounded = search_products(_query("pink kush"))

    assert best
    assert best <= {candidate.id for candidate in bounded.candidates}
    assert bounded.total_count < everything.total_count


def test_boost_weights_reorder_results_without_adding_or_removing_any(
    client: APIClient, admin_user: User
) -> None:
    before = _product_ids(_search(client, q="kush", limit=100, facets="none"))
    boosted = before[-1]
    store = StoreFactory.create(code="queen")
    StoreStockFactory.create(store=store, product=Product.objects.get(pk=boosted))
    SearchWeights.objects.create(stock=1, note="no supplier pays for it", set_by=admin_user)

    after = _product_ids(_search(client, q="kush", limit=100, facets="none"))

    assert set(after) == set(before)
    assert after.index(boosted) < len(before) - 1


def test_results_can_be_filtered_and_counted_by_store(client: APIClient) -> None:
    product_id = _product_ids(_search(client, q="kush", facets="none"))[-1]
    store = StoreFactory.create(code="queen")
    StoreStockFactory.create(store=store, product=Product.objects.get(pk=product_id))

    filtered = _search(client, q="kush", store_code="queen")
    unfiltered = _search(client, q="kush")

    assert _product_ids(filtered) == [product_id]
    assert unfiltered["facets"]["store_code"] == [{"value": "queen", "count": 1}]


def test_vector_search_is_for_staff_and_refuses_vectors_of_other_indexes(
    client: APIClient,
) -> None:
    index = vector_search.serving_index("product_embeddings")
    product_id = str(Product.objects.filter(name="Pink Kush")[0].pk)
    vector = vector_search.stored_vectors(collection="product_embeddings", ids=[product_id])[
        product_id
    ]
    body = {"vector": vector.tolist(), "index_version": index.fingerprint, "limit": 5}
    url = f"{SEARCH_URL}vector/"
    staff = create_api_client("staff")

    response = staff.post(url, body, format="json")

    assert response.json()["results"][0]["id"] == product_id
    invalid: dict[str, Any]
    for invalid in (
        {"index_version": "0" * 12},
        {"vector": vector[:-1].tolist()},
        {"vector": []},
        {"limit": 0},
        {"vector": "x"},
    ):
        assert staff.post(url, body | invalid, format="json").status_code == 400, invalid
    assert create_api_client().post(url, body, format="json").status_code == 403


def test_image_search_without_a_model_is_unavailable(client: APIClient) -> None:
    image = io.BytesIO(b"no picture")
    image.name = "package.png"

    response = client.post(f"{SEARCH_URL}image/", {"image": image}, format="multipart")
    without_image = client.post(f"{SEARCH_URL}image/", {}, format="multipart")

    assert response.status_code == 503
    assert "fetch_models" in response.json()["detail"]
    assert without_image.status_code == 400


def test_results_for_customers_contain_no_effects(client: APIClient) -> None:
    effects_by_product = Product.objects.values_list("effects", flat=True)
    effects = {effect for effects in effects_by_product for effect in effects}
    assert effects

    for params in (
        {"q": "kush"},
        {"q": "lemon haze"},
        {"q": "indica", "sort": "price"},
        {"similar_to": str(Product.objects.all()[0].pk)},
    ):
        text = client.get(SEARCH_URL, params).content.decode().lower()
        assert not [effect for effect in effects if f'"{effect}"' in text]
    assert client.get(SEARCH_URL, {"q": "kush", "facets": "effects"}).status_code == 400


@pytest.mark.parametrize(
    "text",
    ["Grower's Choice", "M’mosa", "Ça Sent l'Gaz", "R'Belle", "OS.HYBRID", "Cœur d’été №5", "24k"],
)
def test_text_is_normalized_equally_in_python_and_in_sql(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT search_text(%s)", [text])
        sql_words = cursor.fetchone()[0].split()

    normalized = normalize_text(text)
    assert set(words_of(text)) <= set(sql_words)
    assert all(word in normalized.replace("'", "") or word in normalized for word in sql_words)


@pytest.mark.parametrize("query", ["🌿", "🌿🔥", "%%_\\", "!?…", "a", "7", "« »"])
def test_t51_a_query_without_a_word_finds_nothing(client: APIClient, query: str) -> None:
    result = _search(client, q=query)

    assert result["total_count"] == 0
    assert result["results"] == []
    assert all(not values for values in result["facets"].values())


@pytest.mark.parametrize("query", ["pas d'indica", "aucune indica", "anything but indica"])
def test_t13_products_of_a_negated_type_are_not_found(client: APIClient, query: str) -> None:
    result = _search(client, q=query, limit=100)

    assert result["results"]
    assert all("indica" not in (p["strain_type"] or "") for p in result["results"])


@pytest.mark.parametrize("query", ["kush not redecan", "kush sans redecan", "kush sauf Redecan"])
def test_t13_products_of_a_negated_brand_are_not_found(client: APIClient, query: str) -> None:
    brands = {product["brand"] for product in _search(client, q="kush redecan")["results"]}
    result = _search(client, q=query, limit=100)

    assert "Redecan" in brands
    assert result["results"]
    assert all(product["brand"] != "Redecan" for product in result["results"])


@pytest.mark.parametrize("query", ["pain", "sleep", "douleur"])
def test_m19_everyday_words_are_not_corrected(client: APIClient, query: str) -> None:
    assert _search(client, q=query)["did_you_mean"] is None


def test_class_2_a_constraint_that_nothing_meets_is_relaxed_alone(client: APIClient) -> None:
    result = _search(client, q="sativa moins de 1 $ fleur")

    assert result["relaxed_filters"] == ["price"]
    assert result["results"]
    assert all(product["strain_type"].startswith("sativa") for product in result["results"])


@pytest.mark.parametrize(
    ("query", "is_descending"), [("strongest indica", True), ("indica la moins forte", False)]
)
def test_class_3_superlatives_sort_by_potency(
    client: APIClient, query: str, is_descending: bool
) -> None:
    products = _search(client, q=query, facets="none")["results"]

    potencies = [float(product["thc_percentage_high"]) for product in products]
    assert len(potencies) > 3
    assert potencies == sorted(potencies, reverse=is_descending)


def test_class_7_the_beginning_of_a_number_finds_its_products(client: APIClient) -> None:
    result = _search(client, q="100333", facets="none")

    assert {product["name"] for product in result["results"]} == {"Pink Kush"}


@pytest.mark.parametrize(
    "query",
    ["959126", "8011959", "UPC 6 28011 95912 6", "code-barres 628011-959126", "gtin 62801195"],
)
def test_class_7_any_part_of_a_number_finds_its_product(
    client: APIClient, admin_user: User, query: str
) -> None:
    product = create_product(
        values={"name": "Petrol Pump", "gtin": "00628011959126"}, by=admin_user
    )

    result = _search(client, q=query, facets="none")

    assert result["results"][0]["id"] == str(product.pk)


def test_class_7_a_part_of_a_sku_finds_its_product(client: APIClient) -> None:
    result = _search(client, q="00333_7", facets="none")

    assert result["results"][0]["sku"] == "100333_7g"


@pytest.mark.parametrize(
    ("brand", "abbreviation"),
    [
        ("Wandering Otter Cannabis Co.", "wo"),
        ("Tall Pine 49", "tp49"),
        ("Golden Riverbank", "grb"),
        ("The Quiet Old Harbour", "tqoh"),
        ("The Quiet Old Harbour", "qoh"),
    ],
)
def test_class_8_a_brand_is_found_by_its_abbreviation(
    client: APIClient, admin_user: User, brand: str, abbreviation: str
) -> None:
    product = create_product(values={"name": "Zorglub", "brand": brand}, by=admin_user)
    create_product(values={"name": "Zorglub", "brand": "Vermilion"}, by=admin_user)
    refresh_search_words()

    alone = _search(client, q=abbreviation, facets="none")
    with_name = _search(client, q=f"{abbreviation} zorglub", facets="none")

    assert alone["results"][0]["id"] == str(product.pk)
    assert with_name["results"][0]["id"] == str(product.pk)
    assert alone["did_you_mean"] is None


def test_class_8_a_word_of_the_catalogue_is_no_abbreviation(
    client: APIClient, admin_user: User
) -> None:
    create_product(values={"name": "Zorglub", "brand": "Old Growth"}, by=admin_user)
    refresh_search_words()

    names = [product["name"] for product in _search(client, q="og", facets="none")["results"]]

    assert "OG" in names[0]
    assert "Zorglub" not in names[:5]


def test_class_8_a_category_word_within_a_brand_is_no_category(
    client: APIClient, admin_user: User
) -> None:
    product = create_product(
        values={"name": "Night Balm", "brand": "Petal & Flower", "category": "topicals"},
        by=admin_user,
    )
    refresh_search_words()

    result = _search(client, q="petal and flower", facets="none")

    assert _term_keys(result) == set()
    assert result["results"][0]["id"] == str(product.pk)


@pytest.mark.parametrize(
    ("query", "corrected"),
    [
        ("goodsupply", "good supply"),
        ("puresunfarms indica", "pure sunfarms indica"),
        ("head band", "headband"),
        ("blak cherry punch", "black cherry punch"),
    ],
)
def test_class_8_divided_joined_and_short_misspellings_are_corrected(
    client: APIClient, query: str, corrected: str
) -> None:
    assert _search(client, q=query, facets="none")["did_you_mean"] == corrected


def test_class_10_words_of_other_products_do_not_match_a_name_within_a_brand(
    client: APIClient, admin_user: User
) -> None:
    values = {"name": "Zorglub", "brand": "Jonas Vale"}
    product = create_product(values=values, by=admin_user)
    create_product(values={"name": "Jonas Cookies", "brand": "Vermilion"}, by=admin_user)
    create_product(values={"name": "Vale Mist", "brand": "Vermilion"}, by=admin_user)
    refresh_search_words()

    result = search_products(SearchQuery(text="jonas vale", products=Product.objects.current()))

    matched = [candidate.name for candidate in result.candidates if candidate.word_share]
    assert matched == [product.name]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("mild zorglub", "Zorglub Calm"),
        ("zorglub doux", "Zorglub Calm"),
        ("strong zorglub", "Zorglub Fort"),
        ("zorglub 2.5 mg", "Zorglub Calm"),
        ("zorglub 200 mg", "Zorglub Fort"),
    ],
)
def test_edibles_are_mild_or_strong_by_the_milligrams_of_a_piece(
    client: APIClient, admin_user: User, query: str, name: str
) -> None:
    common = {"category": "edibles", "mg_basis": "mg_per_unit", "unit_count": 10}
    create_product(values={"name": "Zorglub Calm", "thc_mg": "2.5", **common}, by=admin_user)
    create_product(values={"name": "Zorglub Fort", "thc_mg": "20", **common}, by=admin_user)
    refresh_search_words()

    result = _search(client, q=query, facets="none")

    names = [product["name"] for product in result["results"]]
    assert [found for found in names if found.startswith("Zorglub")] == [name]


def test_a_form_within_the_name_of_another_product_is_no_category(
    client: APIClient, admin_user: User
) -> None:
    values = {"name": "Zorglub Soda Live Resin", "category": "extracts"}
    product = create_product(values=values, by=admin_user)
    refresh_search_words()

    result = _search(client, q="zorglub soda", facets="none")

    assert result["results"][0]["id"] == str(product.pk)


def test_class_12_the_nearest_price_comes_first(client: APIClient) -> None:
    products = _search(client, q="around $30 indica", facets="none", limit=10)["results"]

    distances = [abs(float(product["price"]) - 30) for product in products]
    assert len(distances) > 3
    assert distances == sorted(distances)


def test_class_13_other_sizes_of_a_product_come_before_strangers(client: APIClient) -> None:
    products = _search(client, q="pink kush 7 g", facets="none", limit=3)["results"]

    assert [float(product["weight_grams"]) for product in products[:1]] == [7]
    assert {product["name"] for product in products} == {"Pink Kush"}
