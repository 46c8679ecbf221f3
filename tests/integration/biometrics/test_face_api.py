"""REST API of biometrics, with real photographs."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from PIL import Image
from rest_framework.test import APIClient

from biometrics.models import AuditEntry, BiometricSettings, CustomerBiometric
from catalog.models import Store
from config.api.keys import ApiKey
from config.api.problem_types import URN_PREFIX
from config.clients.redis import quick_redis
from customers.models import CustomerProfile, PersonalAccess
from tests.factories.biometrics import (
    IDENTIFICATION,
    VERIFICATION,
    create_face_customer,
    enable_biometrics,
    give_face_consent,
)
from tests.factories.catalog import StoreFactory
from tests.factories.config import create_api_client
from tests.samples.hostile_images import hostile_images

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.network,
    pytest.mark.usefixtures("face_models", "_empty_memory"),
]
ROOT_URL = "/api/v1/biometrics"
DEVICE = "till-3"


@pytest.fixture(autouse=True)
def _enabled() -> None:
    enable_biometrics()


@pytest.fixture
def store() -> Store:
    return StoreFactory.create(code="queen-west")


@pytest.fixture
def client(store: Store) -> APIClient:
    return create_api_client()


@pytest.fixture
def customer(store: Store) -> CustomerProfile:
    return create_face_customer(store, external_id="L-1042")


def _file(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo", content)


def _enroll(
    client: APIClient, customer: CustomerProfile, photo: bytes, purpose: str = IDENTIFICATION
) -> Any:
    give_face_consent(customer, purpose)
    return client.post(
        f"{ROOT_URL}/enrolments/",
        {
            "customer_id": str(customer.pk),
            "purpose": purpose,
            "image": _file(photo),
            "device_id": DEVICE,
        },
    )


def _verify(client: APIClient, photo: bytes, **values: str) -> Any:
    body = {"image": _file(photo), "device_id": DEVICE, **(values or {"external_id": "L-1042"})}
    return client.post(f"{ROOT_URL}/verifications/", body)


def _identify(client: APIClient, photo: bytes, **values: Any) -> Any:
    body = {
        "image": _file(photo),
        "store_code": "queen-west",
        "device_id": DEVICE,
        "initiated_by_customer": True,
        **values,
    }
    return client.post(f"{ROOT_URL}/identifications/", body)


def _confirm(client: APIClient, token: str, *, confirmed: bool = True) -> Any:
    return client.post(
        f"{ROOT_URL}/confirmations/",
        {"confirmation_token": token, "confirmed": confirmed},
        format="json",
    )


def _actions() -> list[tuple[str, str]]:
    entries = AuditEntry.objects.order_by("sequence")
    return list(entries.values_list("action", "reason"))


def test_enrolment_stores_a_template_and_returns_its_expiry(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    response = _enroll(client, customer, photos["obama.jpg"])

    assert response.status_code == 201, response.json()
    row = CustomerBiometric.objects.get(customer=customer)
    assert set(response.json()) == {"customer_id", "purpose", "enrolled_at", "expires_at"}
    assert response.json()["customer_id"] == str(customer.pk)
    assert row.expires_at is not None
    assert response.json()["expires_at"].startswith(row.expires_at.isoformat()[:19])
    assert row.confidence_score is not None
    assert 0.5 < row.confidence_score <= 1


def test_second_enrolment_replaces_the_first(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["biden.jpg"])

    response = _enroll(client, customer, photos["obama.jpg"])

    assert response.status_code == 201
    assert CustomerBiometric.objects.filter(customer=customer).count() == 1
    assert _identify(client, photos["obama3.jpg"]).json()["status"] == "confirmation_required"
    assert _identify(client, photos["biden.jpg"]).json()["status"] == "unknown"


def test_enrolment_without_consent_is_forbidden_before_the_photo_is_read(
    client: APIClient, customer: CustomerProfile
) -> None:
    response = client.post(
        f"{ROOT_URL}/enrolments/",
        {
            "customer_id": str(customer.pk),
            "purpose": VERIFICATION,
            "image": _file(b"not an image"),
            "device_id": DEVICE,
        },
    )

    assert response.status_code == 403
    assert response.json()["type"] == f"{URN_PREFIX}consent_missing"
    assert not CustomerBiometric.objects.exists()


@pytest.mark.parametrize("photo", ["obama.jpg", "obama2.jpg", "obama3.jpg"])
def test_another_photo_of_the_customer_is_verified(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes], photo: str
) -> None:
    _enroll(client, customer, photos["obama.jpg"], VERIFICATION)

    response = _verify(client, photos[photo])

    assert response.status_code == 200
    assert response.json() == {"verified": True}


@pytest.mark.parametrize("photo", ["biden.jpg", "astronaut.png"])
def test_a_photo_of_another_person_is_not_verified(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes], photo: str
) -> None:
    _enroll(client, customer, photos["obama.jpg"], VERIFICATION)

    response = _verify(client, photos[photo])

    assert response.json() == {"verified": False}
    assert _actions()[-1] == ("verify", "not_verified")


def test_verification_is_audited_and_in_the_access_log(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"], VERIFICATION)

    _verify(client, photos["obama2.jpg"], customer_id=str(customer.pk))

    assert [action for action, _ in _actions()] == ["enroll", "read", "verify"]
    assert PersonalAccess.objects.filter(customer_id=customer.pk, action="face.verify").exists()


def test_verification_without_enrolment_names_the_alternative(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    response = _verify(client, photos["obama.jpg"])

    assert response.status_code == 409
    assert response.json()["type"] == f"{URN_PREFIX}not_enrolled"


def test_template_of_one_purpose_is_not_used_for_the_other(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"], VERIFICATION)

    assert _identify(client, photos["obama.jpg"]).json()["status"] == "unknown"


def test_recognized_customer_is_named_only_after_the_confirmation(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"])

    match = _identify(client, photos["obama3.jpg"])
    confirmed = _confirm(client, match.json()["confirmation_token"])

    assert match.json()["status"] == "confirmation_required"
    assert match.json()["external_id_ending"] == "042"
    assert str(customer.pk) not in match.content.decode()
    assert "L-1042" not in match.content.decode()
    assert confirmed.json() == {
        "status": "recognized",
        "customer_id": str(customer.pk),
        "external_id": "L-1042",
    }
    assert _actions()[-2:] == [("match", "awaiting_confirmation"), ("match", "confirmed")]
    assert PersonalAccess.objects.filter(customer_id=customer.pk, action="face.identify").exists()


def test_no_response_contains_a_score(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    _enroll(client, customer, photos["obama.jpg"], VERIFICATION)

    fields = {
        *_identify(client, photos["obama2.jpg"]).json(),
        *_verify(client, photos["obama2.jpg"]).json(),
    }

    assert fields == {"status", "confirmation_token", "external_id_ending", "verified"}


def test_rejected_match_names_no_one_and_is_forgotten(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    token = _identify(client, photos["obama3.jpg"]).json()["confirmation_token"]

    response = _confirm(client, token, confirmed=False)

    assert response.json() == {"status": "rejected", "customer_id": None, "external_id": None}
    assert _actions()[-1] == ("refuse", "rejected_by_staff")
    assert not quick_redis().call(lambda redis: redis.keys("face_recognition*"))


def test_token_of_another_client_is_refused(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    token = _identify(client, photos["obama3.jpg"]).json()["confirmation_token"]

    response = _confirm(create_api_client(), token)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "confirmation_token"


@pytest.mark.parametrize("token", ["", "x", "AAAA", "é", "A" * 900])
def test_forged_token_is_refused(client: APIClient, token: str) -> None:
    response = _confirm(client, token)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "confirmation_token"


def test_old_token_is_refused(
    client: APIClient,
    customer: CustomerProfile,
    photos: Mapping[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    token = _identify(client, photos["obama3.jpg"]).json()["confirmation_token"]
    monkeypatch.setattr("biometrics.services.recognition.CONFIRMATION_SECONDS", -1)

    assert _confirm(client, token).status_code == 400


def test_token_of_a_withdrawn_customer_is_refused(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    token = _identify(client, photos["obama3.jpg"]).json()["confirmation_token"]
    client.delete(f"{ROOT_URL}/enrolments/{customer.pk}/")

    assert _confirm(client, token).status_code == 400


def test_only_staff_confirm(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    response = _confirm(create_api_client("verified"), "token")

    assert response.status_code == 403
    assert response.json()["type"] == f"{URN_PREFIX}audience_too_low"


def test_identification_that_the_customer_has_not_asked_for_is_refused(
    client: APIClient, photos: Mapping[str, bytes], store: Store
) -> None:
    response = _identify(client, photos["obama.jpg"], initiated_by_customer=False)

    assert response.status_code == 400
    assert response.json()["type"] == f"{URN_PREFIX}not_initiated_by_customer"
    missing = client.post(
        f"{ROOT_URL}/identifications/",
        {"image": _file(photos["obama.jpg"]), "store_code": "queen-west", "device_id": DEVICE},
    )
    assert missing.json()["type"] == f"{URN_PREFIX}not_initiated_by_customer"


def test_withdrawal_erases_the_template_and_ends_recognition_at_once(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    assert _identify(client, photos["obama3.jpg"]).json()["status"] == "confirmation_required"

    response = client.delete(f"{ROOT_URL}/enrolments/{customer.pk}/")

    assert response.json() == {
        "customer_id": str(customer.pk),
        "withdrawn_count": 1,
        "is_retained": False,
    }
    assert _identify(client, photos["obama3.jpg"]).json()["status"] == "unknown"
    assert not CustomerBiometric.objects.exists()
    assert not quick_redis().call(lambda redis: redis.keys("face_recognition*"))


def test_withdrawal_of_one_purpose_leaves_the_other(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    _enroll(client, customer, photos["obama.jpg"], VERIFICATION)

    client.delete(f"{ROOT_URL}/enrolments/{customer.pk}/?purpose={IDENTIFICATION}")

    assert [row.purpose for row in CustomerBiometric.objects.all()] == [VERIFICATION]
    assert _verify(client, photos["obama2.jpg"]).json() == {"verified": True}


def test_withdrawal_works_where_biometrics_is_switched_off(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    BiometricSettings.objects.update(is_enabled=False)

    response = client.delete(f"{ROOT_URL}/enrolments/{customer.pk}/")

    assert response.json()["withdrawn_count"] == 1
    assert not CustomerBiometric.objects.exists()


def test_everything_else_is_forbidden_where_biometrics_is_switched_off(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    BiometricSettings.objects.update(is_enabled=False)

    responses = [
        _enroll(client, customer, photos["obama.jpg"]),
        _verify(client, photos["obama.jpg"]),
        _identify(client, photos["obama.jpg"]),
    ]

    assert [response.status_code for response in responses] == [403] * 3
    assert {response.json()["type"] for response in responses} == {
        f"{URN_PREFIX}biometrics_disabled"
    }
    assert all("Biometrics is not in use in ON" in r.json()["detail"] for r in responses)


def test_same_image_is_recognized_without_being_read_again(
    client: APIClient,
    customer: CustomerProfile,
    photos: Mapping[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _enroll(client, customer, photos["obama.jpg"])
    _identify(client, photos["obama3.jpg"])
    monkeypatch.setattr("biometrics.services.recognition.extract_face", None)

    response = _identify(client, photos["obama3.jpg"])

    assert response.json()["status"] == "confirmation_required"


def test_stored_result_holds_neither_the_image_nor_the_customer(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    import hashlib

    _enroll(client, customer, photos["obama.jpg"])
    _identify(client, photos["obama3.jpg"])

    def read(redis: Any) -> tuple[bytes, bytes, int]:
        (key,) = redis.keys("face_recognition:*")
        return key, redis.get(key), redis.ttl(key)

    key, value, ttl = quick_redis().call(read)

    stored = (key + value).decode()
    assert 0 < ttl <= 300
    for digest in ("sha256", "sha1", "md5", "blake2b"):
        assert hashlib.new(digest, photos["obama3.jpg"]).hexdigest() not in stored
        for customer_id in (customer.pk.bytes, str(customer.pk).encode(), customer.pk.hex.encode()):
            assert hashlib.new(digest, customer_id).hexdigest() not in stored
    assert customer.pk.hex not in stored.replace("-", "")


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "come closer to the camera"), ("fr", "approchez-vous de la caméra")],
)
def test_refusal_instructs_the_person_in_their_language(
    client: APIClient,
    photos: Mapping[str, bytes],
    store: Store,
    language: str,
    text: str,
) -> None:
    with Image.open(io.BytesIO(photos["biden.jpg"])) as photo:
        photo.thumbnail((300, 300))
        output = io.BytesIO()
        photo.save(output, "JPEG")

    response = client.post(
        f"{ROOT_URL}/identifications/",
        {
            "image": _file(output.getvalue()),
            "store_code": "queen-west",
            "device_id": DEVICE,
            "initiated_by_customer": True,
        },
        HTTP_ACCEPT_LANGUAGE=language,
    )

    assert response.status_code == 400
    assert response.json()["type"] == f"{URN_PREFIX}face_too_small"
    assert text in response.json()["errors"][0]["message"]


def test_every_hostile_file_is_a_bad_request(client: APIClient, store: Store) -> None:
    with override_settings(FACE_RATE_BY_DEVICE="1000/min", FACE_RATE_BY_CLIENT="1000/min"):
        statuses = {
            name: _identify(client, content).status_code
            for name, content in hostile_images().items()
        }

    assert len(statuses) >= 60
    assert set(statuses.values()) == {400}


def test_file_beyond_the_limit_of_the_body_is_too_large(client: APIClient) -> None:
    response = _identify(client, bytes(17_000_000))

    assert response.status_code == 413
    assert response.json()["type"] == f"{URN_PREFIX}too_large"


def test_photo_is_never_written_to_a_disk(
    client: APIClient, photos: Mapping[str, bytes], tmp_path: Path, store: Store, settings: Any
) -> None:
    large = photos["obama3.jpg"] + bytes(4_000_000)
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    tmp_path.chmod(0o500)
    written = _record_opened_files()

    response = _identify(client, large)

    assert response.status_code == 200, response.json()
    assert written() == []


def _record_opened_files() -> Any:
    """Return a function that returns the files that were opened for writing since."""
    import sys

    opened: list[str] = []
    is_active = [True]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and is_active[0]:
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                opened.append(str(path))

    sys.addaudithook(hook)

    def stop() -> list[str]:
        is_active[0] = False
        return opened

    return stop


@pytest.mark.parametrize(
    ("setting", "devices"),
    [("FACE_RATE_BY_DEVICE", ["till-1"] * 4), ("FACE_RATE_BY_CLIENT", ["a", "b", "c", "d"])],
)
def test_requests_are_limited_by_device_and_by_client(
    client: APIClient, store: Store, setting: str, devices: list[str]
) -> None:
    with override_settings(**{setting: "3/min"}):
        statuses = [
            _identify(client, b"no image", device_id=device).status_code for device in devices
        ]

    assert statuses == [400, 400, 400, 429]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("post", "enrolments/", "biometrics:enroll"),
        ("delete", "enrolments/0d5f6ad4-9f0b-4b0e-9a57-0f8f5b0f3f4b/", "biometrics:enroll"),
        ("post", "verifications/", "biometrics:verify"),
        ("post", "identifications/", "biometrics:identify"),
        ("post", "confirmations/", "biometrics:identify"),
    ],
)
def test_each_operation_needs_its_scope(method: str, path: str, scope: str) -> None:
    others = {"biometrics:enroll", "biometrics:verify", "biometrics:identify"} - {scope}
    client = create_api_client("staff", tuple(others))

    response = getattr(client, method)(f"{ROOT_URL}/{path}")

    assert response.status_code == 403
    assert response.json()["type"] == f"{URN_PREFIX}scope_missing"
    assert scope in response.json()["detail"]


def test_key_of_another_province_reaches_neither_customer_nor_store(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    ApiKey.objects.update(provinces=["BC"])

    assert _verify(client, photos["obama.jpg"]).status_code == 404
    assert _enroll(client, customer, photos["obama.jpg"]).status_code == 404
    assert client.delete(f"{ROOT_URL}/enrolments/{customer.pk}/").status_code == 404
    assert _identify(client, photos["obama.jpg"]).status_code == 400


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"store_code": "nowhere"}, "store_code"),
        ({"device_id": "till 3"}, "device_id"),
        ({"device_id": "x" * 65}, "device_id"),
        ({"image": "text"}, "image"),
        ({"unknown": "1"}, "unknown"),
    ],
)
def test_invalid_field_is_named(
    client: APIClient, photos: Mapping[str, bytes], store: Store, values: Any, field: str
) -> None:
    response = _identify(client, photos["obama.jpg"], **values)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field


def test_customer_is_named_by_exactly_one_id(
    client: APIClient, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    both = _verify(client, photos["obama.jpg"], external_id="L-1042", customer_id=str(customer.pk))

    assert both.status_code == 400
    assert both.json()["errors"][0]["field"] == "customer_id"
