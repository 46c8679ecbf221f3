"""Products over REST: filters, fields, order, stock by store, look-ups, stores, validators."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.api.serializers import ProductSerializer
from catalog.models import Product, Store, StoreStock
from config.api.keys import Audience
from config.models import ApiKey
from tests.factories.catalog import ProductFactory
from tests.factories.config import create_api_client

pytestmark = pytest.mark.django_db
PRODUCTS = "/api/v1/products/"
LOOKUP = f"{PRODUCTS}lookup/"
STORES = "/api/v1/stores/"


@pytest.fixture
def client() -> APIClient:
    return create_api_client("verified")


@pytest.fixture
def store() -> Store:
    return Store.objects.create(code="queen-west", name="Queen West", province="ON")


def _names(response: Any) -> list[str]:
    assert response.status_code == 200, response.json()
    return [row["name"] for row in response.json()["results"]]


def _error(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.json()
    error: dict[str, str] = response.json()["errors"][0]
    return error


def _set_stock(store: Store, product: Product, quantity: int) -> None:
    StoreStock.objects.create(store=store, product=product, quantity=quantity)


def test_a_filter_takes_several_values(client: APIClient) -> None:
    ProductFactory.create(name="A", category="dried_flower")
    ProductFactory.create(name="B", category="pre_rolls")
    ProductFactory.create(name="C", category="edibles")

    response = client.get(PRODUCTS, {"category": "dried_flower,pre_rolls"})

    assert sorted(_names(response)) == ["A", "B"]


def test_brands_are_compared_without_case(client: APIClient) -> None:
    ProductFactory.create(name="A", brand="Redecan")
    ProductFactory.create(name="B", brand="Pure Sunfarms")

    response = client.get(PRODUCTS, {"brand": "REDECAN,pure sunfarms"})

    assert sorted(_names(response)) == ["A", "B"]


def test_products_are_found_by_sku_and_gtin(client: APIClient) -> None:
    ProductFactory.create(name="A", sku="SKU-1", gtin="00694144000301")
    ProductFactory.create(name="B", sku="SKU-2")
    ProductFactory.create(name="C", sku="SKU-3")

    by_sku = client.get(PRODUCTS, {"sku": "SKU-1,SKU-2"})
    by_gtin = client.get(PRODUCTS, {"gtin": "694144000301"})

    assert sorted(_names(by_sku)) == ["A", "B"]
    assert _names(by_gtin) == ["A"]


def test_products_are_found_by_ids_also_of_merged_ones(client: APIClient) -> None:
    first = ProductFactory.create(name="A")
    merged = ProductFactory.create(name="A duplicate", merged_into=first)
    ProductFactory.create(name="B")

    response = client.get(PRODUCTS, {"ids": f"{merged.pk},{uuid4()}"})

    assert _names(response) == ["A"]


def test_only_products_that_changed_since_are_returned(client: APIClient) -> None:
    now = timezone.now()
    old, new = ProductFactory.create(name="old"), ProductFactory.create(name="new")
    Product.objects.filter(pk=old.pk).update(updated_at=now - timedelta(days=2))
    Product.objects.filter(pk=new.pk).update(updated_at=now)
    since = (now - timedelta(days=1)).isoformat()

    response = client.get(PRODUCTS, {"updated_since": since, "sort": "updated_at"})

    assert _names(response) == ["new"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"category": "dried_flower,loudness"}, "category"),
        ({"ids": "1"}, "ids"),
        ({"gtin": "x"}, "gtin"),
        ({"updated_since": "2026-11-28"}, "updated_since"),
        ({"updated_since": "2026-11-28T10:00:00"}, "updated_since"),
        ({"price_min": "10", "price_max": "5"}, "price_min"),
        ({"sort": "loudness"}, "sort"),
        ({"fields": "name,loudness"}, "fields"),
        ({"include": "effects"}, "include"),
        ({"store_code": "nowhere"}, "store_code"),
        ({"source": "ocs"}, "source"),
    ],
)
def test_unreadable_and_contradictory_values_are_refused(
    client: APIClient, params: dict[str, str], field: str
) -> None:
    assert _error(client.get(PRODUCTS, params))["field"] == field


def test_too_many_values_are_refused(client: APIClient) -> None:
    skus = ",".join(f"S{number}" for number in range(101))

    assert _error(client.get(PRODUCTS, {"sku": skus}))["field"] == "sku"


def test_l17_staff_may_filter_by_source() -> None:
    ProductFactory.create(name="A", source="ocs")
    ProductFactory.create(name="B", source="aglc")

    assert _names(create_api_client("staff").get(PRODUCTS, {"source": "ocs"})) == ["A"]


@pytest.mark.parametrize("sort", ["price", "-price", "name", "-name", "updated_at", "-created_at"])
def test_lists_are_sorted_and_each_product_is_on_one_page(client: APIClient, sort: str) -> None:
    for number in range(7):
        ProductFactory.create(name=f"P{number}", price=None if number > 4 else number // 2 + 1)
    rows: list[dict[str, Any]] = []
    cursor = ""
    while len(rows) <= 7:
        params: dict[str, Any] = {"sort": sort, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get(PRODUCTS, params).json()
        rows += page["results"]
        cursor = page["next_cursor"]
        if not cursor:
            break

    assert len({row["id"] for row in rows}) == len(rows) == 7
    name = sort.removeprefix("-")
    if name == "created_at":
        return
    values = [float(row[name]) if name == "price" else row[name] for row in rows if row[name]]
    assert values == sorted(values, reverse=sort.startswith("-"))
    if name == "price":
        assert [row["price"] for row in rows[-2:]] == [None, None]


@pytest.mark.parametrize("sort", ["price", "-price"])
def test_sorted_pages_are_the_same_backward(client: APIClient, sort: str) -> None:
    for number in range(7):
        ProductFactory.create(price=None if number > 4 else number // 2 + 1)
    params: dict[str, Any] = {"sort": sort, "limit": 3, "fields": "id"}
    forward = [client.get(PRODUCTS, params).json()]
    while forward[-1]["next_cursor"]:
        forward.append(client.get(PRODUCTS, params | {"cursor": forward[-1]["next_cursor"]}).json())

    backward = [forward[-1]]
    while backward[-1]["previous_cursor"]:
        cursor = backward[-1]["previous_cursor"]
        backward.append(client.get(PRODUCTS, params | {"cursor": cursor}).json())

    assert [page["results"] for page in reversed(backward)] == [page["results"] for page in forward]


def test_a_cursor_of_another_order_is_refused(client: APIClient) -> None:
    ProductFactory.create_batch(2)
    cursor = client.get(PRODUCTS, {"limit": "1", "sort": "name"}).json()["next_cursor"]

    response = client.get(PRODUCTS, {"limit": "1", "sort": "price", "cursor": cursor})

    assert response.json()["type"] == "urn:cultivar:problem:invalid_cursor"


@pytest.mark.parametrize(
    ("sort", "index"), [("-created_at", "products_newest"), ("updated_at", "products_by_change")]
)
def test_pages_in_order_of_time_begin_within_an_index(
    client: APIClient, sort: str, index: str
) -> None:
    ProductFactory.create_batch(3)
    params = {"sort": sort, "limit": "1"}
    cursor = client.get(PRODUCTS, params).json()["next_cursor"]

    plans = _Plans()

    with connection.execute_wrapper(plans):
        client.get(PRODUCTS, params)
        client.get(PRODUCTS, params | {"cursor": cursor})

    first, second = plans.of_pages
    assert f"using {index}" in first
    assert f"using {index}" in second
    assert f"Index Cond: ({sort.removeprefix('-')} " in second


class _Plans:
    """The plans of queries for pages of products, without sorting and reading whole tables."""

    def __init__(self) -> None:
        self.of_pages: list[str] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "ORDER BY" in sql and "products" in sql:
            with connection.connection.cursor() as cursor:
                for step in ("seqscan", "bitmapscan", "sort"):
                    cursor.execute(f"SET LOCAL enable_{step} = off")
                rows = cursor.execute(f"EXPLAIN {sql}", params).fetchall()
            self.of_pages.append("\n".join(row[0] for row in rows))
        return execute(sql, params, many, context)


@pytest.mark.parametrize("query", ["", "?fields=name,price,updated_at", "?sort=-price"])
@pytest.mark.parametrize("audience", ["verified", "staff"])
def test_lists_are_rendered_as_the_serializer_renders_them(audience: str, query: str) -> None:
    products = [
        ProductFactory.create(
            name='Pink "Kush"\u2028é', price="34.90", thc_percentage="23.00", terpenes=["myrcene"]
        ),
        ProductFactory.create(name="Plain", price=None),
    ]
    context = {"audience": Audience[audience.upper()]}
    expected = {}
    for product in products:
        product.refresh_from_db()
        expected[str(product.pk)] = ProductSerializer(product, context=context).data
    fields = query.partition("fields=")[2].split(",") if "fields=" in query else []

    rows = create_api_client(audience).get(f"{PRODUCTS}{query}").json()["results"]

    assert len(rows) == 2
    for row in rows:
        whole = expected[row["id"]]
        assert row == {
            name: value for name, value in whole.items() if not fields or name in (*fields, "id")
        }


def test_only_selected_fields_are_returned(client: APIClient) -> None:
    product = ProductFactory.create(name="A", price=12)

    response = client.get(PRODUCTS, {"fields": "name,price"})

    assert response.json()["results"] == [{"id": str(product.pk), "name": "A", "price": "12.00"}]


@pytest.mark.parametrize("audience", ["verified", "staff"])
def test_rows_are_rendered_as_the_serializer_renders_them(audience: str) -> None:
    product = ProductFactory.create(
        name="Pink Kush\u2028", price="34.95", thc_percentage="23.00", terpenes=["myrcene"]
    )
    product.refresh_from_db()
    context = {"audience": Audience[audience.upper()]}

    response = create_api_client(audience).get(f"{PRODUCTS}{product.pk}/")

    assert response.json() == ProductSerializer(product, context=context).data


def test_stock_and_price_in_a_store_are_returned(client: APIClient, store: Store) -> None:
    product = ProductFactory.create(price="34.95")
    other = Store.objects.create(code="elora", name="Elora", province="ON")
    _set_stock(store, product, 4)
    _set_stock(other, product, 0)

    row = client.get(PRODUCTS, {"store_code": "queen-west"}).json()["results"][0]
    single = client.get(f"{PRODUCTS}{product.pk}/", {"include": "stock"}).json()

    assert [(item["store_code"], item["quantity"]) for item in row["stock"]] == [("queen-west", 4)]
    assert row["stock"][0]["price"] == "34.95"
    assert [(item["store_code"], item["is_in_stock"]) for item in single["stock"]] == [
        ("elora", False),
        ("queen-west", True),
    ]


def test_stock_is_left_out_unless_it_is_asked_for(client: APIClient) -> None:
    ProductFactory.create()

    assert "stock" not in client.get(PRODUCTS).json()["results"][0]


def test_the_number_of_queries_does_not_grow_with_the_page(client: APIClient, store: Store) -> None:
    for product in ProductFactory.create_batch(12):
        _set_stock(store, product, 1)
    client.get(PRODUCTS, {"store_code": store.code, "limit": "1"})
    counts = []
    for limit in (2, 12):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(PRODUCTS, {"store_code": store.code, "limit": str(limit)})
        counts.append(len(queries))

    assert counts[0] == counts[1]


class TestLookup:
    """`POST /products/lookup/`."""

    def test_products_are_found_in_the_order_of_the_request(self, client: APIClient) -> None:
        first = ProductFactory.create(name="A", sku="SKU-1")
        second = ProductFactory.create(name="B", gtin="00694144000301")
        items = [{"gtin": "694144000301"}, {"sku": "none"}, {"sku": "SKU-1"}, {"id": first.pk}]

        response = client.post(f"{LOOKUP}?fields=name", {"items": items}, format="json")

        found = {"id": str(second.pk), "name": "B"}
        assert response.json()["results"][0] == {"index": 0, "status": "found", "product": found}
        assert response.json()["results"][1] == {"index": 1, "status": "not_found", "product": None}
        names = [row["product"]["name"] for row in response.json()["results"][2:]]
        assert names == ["A", "A"]

    def test_numbers_of_merged_products_lead_to_the_current_one(self, client: APIClient) -> None:
        current = ProductFactory.create()
        ProductFactory.create(sku="OLD-1", merged_into=current)

        response = client.post(LOOKUP, {"items": [{"sku": "OLD-1"}]}, format="json")

        assert response.json()["results"][0]["product"]["id"] == str(current.pk)

    def test_500_products_are_found_in_four_queries(self, client: APIClient) -> None:
        ProductFactory.create_batch(20)
        ids = list(Product.objects.values_list("pk", flat=True))
        items = [{"id": str(pk)} for pk in ids] + [{"sku": f"S{n}"} for n in range(480)]
        client.get(PRODUCTS)

        with CaptureQueriesContext(connection) as queries:
            response = client.post(LOOKUP, {"items": items}, format="json")

        assert [row["status"] for row in response.json()["results"]].count("found") == 20
        assert len([query for query in queries if "products" in query["sql"]]) <= 3

    @pytest.mark.parametrize(
        "items", [[], [{}], [{"sku": "A", "gtin": "694144000301"}], [{"sku": "A"}] * 501]
    )
    def test_other_bodies_are_refused(self, client: APIClient, items: list[Any]) -> None:
        response = client.post(LOOKUP, {"items": items}, format="json")

        assert response.status_code == 400
        assert response.json()["errors"][0]["field"].startswith("items")


class TestStores:
    """`GET /stores/`, and keys that are bound to provinces and stores."""

    def test_stores_are_listed_and_read(self, client: APIClient, store: Store) -> None:
        rows = client.get(STORES).json()["results"]
        single = client.get(f"{STORES}queen-west/").json()

        assert single in rows
        assert (single["code"], single["province"], single["legal_age"]) == ("queen-west", "ON", 19)

    def test_an_unknown_store_is_not_found(self, client: APIClient) -> None:
        assert client.get(f"{STORES}nowhere/").status_code == 404

    @pytest.mark.parametrize("binding", [{"provinces": ["QC"]}, {"store_codes": ["elsewhere"]}])
    def test_m12b_a_bound_key_does_not_reach_another_store(
        self, client: APIClient, store: Store, binding: dict[str, list[str]]
    ) -> None:
        product = ProductFactory.create()
        _set_stock(store, product, 4)
        ApiKey.objects.update(**binding)

        listed = client.get(STORES).json()["results"]
        single = client.get(f"{STORES}queen-west/")
        in_store = client.get(PRODUCTS, {"store_code": "queen-west"})
        stock = client.get(f"{PRODUCTS}{product.pk}/", {"include": "stock"}).json()["stock"]

        assert store.code not in [row["code"] for row in listed]
        assert single.status_code == 404
        assert _error(in_store)["field"] == "store_code"
        assert stock == []


class TestValidators:
    """ETag, If-None-Match, If-Match, Location."""

    @pytest.mark.parametrize("path", [PRODUCTS, f"{PRODUCTS}?fields=name", STORES])
    def test_m18_lists_have_an_etag_of_their_content(self, client: APIClient, path: str) -> None:
        ProductFactory.create()
        response = client.get(path)

        same = client.get(path, HTTP_IF_NONE_MATCH=response["ETag"])

        assert (same.status_code, same.content) == (304, b"")
        assert response["Cache-Control"] == "private, no-cache"
        assert "Authorization" in response["Vary"]

    def test_m18_search_results_have_an_etag(self, client: APIClient) -> None:
        ProductFactory.create(name="Pink Kush")

        response = client.get(f"{PRODUCTS}search/", {"sku": "x"})

        assert response["ETag"]
        assert response["Cache-Control"] == "private, no-cache"

    def test_head_has_the_headers_of_get(self, client: APIClient) -> None:
        product = ProductFactory.create()
        path = f"{PRODUCTS}{product.pk}/"

        head = client.head(path)

        assert (head.status_code, head.content) == (200, b"")
        assert head["ETag"] == client.get(path)["ETag"]

    def test_options_lists_the_methods(self, client: APIClient) -> None:
        response = client.options(PRODUCTS)

        assert response.status_code == 200
        assert {"GET", "POST"} <= set(response["Allow"].split(", "))

    def test_l23_a_correction_without_if_match_is_refused(self) -> None:
        product = ProductFactory.create(price=10)

        response = create_api_client().patch(
            f"{PRODUCTS}{product.pk}/", {"price": "12.00"}, format="json"
        )

        assert response.status_code == 428

    def test_l23_a_correction_of_an_older_version_is_refused(self) -> None:
        client = create_api_client()
        path = f"{PRODUCTS}{ProductFactory.create(price=10).pk}/"
        tag = client.get(path)["ETag"]
        first = client.patch(path, {"price": "12.00"}, format="json", HTTP_IF_MATCH=tag)

        second = client.patch(path, {"price": "13.00"}, format="json", HTTP_IF_MATCH=tag)

        assert (first.status_code, second.status_code) == (200, 412)
        assert client.get(path).json()["price"] == "12.00"
        assert client.get(path)["ETag"] == first["ETag"]

    def test_a_created_product_has_location_and_etag(self) -> None:
        client = create_api_client()

        response = client.post(PRODUCTS, {"name": "House pre-roll"}, format="json")

        assert response.status_code == 201
        assert client.get(response["Location"])["ETag"] == response["ETag"]

    def test_m16_a_product_is_created_once_for_a_key(self) -> None:
        client = create_api_client()
        body = {"name": "House pre-roll"}
        first = client.post(PRODUCTS, body, format="json", HTTP_IDEMPOTENCY_KEY="k1")

        again = client.post(PRODUCTS, body, format="json", HTTP_IDEMPOTENCY_KEY="k1")
        other = client.post(PRODUCTS, {"name": "X"}, format="json", HTTP_IDEMPOTENCY_KEY="k1")

        assert again.json() == first.json()
        assert again["Location"] == first["Location"]
        assert again["Idempotency-Replayed"] == "true"
        assert other.status_code == 422
        assert Product.objects.filter(name="House pre-roll").count() == 1
