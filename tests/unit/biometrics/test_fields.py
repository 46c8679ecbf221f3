"""The field of encrypted templates refuses plain values, searches, uniqueness and indexes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.models.functions import Length

from biometrics.errors import PlainTemplateRefused
from biometrics.fields import EncryptedTemplateField
from biometrics.models import CustomerBiometric

TOKEN = Fernet(Fernet.generate_key()).encrypt(b"x" * 600)
TABLE = "tests_encrypted"


@pytest.fixture(autouse=True)
def _no_registered_models() -> Iterator[None]:
    yield
    apps.all_models["biometrics"].pop("sample", None)
    apps.clear_cache()


def _codes(field: EncryptedTemplateField, **options: Any) -> set[str | None]:
    """Return the ids of the system check's messages for a model with this field."""
    meta = type("Meta", (), {"app_label": "biometrics", **options})
    model = type(
        "Sample", (models.Model,), {"template": field, "Meta": meta, "__module__": __name__}
    )
    return {message.id for message in model._meta.get_field("template").check()}  # type: ignore[attr-defined]


def test_plain_field_is_accepted() -> None:
    assert _codes(EncryptedTemplateField()) == set()


@pytest.mark.parametrize(
    ("field", "options", "code"),
    [
        (EncryptedTemplateField(unique=True), {}, "biometrics.E011"),
        (EncryptedTemplateField(), {"unique_together": [("id", "template")]}, "biometrics.E011"),
        (
            EncryptedTemplateField(),
            {"constraints": [models.UniqueConstraint(fields=["template"], name="u")]},
            "biometrics.E011",
        ),
        (EncryptedTemplateField(db_index=True), {}, "biometrics.E012"),
        (
            EncryptedTemplateField(),
            {"indexes": [models.Index(fields=["-template"], name="i")]},
            "biometrics.E012",
        ),
        (
            EncryptedTemplateField(),
            {"indexes": [models.Index(fields=["id"], include=["template"], name="i")]},
            "biometrics.E012",
        ),
        (
            EncryptedTemplateField(),
            {"indexes": [models.Index(Length("template"), name="i")]},
            "biometrics.E012",
        ),
        (EncryptedTemplateField(default=b""), {}, "biometrics.E013"),
        (EncryptedTemplateField(editable=True), {}, "biometrics.E014"),
    ],
)
def test_misuse_is_a_system_check_error(
    field: EncryptedTemplateField, options: dict[str, Any], code: str
) -> None:
    assert _codes(field, **options) == {code}


def test_stored_templates_pass_the_check() -> None:
    assert CustomerBiometric._meta.get_field("encrypted_template").check() == []


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"template",
        np.ones(128, np.float32).tobytes(),
        TOKEN[:60],
        TOKEN + b"\n",
        TOKEN.decode(),
        b"AAAA" + TOKEN[4:],
        1,
    ],
    ids=[
        "empty",
        "text",
        "vector",
        "beginning of a token",
        "token and line feed",
        "token as text",
        "other version",
        "number",
    ],
)
def test_plain_value_is_refused(value: Any) -> None:
    with pytest.raises(PlainTemplateRefused):
        EncryptedTemplateField().get_db_prep_value(value, connection)


@pytest.mark.parametrize(
    "value", [TOKEN, memoryview(TOKEN), None], ids=["token", "memory of a token", "nothing"]
)
def test_token_is_accepted(value: Any) -> None:
    EncryptedTemplateField().get_db_prep_value(value, connection)


@pytest.mark.parametrize("lookup", ["exact", "in", "gt", "contains", "startswith"])
def test_search_is_refused(lookup: str) -> None:
    with pytest.raises(FieldError, match="cannot be searched"):
        CustomerBiometric.objects.filter(**{f"encrypted_template__{lookup}": TOKEN})


def test_missing_template_may_be_searched_for() -> None:
    sql = str(CustomerBiometric.objects.filter(encrypted_template__isnull=True).query)

    assert '"encrypted_template" IS NULL' in sql
