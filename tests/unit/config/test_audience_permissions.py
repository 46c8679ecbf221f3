"""Audiences in the API: permissions by audience and scope, and the fields of responses."""

from types import SimpleNamespace
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework import serializers

from catalog.api.permissions import CanReadCatalog, CanWriteCatalog, IsAgeVerified
from catalog.models import Product
from config.api.keys import ApiClient, ApiKey, Audience
from config.api.permissions import HasScope, IsStaffClient, has_scope
from config.api.serializers import (
    ModelResponseSerializer,
    ResponseSerializer,
    StringField,
    _AudienceFields,
)
from config.scopes import Scope


class SampleSerializer(ResponseSerializer):
    """One field for each audience."""

    audiences: ClassVar = {
        "shown": Audience.PUBLIC,
        "name": Audience.VERIFIED,
        "effects": Audience.STAFF,
    }
    selectable = True
    shown = serializers.CharField()
    name = serializers.CharField()
    effects = serializers.CharField()


def _request(audience: str = "", *scopes: str) -> Any:
    """Return a request with a key, or without one if there is no audience."""
    user = ApiClient(ApiKey(audience=audience, scopes=list(scopes))) if audience else object()
    return SimpleNamespace(user=user)


def _is_allowed(permission: type, request: Any) -> bool:
    allowed: bool = permission().has_permission(request, None)
    return allowed


@pytest.mark.parametrize(
    ("audience", "scopes", "is_allowed"),
    [
        ("", (), False),
        ("public", ("chat:read",), False),
        ("verified", ("chat:read",), True),
        ("verified", ("chat:write",), False),
        ("staff", ("chat:read",), True),
        ("staff", (), False),
    ],
)
def test_scope_needs_audience_verified(
    audience: str, scopes: tuple[str, ...], is_allowed: bool
) -> None:
    assert _is_allowed(has_scope("chat:read"), _request(audience, *scopes)) is is_allowed


def test_permission_of_a_scope_names_it() -> None:
    permission = has_scope(Scope.CHAT_READ)

    assert issubclass(permission, HasScope)
    assert (permission.scope, permission.code) == ("chat:read", "scope_missing")
    assert permission.__name__ == "HasScope"
    assert permission().message.endswith("with the scope chat:read.")


def test_permission_of_an_unknown_scope_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="chat:shout"):
        has_scope("chat:shout")


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [(IsStaffClient, ["staff"]), (IsAgeVerified, ["verified", "staff"])],
)
def test_permissions_by_audience_alone(permission: type, allowed: list[str]) -> None:
    audiences = ("", "public", "verified", "staff")

    assert [one for one in audiences if _is_allowed(permission, _request(one))] == allowed


@pytest.mark.parametrize("audience", ["public", "verified", "staff"])
def test_reading_the_catalogue_needs_its_scope(audience: str) -> None:
    assert _is_allowed(CanReadCatalog, _request(audience, "catalog:read"))
    assert not _is_allowed(CanReadCatalog, _request(audience, "catalog:write"))


def test_reading_the_catalogue_needs_a_key() -> None:
    assert _is_allowed(CanReadCatalog, _request()) is False


@pytest.mark.parametrize(
    ("audience", "scope", "is_allowed"),
    [
        ("", "", False),
        ("verified", "catalog:write", False),
        ("staff", "catalog:read", False),
        ("staff", "catalog:write", True),
    ],
)
def test_writing_the_catalogue_needs_staff_and_scope(
    audience: str, scope: str, is_allowed: bool
) -> None:
    assert _is_allowed(CanWriteCatalog, _request(audience, scope)) is is_allowed


@pytest.mark.parametrize(
    ("permission", "code", "words"),
    [
        (IsStaffClient, "audience_too_low", "audience staff"),
        (IsAgeVerified, "age_verification_required", "age must be verified"),
        (CanReadCatalog, "scope_missing", "catalog:read"),
        (CanWriteCatalog, "scope_missing", "catalog:write"),
    ],
)
def test_refusal_has_a_code_and_names_what_is_missing(
    permission: Any, code: str, words: str
) -> None:
    assert permission.code == code
    assert words in permission().message


@pytest.mark.parametrize(
    ("audience", "fields"),
    [
        (Audience.PUBLIC, ["shown"]),
        (Audience.VERIFIED, ["shown", "name"]),
        (Audience.STAFF, ["shown", "name", "effects"]),
    ],
)
def test_response_has_the_fields_of_the_audience(audience: Audience, fields: list[str]) -> None:
    assert list(SampleSerializer(context={"audience": audience}).fields) == fields
    by_key = SampleSerializer(context={"request": _request(audience.name.lower())})
    assert list(by_key.fields) == fields


def test_request_without_a_key_sees_public_fields() -> None:
    assert list(SampleSerializer(context={"request": _request()}).fields) == ["shown"]


def test_audience_of_the_context_comes_before_that_of_the_request() -> None:
    context = {"request": _request("staff"), "audience": Audience.PUBLIC}

    assert list(SampleSerializer(context=context).fields) == ["shown"]


@pytest.mark.parametrize("is_in_request", [False, True])
def test_schema_lists_every_field(is_in_request: bool) -> None:
    view = SimpleNamespace(swagger_fake_view=True)
    request = _request()
    if is_in_request:
        request.parser_context = {"view": view}
    context = {"request": request} if is_in_request else {"request": request, "view": view}

    assert list(SampleSerializer(context=context).fields) == ["shown", "name", "effects"]


def test_other_views_are_no_schema() -> None:
    request = _request("public")
    request.parser_context = {"view": SimpleNamespace()}

    assert list(SampleSerializer(context={"request": request}).fields) == ["shown"]


@pytest.mark.parametrize(
    "audiences", [{}, {"name": Audience.STAFF, "other": Audience.STAFF}], ids=["missing", "unknown"]
)
def test_serializer_must_declare_the_audience_of_each_field(audiences: dict[str, Any]) -> None:
    fields = {"audiences": audiences, "name": serializers.CharField()}

    with pytest.raises(ImproperlyConfigured, match="Incomplete: no audience, or no field, for"):
        type("Incomplete", (ResponseSerializer,), fields)


@pytest.mark.parametrize("is_selectable", [True, False])
def test_serializer_is_known_by_its_schema_name(is_selectable: bool) -> None:
    name = f"Known{uuid4().hex}"
    fields = {
        "audiences": {"name": Audience.STAFF},
        "selectable": is_selectable,
        "name": serializers.CharField(),
    }

    type(f"{name}Serializer", (ResponseSerializer,), fields)

    assert _AudienceFields.audiences_by_schema[name] == {"name": Audience.STAFF}
    assert (name in _AudienceFields.selectable_schemas) is is_selectable


def test_fields_of_a_model_serializer_are_those_of_its_meta() -> None:
    meta = type("Meta", (), {"fields": ("name", "brand"), "model": Product})

    with pytest.raises(ImproperlyConfigured, match=r"for brand, name$"):
        type("Rows", (ModelResponseSerializer,), {"Meta": meta})


@pytest.mark.parametrize("value", [5, True, None, ["a"]])
def test_text_of_another_json_type_is_refused(value: Any) -> None:
    with pytest.raises(serializers.ValidationError) as refused:
        StringField().run_validation(value)

    assert str(refused.value.get_codes()) in ("['invalid']", "['null']")


def test_text_is_trimmed() -> None:
    assert StringField().run_validation(" Pink Kush ") == "Pink Kush"


def test_audiences_are_ordered() -> None:
    assert Audience.PUBLIC < Audience.VERIFIED < Audience.STAFF
    assert [audience.value for audience in Audience] == [0, 1, 2]
