"""REST input: pages, encodings, query parameters and numbers."""

import bz2
import json
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Product, Store
from config.chunked_bodies import ChunkedBodies
from customers.models import Interaction
from tests.factories.catalog import ProductFactory
from tests.factories.config import create_api_client, create_api_key
from tests.factories.customers import CustomerFactory, PurchaseFactory
from tests.factories.mlops import event_payload

pytestmark = pytest.mark.django_db
PRODUCTS = "/api/v1/products/"
EVENTS = "/api/v1/events/"


@pytest.fixture
def client(db: None) -> APIClient:
    return create_api_client()


def _post(client: APIClient, body: Any, content_type: str = "application/json") -> Any:
    return client.generic("POST", EVENTS, body, content_type=content_type)


def _read_pages(client: APIClient, url: str, limit: int, relation: str = "next") -> list[list[str]]:
    """Return the ids of every page, following the cursor of a relation; at most 50 pages."""
    pages: list[list[str]] = []
    cursor = ""
    for _ in range(50):
        params: dict[str, Any] = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        body = client.get(url, params).json()
        pages.append([row["id"] for row in body["results"]])
        cursor = body[f"{relation}_cursor"]
        if not cursor:
            return pages
    pytest.fail("the list does not end")


@pytest.mark.parametrize(("count", "limit"), [(1500, 100), (120, 7), (30, 30)])
def test_t9_products_of_one_moment_are_on_one_page_each(
    client: APIClient, count: int, limit: int
) -> None:
    Product.objects.bulk_create(
        Product(id=uuid4(), name=f"P {number}", merge_key=f"t9:{number}") for number in range(count)
    )

    pages = _read_pages(client, PRODUCTS, limit)

    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert len({pk for page in pages for pk in page}) == count == sum(map(len, pages))


@pytest.mark.parametrize("limit", [7, 100])
def test_t40_views_of_one_moment_are_on_one_page_each(client: APIClient, limit: int) -> None:
    customer = CustomerFactory.create(consents=("history",))
    product = ProductFactory.create()
    at = timezone.now()
    count = 120 if limit == 7 else 1200
    Interaction.objects.bulk_create(
        Interaction(kind="view", customer=customer, product=product, occurred_at=at)
        for _ in range(count)
    )

    pages = _read_pages(client, f"/api/v1/customers/{customer.pk}/interactions/", limit)

    assert len({pk for page in pages for pk in page}) == count == sum(map(len, pages))


def test_t40_purchases_of_one_moment_are_on_one_page_each(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",))
    product = ProductFactory.create()
    at = timezone.now()
    PurchaseFactory.create_batch(30, customer=customer, product=product, purchased_at=at)
    url = f"/api/v1/customers/{customer.pk}/purchases/"
    seen: list[str] = []
    cursor = ""
    while len(seen) <= 30:
        params: dict[str, Any] = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        body = client.get(url, params).json()
        seen += [row["order_id"] for row in body["results"]]
        cursor = body["next_cursor"]
        if not cursor:
            break

    assert len(seen) == len(set(seen)) == 30


def test_t9_pages_are_the_same_backward(client: APIClient) -> None:
    Product.objects.bulk_create(
        Product(id=uuid4(), name=f"P {number}", merge_key=f"t9:{number}") for number in range(25)
    )
    # Rows with equal, different and missing times.
    for pk in Product.objects.order_by("id").values_list("pk", flat=True)[:5]:
        Product.objects.filter(pk=pk).update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    for pk in Product.objects.order_by("-id").values_list("pk", flat=True)[:3]:
        Product.objects.filter(pk=pk).update(created_at=None)
    first = client.get(PRODUCTS, {"limit": 4}).json()
    forward, bodies = [first], [first]
    while bodies[-1]["next_cursor"]:
        params = {"limit": 4, "cursor": bodies[-1]["next_cursor"]}
        bodies.append(client.get(PRODUCTS, params).json())
    forward = [[row["id"] for row in body["results"]] for body in bodies]

    backward = [bodies[-1]]
    while backward[-1]["previous_cursor"]:
        params = {"limit": 4, "cursor": backward[-1]["previous_cursor"]}
        backward.append(client.get(PRODUCTS, params).json())

    assert sum(map(len, forward)) == 25
    assert [[row["id"] for row in body["results"]] for body in reversed(backward)] == forward


def test_a_cursor_of_another_list_is_refused(client: APIClient) -> None:
    customer = CustomerFactory.create(consents=("history",))
    Product.objects.bulk_create(
        Product(id=uuid4(), name=f"P {number}", merge_key=f"c:{number}") for number in range(3)
    )
    cursor = client.get(PRODUCTS, {"limit": 1}).json()["next_cursor"]

    response = client.get(f"/api/v1/customers/{customer.pk}/purchases/", {"cursor": cursor})

    assert (response.status_code, response.json()["type"]) == (
        400,
        "urn:cultivar:problem:invalid_cursor",
    )


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("bz2", bz2.compress(b'{"events": []}' + b" " * 10_000_000)),
        ("zlib", zlib.compress(b'{"events": []}' + b" " * 10_000_000)),
        ("rot13", b'{"riragf": []}'),
        ("quopri", b'{"events": []}'),
        ("utf-16", '{"events": []}'.encode("utf-16")),
        ("latin-1", b'{"events": []}'),
    ],
)
def test_t39_a_body_in_another_charset_than_utf8_is_refused(
    client: APIClient, charset: str, body: bytes
) -> None:
    response = _post(client, body, f"application/json; charset={charset}")

    assert response.status_code == 415
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8"])
def test_t39_a_byte_order_mark_is_accepted(client: APIClient, content_type: str) -> None:
    event = event_payload("metric", {"source": "till", "name": "n", "value": 1})
    body = json.dumps({"events": [event]}).encode("utf-8-sig")

    response = _post(client, body, content_type)

    assert response.json()["accepted"] == 1


def test_a_name_that_is_given_twice_is_refused(client: APIClient) -> None:
    response = _post(client, b'{"events": [], "events": []}')

    assert response.status_code == 400
    assert "given twice" in response.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (
            "recommendations/feedback/",
            {"recommendation_id": str(uuid4()), "feedback": [{"product_id": "x", "type": "shown"}]},
            "feedback.0.product_id",
        ),
        (
            "recommendations/feedback/",
            {
                "recommendation_id": str(uuid4()),
                "feedback": [
                    {"product_id": str(uuid4()), "type": "clicked"},
                    {"product_id": str(uuid4()), "type": "stared"},
                ],
            },
            "feedback.1.type",
        ),
    ],
)
def test_t42_an_error_in_a_nested_value_names_its_path(
    client: APIClient, path: str, body: dict[str, Any], field: str
) -> None:
    response = client.post(f"/api/v1/{path}", body, format="json")

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("values", "field"), [(["x", 50], "price_range.0"), ([20, -1], "price_range.1")]
)
def test_t42_an_error_in_a_range_names_its_end(
    client: APIClient, values: list[Any], field: str
) -> None:
    url = f"/api/v1/customers/{CustomerFactory.create().pk}/"
    etag = client.get(url)["ETag"]

    response = client.patch(url, {"price_range": values}, format="json", headers={"if-match": etag})

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def _call_chunked(body: bytes, secret: str) -> tuple[str, dict[str, Any]]:
    """Send a body without a length through the WSGI application, as gunicorn passes it on."""
    application = ChunkedBodies(WSGIHandler(), max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": EVENTS,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_TYPE": "application/json",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_AUTHORIZATION": f"Api-Key {secret}",
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.url_scheme": "http",
        "wsgi.errors": BytesIO(),
    }
    response = application(environ, lambda status, _headers, *_: statuses.append(status))
    return statuses[0], json.loads(b"".join(response))


@pytest.mark.django_db(transaction=True)  # the application closes its connections
def test_t43_a_chunked_body_is_read() -> None:
    event = event_payload("metric", {"source": "till", "name": "n", "value": 1})

    status, answer = _call_chunked(json.dumps({"events": [event]}).encode(), create_api_key())

    assert status.startswith("200")
    assert answer["accepted"] == 1


@pytest.mark.django_db(transaction=True)  # the application closes its connections
@pytest.mark.parametrize("body", [b"", b'{"events": ['])
def test_t43_a_chunked_body_that_is_empty_or_cut_off_is_refused(body: bytes) -> None:
    status, answer = _call_chunked(body, create_api_key())

    assert status.startswith("400")
    assert answer["type"]


@pytest.mark.django_db(transaction=True)  # the application closes its connections
def test_t43_a_chunked_body_above_the_limit_is_refused() -> None:
    body = b'{"events": [' + b" " * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b"]}"

    status, _ = _call_chunked(body, create_api_key())

    assert status.startswith("413")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("in_stock=maybe", "in_stock"),
        ("in_stock=1", "in_stock"),
        ("limit=1&limit=2", "limit"),
        ("category=pre_rolls&category=vapes", "category"),
        ("price_min=10&price_max=5", "price_min"),
        ("thc_percentage_min=20&thc_percentage_max=10", "thc_percentage_min"),
        ("weight_grams_min=7&weight_grams_max=3.5", "weight_grams_min"),
        ("store_code=nowhere", "store_code"),
        ("strain_type=purple", "strain_type"),
        ("terpene=myrcen", "terpene"),
    ],
)
@pytest.mark.parametrize("path", ["", "search/"])
def test_t48_unreadable_and_contradictory_filters_are_refused(
    client: APIClient, path: str, query: str, field: str
) -> None:
    Store.objects.create(code="till", name="Till", province="ON")
    prefix = "q=kush&" if path else ""

    response = client.get(f"{PRODUCTS}{path}?{prefix}{query}")

    assert response.status_code == 400, response.json()
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize(("value", "count"), [("true", 0), ("false", 1)])
def test_a_readable_filter_is_applied(client: APIClient, value: str, count: int) -> None:
    ProductFactory.create()

    assert len(client.get(PRODUCTS, {"in_stock": value}).json()["results"]) == count


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        ({"price": 29.95}, Decimal("29.95")),
        ({"price": 0.1 + 0.2}, Decimal("0.30")),
        ({"price": "29.95"}, Decimal("29.95")),
        ({"thc_percentage": 22.3}, Decimal("22.30")),
        ({"thc_percentage": 19.999999999999996}, Decimal("20.00")),
        ({"price": 30}, Decimal(30)),
    ],
)
def test_t8_numbers_of_json_are_stored_at_the_precision_of_the_column(
    client: APIClient, values: dict[str, Any], stored: Decimal
) -> None:
    product = ProductFactory.create()

    response = client.patch(f"{PRODUCTS}{product.pk}/", values, format="json", HTTP_IF_MATCH="*")

    assert response.status_code == 200, response.json()
    product.refresh_from_db()
    assert getattr(product, next(iter(values))) == stored


@pytest.mark.parametrize("price", [29.957, True, "29,95", "1e9999", [1]])
def test_t8_a_number_that_does_not_fit_is_refused(client: APIClient, price: Any) -> None:
    product = ProductFactory.create()

    response = client.patch(
        f"{PRODUCTS}{product.pk}/", {"price": price}, format="json", HTTP_IF_MATCH="*"
    )

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "price"
