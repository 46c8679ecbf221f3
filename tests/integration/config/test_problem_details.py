"""Problem details: every error of the API has the same members, in English or French."""

from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.test import Client
from rest_framework.test import APIClient

from config.api.problem_types import URN_PREFIX
from tests.factories.config import create_api_client, create_api_key

pytestmark = pytest.mark.django_db
PRODUCTS = "/api/v1/products/"
EVENTS = "/api/v1/events/"
MEMBERS = {"type", "title", "status", "detail", "instance", "request_id"}


@pytest.fixture
def client() -> APIClient:
    return create_api_client()


def _assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that a response has these problem details; return them."""
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["type"]) == (status, f"{URN_PREFIX}{code}")
    assert response["Content-Type"] == "application/problem+json"
    assert set(problem) - {"errors"} == MEMBERS
    assert problem["status"] == status
    assert problem["title"] not in ("", code)
    assert UUID(problem["request_id"])
    return problem


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing/", 404, "not_found"),
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", f"{PRODUCTS}{UUID(int=7)}/", 404, "not_found"),
        ("DELETE", PRODUCTS, 405, "method_not_allowed"),
        ("GET", f"{PRODUCTS}?flavor=x", 400, "bad_input"),
        ("GET", f"{PRODUCTS}?cursor=x", 400, "invalid_cursor"),
    ],
)
def test_errors_are_problem_details(
    client: APIClient, method: str, path: str, status: int, code: str
) -> None:
    response = client.generic(method, path)

    problem = _assert_problem(response, status, code)
    assert problem["instance"] == path.partition("?")[0]


def test_l2_a_wrong_host_is_answered_with_problem_details(client: APIClient) -> None:
    _assert_problem(client.get(PRODUCTS, HTTP_HOST="evil.example"), 400, "bad_request")


def test_a_body_that_is_too_large_is_answered_with_problem_details(
    client: APIClient, settings: Any
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    response = client.generic("POST", EVENTS, " " * 101, content_type="application/json")

    _assert_problem(response, 413, "too_large")


def test_another_media_type_is_answered_with_problem_details(client: APIClient) -> None:
    response = client.generic("POST", EVENTS, "events", content_type="text/plain")

    _assert_problem(response, 415, "unsupported_media_type")


def test_a_media_type_that_is_not_offered_is_answered_with_problem_details(
    client: APIClient,
) -> None:
    _assert_problem(client.get(PRODUCTS, HTTP_ACCEPT="text/csv"), 406, "not_acceptable")


def test_an_exhausted_rate_limit_is_answered_with_problem_details() -> None:
    client = create_api_client(rate="1/hour")
    client.get(PRODUCTS)

    response = client.get(PRODUCTS)

    problem = _assert_problem(response, 429, "throttled")
    assert f"{response['Retry-After']} seconds" in problem["detail"]


def test_the_request_id_is_in_a_header_as_well(client: APIClient) -> None:
    response = client.get("/api/v1/nothing/")

    assert response["X-Request-ID"] == response.json()["request_id"]


def test_fields_have_code_and_message(client: APIClient) -> None:
    response = client.post("/api/v1/customers/", {"language": "de"}, format="json")

    problem = _assert_problem(response, 400, "bad_input")
    errors = {error["field"]: error for error in problem["errors"]}
    assert errors["external_id"]["code"] == "required"
    assert errors["language"]["code"] == "invalid_choice"
    assert all(error["message"] for error in errors.values())


def test_an_unknown_parameter_has_its_own_code(client: APIClient) -> None:
    (error,) = client.get(PRODUCTS, {"flavor": "mint"}).json()["errors"]

    assert (error["field"], error["code"]) == ("flavor", "unknown")


def test_an_operation_without_parameters_says_so(client: APIClient) -> None:
    response = client.post("/api/v1/events/?dry_run=true", {"events": []}, format="json")

    assert response.json()["detail"] == "dry_run: unknown parameter; there are none here"


def test_detail_of_a_whole_body_does_not_begin_with_a_colon(client: APIClient) -> None:
    problem = client.post(EVENTS, [], format="json").json()

    assert problem["errors"][0]["field"] == ""
    assert problem["detail"] == problem["errors"][0]["message"]


@pytest.mark.parametrize(
    ("accepted", "language", "title", "message"),
    [
        ("en-CA,en;q=0.9", "en", "Invalid request", "unknown parameter; known are"),
        ("fr-CA,fr;q=0.9", "fr", "Requête non valide", "paramètre inconnu"),
        ("de", "en", "Invalid request", "unknown parameter; known are"),
    ],
)
def test_l5_messages_are_in_the_accepted_language(
    client: APIClient, accepted: str, language: str, title: str, message: str
) -> None:
    response = client.get(PRODUCTS, {"flavor": "mint"}, HTTP_ACCEPT_LANGUAGE=accepted)

    problem = response.json()
    assert problem["title"] == title
    assert message in problem["errors"][0]["message"]
    assert response["Content-Language"] == language
    assert "Accept-Language" in response["Vary"]


def test_messages_of_the_framework_are_french_as_well(client: APIClient) -> None:
    response = client.post("/api/v1/customers/", {}, format="json", HTTP_ACCEPT_LANGUAGE="fr")

    assert response.json()["errors"][0]["message"] == "Ce champ est obligatoire."


def test_m11_every_response_shows_the_rate_limit() -> None:
    client = create_api_client(rate="100/hour")

    first = client.get(PRODUCTS)
    refused = client.get(PRODUCTS, {"flavor": "mint"})

    assert first["RateLimit-Policy"] == '"key";q=100;w=3600'
    assert first["RateLimit"].startswith('"key";r=99;t=')
    assert refused["RateLimit"].startswith('"key";r=98;t=')


def test_m11_a_forbidden_request_counts_against_the_key() -> None:
    client = create_api_client("public", rate="2/hour")

    statuses = [client.get(PRODUCTS).status_code for _ in range(3)]

    assert statuses == [403, 403, 429]


@pytest.mark.parametrize("header", [None, "Api-Key unknown.secret"])
def test_m11_a_failed_authentication_counts_against_the_address(
    settings: Any, header: str | None
) -> None:
    settings.FAILED_AUTHENTICATION_RATE = "2/hour"
    cache.clear()
    client = APIClient(REMOTE_ADDR=f"198.51.100.{1 if header else 2}")
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)

    responses = [client.get(PRODUCTS) for _ in range(3)]

    assert [response.status_code for response in responses] == [401, 401, 429]
    assert int(responses[-1]["Retry-After"]) > 0
    assert responses[0]["RateLimit-Policy"] == '"address";q=2;w=3600'


def test_m11_a_valid_key_is_accepted_from_an_address_that_failed_often(settings: Any) -> None:
    settings.FAILED_AUTHENTICATION_RATE = "1/hour"
    secret = create_api_key()
    client = APIClient(REMOTE_ADDR="198.51.100.3")
    for _ in range(2):
        client.get(PRODUCTS)

    response = client.get(PRODUCTS, HTTP_AUTHORIZATION=f"Api-Key {secret}")

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "is_throttled"),
    [(0, "203.0.113.1", True), (1, "203.0.113.2", False), (1, "203.0.113.1, 203.0.113.9", True)],
)
def test_the_address_behind_proxies_is_the_one_that_they_add(
    settings: Any, proxies: int, forwarded: str, is_throttled: bool
) -> None:
    settings.FAILED_AUTHENTICATION_RATE = "1/hour"
    settings.TRUSTED_PROXIES = proxies
    cache.clear()
    client = APIClient(REMOTE_ADDR=f"198.51.100.{10 + proxies + len(forwarded)}")
    # The client may write what it wants; the proxy appends the address that it sees.
    for seen in ("203.0.113.9", forwarded):
        response = client.get(PRODUCTS, HTTP_X_FORWARDED_FOR=seen)

    assert (response.status_code == 429) == is_throttled


def test_cors_is_off_by_default() -> None:
    response = Client().options(
        PRODUCTS, HTTP_ORIGIN="https://shop.example", HTTP_ACCESS_CONTROL_REQUEST_METHOD="GET"
    )

    assert response.status_code == 401
    assert "Access-Control-Allow-Origin" not in response


def test_a_preflight_of_an_allowed_origin_is_answered_without_a_key(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]

    response = Client().options(
        PRODUCTS, HTTP_ORIGIN="https://shop.example", HTTP_ACCESS_CONTROL_REQUEST_METHOD="GET"
    )

    assert response.status_code == 204
    assert response["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Authorization" in response["Access-Control-Allow-Headers"]


def test_another_origin_is_not_allowed(settings: Any, client: APIClient) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]

    response = client.get(PRODUCTS, HTTP_ORIGIN="https://evil.example")

    assert "Access-Control-Allow-Origin" not in response
    assert "Origin" in response["Vary"]


@pytest.mark.parametrize("query", ["in_stock=maybe", "updated_since=today", f"sku={',A' * 101}"])
def test_every_error_of_a_filter_has_a_code(client: APIClient, query: str) -> None:
    problem = _assert_problem(client.get(f"{PRODUCTS}?{query}"), 400, "bad_input")

    assert [error["code"] for error in problem["errors"]] == ["invalid"]
