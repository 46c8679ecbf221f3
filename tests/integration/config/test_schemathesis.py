"""Whatever the schema allows, and what it does not, is answered as the schema says and never with an error of ours."""

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
from tests.integration.customer_data import create_api_key, create_customer, create_product
from vectors.index.write import index_due_rows

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]
# Staff reach everything; the others are to be turned away, which takes fewer examples to see.
EXAMPLES = {"staff": 8, "verified": 4, "public": 2, "": 1}
UNAVAILABLE = "urn:cultivar:problem:service-unavailable"
"""What an optional model that is not installed answers; nothing else may."""


@pytest.fixture(autouse=True)
def _connected() -> Iterator[None]:
    """Keep the connection, and with it the test's transaction, between requests, as Django's own client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(scope="module")
def schema() -> Any:
    """The schema as it is served."""
    raw = Client().get("/api/schema/", {"format": "json"}).json()
    loaded = schemathesis.openapi.from_dict(raw)
    loaded.app = application
    return loaded


@pytest.fixture
def known() -> Mapping[str, str]:
    """Ids that lead somewhere, by the beginning of the path."""
    found = create_product()
    index_due_rows()
    customer = create_customer("history", "chat")
    session = chats.open_session(customer=customer, store=None, by="user:test")
    answer = chats.append_message(
        session=session, role="assistant", text="Pink Kush is in stock.", by="user:test"
    )
    return {
        "/api/v1/customers/": str(customer.pk),
        "/api/v1/chat/sessions/": str(session.pk),
        "/api/v1/chat/messages/": str(answer.id),
        "/api/v1/products/": str(found.pk),
        "/api/v1/recommendations/": str(customer.pk),
    }


def _operations(schema: Any) -> Iterator[Any]:
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.startswith("/api/v1/"):
            yield operation


def _key(audience: str) -> str:
    if not audience:
        return ""
    return f"Api-Key {create_api_key(audience)}"


def test_the_schema_is_made_without_a_warning(tmp_path: Path) -> None:
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml")
    )


def test_every_endpoint_is_asked(schema: Any) -> None:
    paths = {operation.path for operation in _operations(schema)}
    assert len(list(_operations(schema))) >= 25
    for told in (
        "customers/",
        "events",
        "chat/sessions/",
        "products/search/",
        "erasure",
        "consent-texts",
        "recommendations",
    ):
        assert any(told in path for path in paths), told


@pytest.mark.parametrize("audience", EXAMPLES)
def test_no_answer_is_an_error_of_ours_or_other_than_the_schema_says(
    audience: str, schema: Any, known: Mapping[str, str]
) -> None:
    key, asked = _key(audience), {"answers": 0, "done": 0}
    for operation in _operations(schema):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _ask(operation, mode, key, known, EXAMPLES[audience], asked)
    assert asked["answers"] > 20 * EXAMPLES[audience]
    assert (asked["done"] > 0) == bool(audience)


def _ask(
    operation: Any,
    mode: GenerationMode,
    key: str,
    known: Mapping[str, str],
    examples: int,
    asked: dict[str, int],
) -> None:
    try:
        cases = operation.as_strategy(generation_mode=mode)
        cases.validate()
    except Exception:
        if (
            mode is GenerationMode.NEGATIVE
        ):  # an endpoint that takes nothing has nothing to be wrong
            return
        raise

    @settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, st.booleans())
    def each(case: Any, leads_somewhere: bool) -> None:
        name = next(
            (name for name in ("id", "customer_id") if name in (case.path_parameters or {})), ""
        )
        if leads_somewhere and name:
            case.path_parameters[name] = next(
                (pk for path, pk in known.items() if operation.path.startswith(path)), str(uuid4())
            )
        with transaction.atomic():
            answer = case.call(headers={"Authorization": key} if key else {})
            transaction.set_rollback(True)
        asked["answers"] += 1
        asked["done"] += answer.status_code < 300
        if answer.status_code >= 500:
            assert answer.json().get("type") == UNAVAILABLE, (case.as_curl_command(), answer.text)
            assert "image" in operation.path, (case.as_curl_command(), answer.text)
        case.validate_response(answer, checks=CHECKS)

    each()
