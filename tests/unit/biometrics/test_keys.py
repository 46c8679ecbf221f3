"""Master keys from the environment, a file, and a key management service."""

import base64
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from botocore.validate import ParamValidator
from django.core.management import CommandError, call_command

from biometrics.errors import TemplateKeysUnavailable, TemplateKeyUnknown
from biometrics.keys import kms_context, template_keys
from config.clients.kms import KmsUnavailable, decrypt_data_key, generate_data_key
from tests.fakes.kms import KEY_ID, FakeKms, running_kms


def _entry(name: str, letter: str) -> str:
    return f"{name}:{base64.b64encode(letter.encode() * 32).decode()}"


ROTATION = _entry("rotation", "r")


@pytest.fixture(autouse=True)
def _fresh_keys() -> Iterator[None]:
    template_keys.cache_clear()
    yield
    template_keys.cache_clear()


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[FakeKms]:
    """A key management service that the settings name."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with running_kms() as service:
        settings.AWS_KMS_ENDPOINT_URL = service.url
        settings.BIOMETRIC_KEY_SOURCE = "kms"
        yield service


def test_environment_lists_the_newest_key_first(settings: Any) -> None:
    settings.BIOMETRIC_KEYS = ",".join([_entry("k2", "2"), _entry("k1", "1"), ROTATION])

    keys = template_keys()

    assert keys.newest == "k2"
    assert (keys.master("k1"), keys.rotation) == (b"1" * 32, b"r" * 32)


def test_unknown_key_is_a_typed_error(settings: Any) -> None:
    settings.BIOMETRIC_KEYS = f"{_entry('k1', '1')},{ROTATION}"

    with pytest.raises(TemplateKeyUnknown):
        template_keys().master("k0")


def test_keys_do_not_show_in_representations(settings: Any) -> None:
    settings.BIOMETRIC_KEYS = f"{_entry('k1', '1')},{ROTATION}"

    assert "1111" not in repr(template_keys())


def test_file_has_an_entry_a_line(settings: Any, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{_entry('k1', '1')}\n{ROTATION}\n")
    settings.BIOMETRIC_KEY_SOURCE, settings.BIOMETRIC_KEY_FILE = "file", path

    assert template_keys().newest == "k1"


def test_missing_file_is_a_typed_error(settings: Any, tmp_path: Path) -> None:
    settings.BIOMETRIC_KEY_SOURCE, settings.BIOMETRIC_KEY_FILE = "file", tmp_path / "none"

    with pytest.raises(TemplateKeysUnavailable, match="FileNotFoundError"):
        template_keys()


@pytest.mark.parametrize(
    "text",
    [
        "",
        _entry("k1", "1"),
        ROTATION,
        f"{_entry('k1', '1')},{_entry('k1', '2')},{ROTATION}",
        f"{_entry('k1', 'r')},{ROTATION}",
        f"k1:c2hvcnQ=,{ROTATION}",
        f"k1:not base64,{ROTATION}",
        f"k1,{ROTATION}",
    ],
)
def test_incomplete_keys_are_refused_without_showing_them(text: str, settings: Any) -> None:
    settings.BIOMETRIC_KEYS = text

    with pytest.raises(TemplateKeysUnavailable) as raised:
        template_keys()

    assert "=" not in str(raised.value)


def test_created_keys_are_accepted(settings: Any) -> None:
    entries = []
    for name in ("k1", "rotation"):
        output = StringIO()
        call_command("create_biometric_key", name, stdout=output)
        entries.append(output.getvalue().strip())
    settings.BIOMETRIC_KEYS = ",".join(entries)

    assert template_keys().newest == "k1"


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "a b", "x" * 51])
def test_id_that_could_not_be_read_again_is_refused(name: str) -> None:
    with pytest.raises(CommandError):
        call_command("create_biometric_key", name, stdout=StringIO())


def test_data_keys_are_decrypted_by_the_service(kms: FakeKms, settings: Any) -> None:
    entries = []
    for name in ("k1", "rotation"):
        output = StringIO()
        call_command("create_biometric_key", name, "--kms-key", KEY_ID, stdout=output)
        entries.append(output.getvalue().strip())
    settings.BIOMETRIC_KEYS = ",".join(entries)

    keys = template_keys()

    assert len(keys.master("k1")) == len(keys.rotation) == 32
    assert base64.b64encode(keys.master("k1")).decode() not in settings.BIOMETRIC_KEYS


def test_data_key_under_another_id_does_not_decrypt(kms: FakeKms) -> None:
    _, encrypted = generate_data_key(key=KEY_ID, context=kms_context("k1"))

    with pytest.raises(KmsUnavailable, match="InvalidCiphertext"):
        decrypt_data_key(encrypted, context=kms_context("k2"))


def test_disabled_service_is_a_typed_error(kms: FakeKms, settings: Any) -> None:
    settings.BIOMETRIC_KEYS = f"{_entry('k1', '1')},{ROTATION}"
    kms.is_disabled = True

    with pytest.raises(TemplateKeysUnavailable, match="Disabled"):
        template_keys()


def test_unreachable_service_is_a_typed_error(kms: FakeKms, settings: Any) -> None:
    settings.AWS_KMS_ENDPOINT_URL = "http://127.0.0.1:9"

    with pytest.raises(KmsUnavailable, match="EndpointConnectionError"):
        generate_data_key(key=KEY_ID, context={})


@pytest.mark.parametrize("operation", ["GenerateDataKey", "Decrypt"])
def test_fake_service_speaks_as_the_service_model_describes(
    operation: str, kms: FakeKms, settings: Any
) -> None:
    _, encrypted = generate_data_key(key=KEY_ID, context={"a": "b"})
    decrypt_data_key(encrypted, context={"a": "b"})
    parameters = dict(kms.requests)[operation]

    response = kms.call(operation, parameters)

    model = botocore.session.get_session().get_service_model("kms").operation_model(operation)
    assert set(response) <= set(model.output_shape.members)
    parsed = create_parser("json").parse(
        {"status_code": 200, "headers": {}, "body": _json(response)}, model.output_shape
    )
    parsed.pop("ResponseMetadata")
    assert not ParamValidator().validate(parsed, model.output_shape).has_errors()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
