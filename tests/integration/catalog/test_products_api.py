"""Answers over REST, and refusals."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from catalog.models import Product
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.corrections import create_product
from config.api.keys import ApiKey
from mlops.models import Operation
from mlops.pipelines.runner import run_source
from tests.samples.suppliers.server import SampleSupplier
from vectors.index.write import index_due_rows

pytestmark = pytest.mark.django_db(transaction=True)


def _client(
    audience: str = "verified", scopes: tuple[str, ...] = ("catalog:read",), rate: str = "600/min"
) -> APIClient:
    cache.clear()
    _, secret = ApiKey.objects.create_key(
        name="t", audience=audience, scopes=list(scopes), rate=rate
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


def test_search_and_similar_answer_with_real_products(supplier: SampleSupplier) -> None:
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    index_due_rows()
    client = _client()
    found = client.get(
        "/api/v1/products/search/", {"q": "earthy indica myrcene", "price_max": "40"}
    ).json()
    assert set(found["legs"]) == {"lexical", "product_texts", "product_embeddings", "facts"}
    first = found["results"][0]
    assert first["strain_type"].startswith("indica")
    assert "myrcene" in first["terpenes"]
    assert all(float(p["price"]) <= 40 for p in found["results"])
    french = client.get("/api/v1/products/search/", {"q": "fleur séchée hybride"}).json()["results"]
    assert (french[0]["category"], french[0]["strain_type"]) == ("dried-flower", "hybrid")
    similar = client.get(f"/api/v1/products/{french[0]['id']}/similar/", {"limit": 5}).json()[
        "results"
    ]
    assert len(similar) == 5
    assert french[0]["id"] not in {p["id"] for p in similar}
    assert "effects" not in found["results"][0]
    assert "effects" in _client("staff").get("/api/v1/products/").json()["results"][0]


@pytest.mark.parametrize(
    "query",
    [
        "?flavor=x",
        "?limit=0",
        "?cursor=nonsense",
        "not-a-uuid/",
        "search/",
        "search/?q=" + "x" * 10_000,
        "search/?q=%00",
        "search/?q=kush&sort=loudness",
        "search/?q=kush&facets=effects",
        "search/?q=kush&like=1",
        "search/?q=kush&lang=de",
        "search/?q=kush&cursor=1",
        "search/?q=kush&thc_min=101",
        "search/?q=kush&effects=sleepy",
        "?price_max=x",
    ],
)
def test_bad_input_is_a_problem_with_its_reason(query: str) -> None:
    answer = _client().get(f"/api/v1/products/{query}")
    assert answer.status_code in (400, 404)
    assert answer["Content-Type"] == "application/problem+json"


def test_effects_leave_for_staff_only(supplier: SampleSupplier) -> None:
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    product = Product.objects.filter(effects__len__gt=0)[0]
    address = f"/api/v1/products/{product.pk}/"
    assert _client("staff").get(address).json()["effects"] == product.effects
    assert {"effects", "source"}.isdisjoint(_client("verified").get(address).json())
    word = product.effects[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM products WHERE search_document::text LIKE %s", [f"%{word}%"]
        )
        found = cursor.fetchone()[0]
    assert found <= Product.objects.filter(name__icontains=word).count()


def test_both_ways_of_writing_an_address_answer() -> None:
    assert (
        _client().get("/api/v1/products").status_code
        == _client().get("/api/v1/products/").status_code
        == 200
    )


def test_schema_tells_every_endpoint_and_its_key(client: Client) -> None:
    schema = client.get("/api/schema/").content.decode()
    for told in ("/api/v1/products/", "/search/", "/similar/", "price_max", "apiKey"):
        assert told in schema
    page = client.get("/api/docs/").content.decode()
    assert "https://" not in page.replace("https://spec", "")


def test_health_tells_alive_from_ready(client: Client) -> None:
    assert client.get("/health/live").status_code == 200
    ready = client.get("/health/ready").json()
    assert ready["status"] == "ok"
    assert {"database", "cache"} < set(ready["components"])


def test_who_may_not_ask() -> None:
    assert APIClient().get("/api/v1/products/").status_code == 401
    wrong = APIClient()
    wrong.credentials(HTTP_AUTHORIZATION="Api-Key no.such")
    assert wrong.get("/api/v1/products/").status_code == 401
    assert _client("public").get("/api/v1/products/").status_code == 403
    assert _client(scopes=()).get("/api/v1/products/").status_code == 403
    hasty = _client(rate="1/min")
    assert [hasty.get("/api/v1/products/").status_code for _ in range(2)] == [200, 429]


def _writer() -> APIClient:
    return _client("staff", ("catalog:read", "catalog:write"))


def test_client_makes_and_changes_a_product() -> None:
    client = _writer()
    made = client.post("/api/v1/products/", {"name": "House roll", "price": "7.50"}, format="json")
    assert made.status_code == 201, made.json()
    address = f"/api/v1/products/{made.json()['id']}/"
    changed = client.patch(address, {"brand": "House", "reason": "new label"}, format="json")
    assert changed.json()["brand"] == "House"
    assert Operation.objects.filter(client="t", reason="new label").count() == 1
    for body, field in (
        ({"price": -1}, "price"),
        ({"flavor": "x"}, "flavor"),
        ({"reason": 1}, "reason"),
        ([1], ""),
    ):
        refused = client.patch(address, body, format="json")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)


def test_client_does_not_overwrite_a_lock(admin_user: User) -> None:
    client = _writer()
    product = create_product(values={"name": "House roll", "brand": "House"}, by=admin_user)
    address = f"/api/v1/products/{product.pk}/"
    refused = client.patch(address, {"brand": "Other", "price": "5"}, format="json")
    assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (409, ["brand"])
    product.refresh_from_db()
    assert (product.brand, product.price) == ("House", None)
    assert client.patch(address, {"brand": "House", "price": "5"}, format="json").status_code == 200


@pytest.mark.parametrize(
    ("audience", "scopes"),
    [("staff", ("catalog:read",)), ("verified", ("catalog:read", "catalog:write"))],
)
def test_only_staff_keys_with_the_scope_write(audience: str, scopes: tuple[str, ...]) -> None:
    client = _client(audience, scopes)
    assert client.post("/api/v1/products/", {"name": "x"}, format="json").status_code == 403
    assert not Product.objects.exists()
