"""Every endpoint answers generated requests as the OpenAPI schema says, without server errors."""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from customers.services import chats
from tests.factories.catalog import ProductFactory, StoreFactory
from tests.factories.config import create_api_key
from tests.factories.customers import CustomerFactory
from vectors.index.write import index_due_rows

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
log = logging.getLogger(__name__)
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
# Staff may use every endpoint; denial of the other audiences shows with fewer examples.
_FACTOR = int(os.environ.get("SCHEMATHESIS_FACTOR", "1"))
"""Multiplies the examples; 10 sends more than ten thousand requests."""
EXAMPLES = {"staff": 8 * _FACTOR, "verified": 4 * _FACTOR, "public": 2, "": 1}
UNAVAILABLE = "urn:cultivar:problem:image_search_unavailable"
"""The only server error allowed: an optional model that is not installed."""


@pytest.fixture(autouse=True)
def _connected() -> Iterator[None]:
    """Keep the connection and its transaction between requests, as Django's test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(scope="module")
def schema() -> Any:
    """The OpenAPI schema as it is served."""
    raw = Client().get("/api/schema/", {"format": "json"}).json()
    loaded = schemathesis.openapi.from_dict(raw)
    loaded.app = application
    return loaded


@pytest.fixture
def existing_ids() -> Mapping[str, str]:
    """Ids of existing rows by the prefix of their path."""
    product = ProductFactory.create(sku="SKU-1")
    store = StoreFactory.create(code="queen-west")
    index_due_rows()
    customer = CustomerFactory.create(consents=("history", "chat"))
    session = chats.open_session(customer=customer, store=None, by="user:test")
    message = chats.append_message(
        session=session, role="assistant", text="Pink Kush is in stock.", by="user:test"
    )
    return {
        "/api/v1/customers/": str(customer.pk),
        "/api/v1/chat/sessions/": str(session.pk),
        "/api/v1/chat/messages/": str(message.id),
        "/api/v1/products/": str(product.pk),
        "/api/v1/stores/": store.code,
        "/api/v1/recommendations/": str(customer.pk),
    }


def _operations(schema: Any) -> Iterator[Any]:
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.startswith("/api/v1/"):
            yield operation


def _headers(audience: str) -> dict[str, str]:
    return {"Authorization": f"Api-Key {create_api_key(audience)}"} if audience else {}


def test_schema_is_generated_without_a_warning(tmp_path: Path) -> None:
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml")
    )


def test_every_area_of_the_api_is_covered(schema: Any) -> None:
    paths = {operation.path for operation in _operations(schema)}
    assert len(list(_operations(schema))) >= 25
    for part in (
        "customers/",
        "events",
        "chat/sessions/",
        "products/search/",
        "erasure",
        "consent-texts",
        "recommendations",
        "competitor-prices",
        "price-position",
    ):
        assert any(part in path for path in paths), part


@pytest.mark.parametrize("audience", EXAMPLES)
def test_no_response_is_a_server_error_or_deviates_from_the_schema(
    audience: str, schema: Any, existing_ids: Mapping[str, str]
) -> None:
    run = _Run(_headers(audience), existing_ids, EXAMPLES[audience])

    for operation in _operations(schema):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            run.send_requests(operation, mode)

    log.info("%s: %d responses, %d successes", audience, run.response_count, run.success_count)
    assert run.response_count > 20 * EXAMPLES[audience]
    assert (run.success_count > 0) == bool(audience)


class _Run:
    """Generated requests with one set of headers, and the counts of their responses."""

    def __init__(
        self, headers: dict[str, str], existing_ids: Mapping[str, str], examples: int
    ) -> None:
        self._headers = headers
        self._existing_ids = existing_ids
        self._examples = examples
        self.response_count = 0
        self.success_count = 0

    def send_requests(self, operation: Any, mode: GenerationMode) -> None:
        try:
            cases = operation.as_strategy(generation_mode=mode)
            cases.validate()
        except Exception:
            if mode is GenerationMode.NEGATIVE:  # an endpoint without input has no invalid input
                return
            raise

        @settings(
            max_examples=self._examples,
            database=None,
            derandomize=True,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases, st.booleans())
        def send(case: Any, uses_existing_id: bool) -> None:
            if uses_existing_id:
                self._set_existing_id(operation.path, case)
            self._check_response(operation.path, case)

        send()

    def _set_existing_id(self, path: str, case: Any) -> None:
        if "code" in (case.path_parameters or {}):
            case.path_parameters["code"] = self._existing_ids["/api/v1/stores/"]
        for name in ("id", "customer_id"):
            if name in (case.path_parameters or {}):
                ids = [pk for prefix, pk in self._existing_ids.items() if path.startswith(prefix)]
                case.path_parameters[name] = ids[0] if ids else str(uuid4())
                return

    def _check_response(self, path: str, case: Any) -> None:
        with transaction.atomic():
            response = case.call(headers=self._headers)
            transaction.set_rollback(True)
        self.response_count += 1
        self.success_count += response.status_code < 300
        if response.status_code >= 500:
            description = (case.as_curl_command(), response.text)
            assert response.json().get("type") == UNAVAILABLE, description
            assert "image" in path, description
        case.validate_response(response, checks=CHECKS)
