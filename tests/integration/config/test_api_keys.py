"""API keys: stored as hashes, rejected when revoked or expired, throttled one by one."""

import re
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from config.api import keys
from config.api.keys import ApiKey
from config.errors import BadInput
from config.scopes import Scope
from config.selectors import find_api_key
from config.services import create_api_key

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


def _create_in_console(admin_client: Client, name: str) -> tuple[ApiKey, str, list[str]]:
    """Create a key in the console; return it, its secret and the addresses of the requests."""
    form = {"name": name, "audience": "public", "scopes": "catalog:read", "rate": "600/min"}
    response = admin_client.post(
        reverse("admin:config_apikey_add"), {**form, "_continue": "1"}, follow=True
    )
    addresses = [address for address, _ in response.redirect_chain]
    message = " ".join(str(message) for message in response.context["messages"])
    key = ApiKey.objects.get(name=name)
    secret = re.search(rf"{key.prefix}\.\w+", message)
    assert secret is not None
    return key, secret[0], addresses


def test_t60_console_addresses_a_key_by_its_prefix(admin_client: Client) -> None:
    key, secret, addresses = _create_in_console(admin_client, "till")

    assert addresses == [reverse("admin:config_apikey_change", args=[key.prefix])]
    assert secret.split(".")[1] not in "".join(addresses)


def test_t60_links_of_the_list_contain_no_hash(admin_client: Client) -> None:
    key, _ = ApiKey.objects.create_key(name="shop")

    page = admin_client.get(reverse("admin:config_apikey_changelist")).content.decode()

    assert reverse("admin:config_apikey_change", args=[key.prefix]) in page
    assert not re.search(r"sha512|_24_24|\$\$", page)


def test_t60_key_created_in_the_console_authenticates(admin_client: Client) -> None:
    _, secret, _ = _create_in_console(admin_client, "web")

    assert find_api_key(secret) == ApiKey.objects.get(name="web")


def test_t60_admin_log_of_a_key_contains_no_hash(admin_client: Client) -> None:
    key, _, _ = _create_in_console(admin_client, "app")

    logged = LogEntry.objects.values_list("object_id", "change_message")

    assert [object_id for object_id, _ in logged] == [key.prefix]
    assert key.hashed_key not in str(list(logged))


def test_t60_migration_removes_the_hash_of_existing_keys(admin_user: User) -> None:
    key, secret = ApiKey.objects.create_key(name="old")
    content_type = ContentType.objects.get_for_model(ApiKey)
    old_id = f"{key.prefix}.{key.hashed_key}"
    ApiKey.objects.filter(pk=key.pk).update(id=old_id)
    LogEntry.objects.create(
        user=admin_user, content_type=content_type, object_id=old_id, action_flag=CHANGE
    )
    migration = import_module("config.migrations.0002_api_key_ids_without_hash")

    with connection.cursor() as cursor:
        cursor.execute(migration.REMOVE_HASHES)

    key_after = find_api_key(secret)
    assert key_after is not None
    assert (key_after.pk, LogEntry.objects.get().object_id) == (key.prefix, key.prefix)


def test_a_new_key_expires_after_a_year() -> None:
    secret = create_api_key(name="t", audience="verified", scopes=["catalog:read"])

    key = find_api_key(secret)

    assert key is not None
    assert key.expiry_date is not None
    assert timedelta(days=364) < key.expiry_date - timezone.now() <= timedelta(days=365)


def test_two_keys_of_a_client_are_accepted_at_once() -> None:
    _, old = _create_client(name="till")
    _, new = _create_client(name="till")

    assert {client.get(URL).status_code for client in (old, new)} == {200}


def test_a_key_shows_when_it_was_last_used() -> None:
    key, client = _create_client()

    client.get(URL)

    key.refresh_from_db()
    assert key.last_used_at is not None
    assert abs(timezone.now() - key.last_used_at) < timedelta(minutes=1)


def test_the_use_of_a_key_is_written_once_a_minute() -> None:
    key, client = _create_client()
    client.get(URL)
    key.refresh_from_db()
    first_use = key.last_used_at

    client.get(URL)

    key.refresh_from_db()
    assert key.last_used_at == first_use


def test_a_scope_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadInput, match="catalogue:read is not a scope"):
        create_api_key(name="t", audience="verified", scopes=["catalogue:read"])


def test_the_console_refuses_a_scope_that_does_not_exist() -> None:
    key = ApiKey(name="t", scopes=["catalogue:read"])

    with pytest.raises(ValidationError, match="catalogue:read"):
        key.clean()


def test_m22_scopes_are_chosen_in_the_console(admin_client: Client) -> None:
    url = reverse("admin:config_apikey_add")
    form = admin_client.get(url).context["adminform"].form
    initial = {name: form[name].value() for name in ("audience", "rate")}

    refused = admin_client.post(url, {**initial, "name": "till", "scopes": ["catalog:reed"]})
    admin_client.post(url, {**initial, "name": "till", "scopes": ["catalog:read", "events:write"]})

    assert [value for value, _ in form.fields["scopes"].choices] == Scope.values
    assert "scopes" in refused.context["adminform"].form.errors
    assert ApiKey.objects.get(name="till").scopes == ["catalog:read", "events:write"]


def test_a_key_is_read_once_in_two_seconds(settings: Any) -> None:
    settings.REUSES_RECENT_KEYS = True
    _, client = _create_client()
    client.get(URL)

    with CaptureQueriesContext(connection) as queries:
        response = client.get(URL)

    assert response.status_code == 200
    assert not [query for query in queries if "api_keys" in query["sql"]]


def test_a_revoked_key_is_refused_after_two_seconds(settings: Any) -> None:
    settings.REUSES_RECENT_KEYS = True
    key, client = _create_client()
    client.get(URL)
    ApiKey.objects.filter(pk=key.pk).update(revoked=True)
    keys._recent_clients.clear()  # as after two seconds

    assert client.get(URL).status_code == 401
