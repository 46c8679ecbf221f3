"""Products over REST: responses, errors, permissions and writes."""

import math

import pytest
import requests
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from catalog.models import Product
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.corrections import create_product
from config.api.keys import ApiKey
from config.observability import health
from mlops.models import Operation
from mlops.pipelines.runner import run_source
from tests.samples.suppliers.server import SampleSupplier
from vectors.index.write import index_due_rows

pytestmark = pytest.mark.django_db(transaction=True)


def create_api_client(
    audience: str = "verified", scopes: tuple[str, ...] = ("catalog:read",), rate: str = "600/min"
) -> APIClient:
    """Return a client with a new API key."""
    cache.clear()
    _, secret = ApiKey.objects.create_key(
        name="t", audience=audience, scopes=list(scopes), rate=rate
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


def test_search_and_similar_products_return_sample_products(supplier: SampleSupplier) -> None:
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    index_due_rows()
    client = create_api_client()
    result = client.get(
        "/api/v1/products/search/", {"q": "earthy indica myrcene", "price_max": "40"}
    ).json()
    assert set(result["retrievers"]) == {
        "lexical",
        "dense",
        "dense_multilingual",
        "attributes",
    }
    first = result["results"][0]
    assert first["strain_type"].startswith("indica")
    assert "myrcene" in first["terpenes"]
    assert all(float(p["price"]) <= 40 for p in result["results"])
    french = client.get("/api/v1/products/search/", {"q": "fleur séchée hybride"}).json()["results"]
    assert (french[0]["category"], french[0]["strain_type"]) == ("dried_flower", "hybrid")
    similar = client.get(f"/api/v1/products/{french[0]['id']}/similar/", {"limit": 5}).json()[
        "results"
    ]
    assert len(similar) == 5
    assert french[0]["id"] not in {p["id"] for p in similar}
    assert "effects" not in result["results"][0]
    assert "effects" in create_api_client("staff").get("/api/v1/products/").json()["results"][0]


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
        "search/?q=kush&similar_to=1",
        "search/?q=kush&language=de",
        "search/?q=kush&cursor=1",
        "search/?q=kush&thc_percentage_min=101",
        "search/?q=kush&effects=sleepy",
        "?price_max=x",
    ],
)
def test_invalid_input_returns_problem_details(query: str) -> None:
    answer = create_api_client().get(f"/api/v1/products/{query}")
    assert answer.status_code in (400, 404)
    assert answer["Content-Type"] == "application/problem+json"


def test_pages_name_their_neighbors_by_cursor_and_link() -> None:
    for number in range(5):
        create_product(values={"name": f"House roll {number}"}, by=None)
    client = create_api_client()

    first = client.get("/api/v1/products/", {"limit": 2})
    second = client.get("/api/v1/products/", {"limit": 2, "cursor": first.json()["next_cursor"]})
    links = {link["rel"]: link["url"] for link in requests.utils.parse_header_links(second["Link"])}
    last = client.get(links["next"])
    first_again = client.get(links["prev"])

    assert first.json()["previous_cursor"] is None
    assert 'rel="prev"' not in first["Link"]
    assert last.json()["next_cursor"] is None
    assert 'rel="next"' not in last["Link"]
    assert first_again.json()["results"] == first.json()["results"]
    pages = [page.json()["results"] for page in (first, second, last)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({product["id"] for page in pages for product in page}) == 5


def test_a_single_page_has_no_neighbors() -> None:
    response = create_api_client().get("/api/v1/products/")

    assert response.json() == {"next_cursor": None, "previous_cursor": None, "results": []}
    assert "Link" not in response


@pytest.mark.parametrize("path", ["products/?", "products/search/?q=kush&", "products/search/?q=&"])
@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "é",
        "YWJj",  # abc: no token of a cursor
        "cD1zb29u",  # p=soon: not a time
        "cD0lMDA=",  # p=%00
        "cj03",  # r=7
        "bz0tMQ==",  # o=-1
        "WzIsImFiYyJd:forged",
    ],
)
def test_an_unreadable_cursor_is_refused(path: str, cursor: str) -> None:
    response = create_api_client().get(f"/api/v1/{path}category=pre_rolls&cursor={cursor}")

    assert response.status_code == 400
    assert response.json()["type"] == "urn:cultivar:problem:invalid_cursor"
    assert [error["field"] for error in response.json()["errors"]] == ["cursor"]


def test_effects_are_visible_to_staff_only(supplier: SampleSupplier) -> None:
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    product = Product.objects.filter(effects__len__gt=0)[0]
    address = f"/api/v1/products/{product.pk}/"
    assert create_api_client("staff").get(address).json()["effects"] == product.effects
    assert {"effects", "source"}.isdisjoint(create_api_client("verified").get(address).json())
    word = product.effects[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM products WHERE search_document::text LIKE %s", [f"%{word}%"]
        )
        matching_documents = cursor.fetchone()[0]
    assert matching_documents <= Product.objects.filter(name__icontains=word).count()


def test_urls_work_with_and_without_a_trailing_slash() -> None:
    client = create_api_client()

    assert client.get("/api/v1/products").status_code == 200
    assert client.get("/api/v1/products/").status_code == 200


def test_openapi_schema_describes_endpoints_and_authentication(client: Client) -> None:
    schema = client.get("/api/schema/").content.decode()
    for text in ("/api/v1/products/", "/search/", "/similar/", "price_max", "apiKey"):
        assert text in schema
    page = client.get("/api/docs/").content.decode()
    assert "https://" not in page.replace("https://spec", "")


def test_liveness_and_readiness_are_reported(client: Client) -> None:
    assert client.get("/health/live").status_code == 200
    ready = client.get("/health/ready").json()
    assert ready["status"] == "ok"
    assert {"database", "cache"} < set(ready["components"])


def test_m11_readiness_is_probed_once_in_a_second(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed: list[str] = []
    monkeypatch.setattr(health, "_readiness", (-math.inf, {}))
    monkeypatch.setattr(health, "READINESS_SECONDS", 3600.0)
    monkeypatch.setitem(health._probes, "counted", lambda: probed.append("counted"))

    responses = [client.get("/health/ready").json() for _ in range(3)]

    assert probed == ["counted"]
    assert responses[0] == responses[2]


@pytest.mark.parametrize(
    "path", ["/api/schema", "/api/docs", "/api/errors", "/health/live", "/health/ready"]
)
def test_l6_pages_without_a_key_take_both_slashes(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200
    assert client.get(f"{path}/").status_code == 200


def test_requests_without_permission_are_refused() -> None:
    assert APIClient().get("/api/v1/products/").status_code == 401
    unknown_key = APIClient()
    unknown_key.credentials(HTTP_AUTHORIZATION="Api-Key no.such")
    assert unknown_key.get("/api/v1/products/").status_code == 401
    assert create_api_client("public").get("/api/v1/products/").status_code == 403
    assert create_api_client(scopes=()).get("/api/v1/products/").status_code == 403
    limited = create_api_client(rate="1/min")
    assert limited.get("/api/v1/products/").status_code == 200
    assert limited.get("/api/v1/products/").status_code == 429


def _writer() -> APIClient:
    return create_api_client("staff", ("catalog:read", "catalog:write"))


def test_a_client_creates_and_corrects_a_product() -> None:
    client = _writer()
    created = client.post(
        "/api/v1/products/", {"name": "House roll", "price": "7.50"}, format="json"
    )
    assert created.status_code == 201, created.json()
    address = f"/api/v1/products/{created.json()['id']}/"
    corrected = client.patch(
        address, {"brand": "House", "reason": "new label"}, format="json", HTTP_IF_MATCH="*"
    )
    assert corrected.json()["brand"] == "House"
    assert Operation.objects.filter(client="t", reason="new label").count() == 1
    for body, field in (
        ({"price": -1}, "price"),
        ({"flavor": "x"}, "flavor"),
        ({"reason": 1}, "reason"),
        ([1], ""),
    ):
        refused = client.patch(address, body, format="json", HTTP_IF_MATCH="*")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"gtin": "000000000000"}, "gtin", "is a placeholder"),
        ({"gtin": "200000000011"}, "gtin", "not a GTIN"),
        ({"gtin": "123"}, "gtin", "has the wrong length"),
        ({"gtin": "628124825081"}, "gtin", "has a wrong check digit"),
        ({"sku": "N/A"}, "sku", "is a placeholder"),
        ({"sku": "6.28E+11"}, "sku", "digits are lost"),
    ],
)
def test_t1_identifier_that_identifies_nothing_is_refused_with_the_reason(
    body: dict[str, str], field: str, reason: str
) -> None:
    refused = _writer().post("/api/v1/products/", {"name": "Pink Kush", **body}, format="json")

    error = refused.json()["errors"][0]
    assert (refused.status_code, error["field"]) == (400, field)
    assert reason in error["message"]


def test_class_e_gtin_of_12_digits_is_stored_with_14() -> None:
    created = _writer().post(
        "/api/v1/products/", {"name": "Pink Kush", "gtin": "628124825080"}, format="json"
    )

    assert created.json()["gtin"] == "00628124825080"


def test_a_client_does_not_overwrite_locked_fields(admin_user: User) -> None:
    client = _writer()
    product = create_product(values={"name": "House roll", "brand": "House"}, by=admin_user)
    address = f"/api/v1/products/{product.pk}/"
    refused = client.patch(
        address, {"brand": "Other", "price": "5"}, format="json", HTTP_IF_MATCH="*"
    )
    assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (409, ["brand"])
    product.refresh_from_db()
    assert (product.brand, product.price) == ("House", None)
    assert (
        client.patch(
            address, {"brand": "House", "price": "5"}, format="json", HTTP_IF_MATCH="*"
        ).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("audience", "scopes"),
    [("staff", ("catalog:read",)), ("verified", ("catalog:read", "catalog:write"))],
)
def test_only_staff_keys_with_the_write_scope_create_products(
    audience: str, scopes: tuple[str, ...]
) -> None:
    client = create_api_client(audience, scopes)
    assert client.post("/api/v1/products/", {"name": "x"}, format="json").status_code == 403
    assert not Product.objects.exists()
