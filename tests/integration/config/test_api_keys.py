"""API keys: stored as hashes, rejected when revoked or expired, throttled one by one."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from config.api.keys import ApiKey

pytestmark = pytest.mark.django_db
URL = "/api/v1/products/"


def _create_client(**fields: object) -> tuple[Any, APIClient]:
    """Return a new key, and a client that sends it."""
    key, secret = ApiKey.objects.create_key(
        **{"name": "t", "audience": "verified", "scopes": ["catalog:read"], **fields}
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return key, client


def test_key_is_stored_as_a_hash() -> None:
    key, secret = ApiKey.objects.create_key(name="t")

    row = ApiKey.objects.values().get(pk=key.pk)

    assert secret.split(".")[1] not in str(row)


def test_revoked_and_expired_keys_are_rejected() -> None:
    _, client = _create_client()
    revoked_key, revoked_client = _create_client()
    revoked_key.revoked = True
    revoked_key.save()
    _, expired_client = _create_client(expiry_date=timezone.now() - timedelta(seconds=1))

    assert client.get(URL).status_code == 200
    assert revoked_client.get(URL).status_code == 401
    assert expired_client.get(URL).status_code == 401


def test_missing_key_is_answered_with_a_challenge() -> None:
    assert APIClient().get(URL)["WWW-Authenticate"] == "Api-Key"


def test_throttled_request_is_answered_with_the_time_to_wait() -> None:
    cache.clear()
    _, throttled = _create_client(rate="1/min")
    _, other = _create_client(rate="1/min")
    assert throttled.get(URL).status_code == 200

    response = throttled.get(URL)

    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 61
    assert other.get(URL).status_code == 200


def test_problem_type_names_the_error_code() -> None:
    _, client = _create_client(audience="public")

    problem = client.get(URL).json()

    assert problem["type"] == "urn:cultivar:problem:age_verification_required"


def test_logs_name_path_and_key_prefix_but_never_the_query_string(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    key, client = _create_client(scopes=["customers:read"])

    response = client.get("/api/v1/customers/by-external-id/", {"external_id": "L-canary"})

    assert response.status_code == 404
    assert "/api/v1/customers/by-external-id/" in caplog.text
    assert key.prefix in caplog.text
    assert key.hashed_key not in caplog.text
    assert "L-canary" not in caplog.text
