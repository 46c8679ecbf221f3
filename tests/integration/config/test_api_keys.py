"""API keys: kept as hashes, refused when revoked or expired, counted each by itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from config.api.keys import ApiKey

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/products/"


def _key(**facts: object) -> tuple[Any, APIClient]:
    key, secret = ApiKey.objects.create_key(
        **{"name": "t", "audience": "verified", "scopes": ["catalog:read"], **facts}
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return key, client


def test_key_is_kept_as_a_hash() -> None:
    key, secret = ApiKey.objects.create_key(name="t")
    row = ApiKey.objects.values().get(pk=key.pk)
    assert secret.split(".")[1] not in str(row)


def test_revoked_and_expired_keys_are_refused() -> None:
    _, fresh = _key()
    assert fresh.get(ADDRESS).status_code == 200
    revoked, client = _key()
    revoked.revoked = True
    revoked.save()
    assert client.get(ADDRESS).status_code == 401
    _, late = _key(expiry_date=timezone.now() - timedelta(seconds=1))
    assert late.get(ADDRESS).status_code == 401


def test_refusal_says_how_to_ask_and_when_to_come_back() -> None:
    cache.clear()
    assert APIClient().get(ADDRESS)["WWW-Authenticate"] == "Api-Key"
    _, hasty = _key(rate="1/min")
    _, other = _key(rate="1/min")
    assert hasty.get(ADDRESS).status_code == 200
    refused = hasty.get(ADDRESS)
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 61
    assert other.get(ADDRESS).status_code == 200


def test_problem_names_its_kind() -> None:
    _, public = _key(audience="public")
    assert public.get(ADDRESS).json()["type"] == "urn:cultivar:problem:age-verification-required"


def test_logs_name_path_and_key_and_never_the_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    key, client = _key(scopes=["customers:read"])
    assert (
        client.get("/api/v1/customers/by-external-id/", {"external_id": "L-canary"}).status_code
        == 404
    )
    logged = caplog.text
    assert "/api/v1/customers/by-external-id/" in logged
    assert key.prefix in logged
    assert key.hashed_key not in logged
    assert "L-canary" not in logged
