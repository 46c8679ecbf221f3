"""Photos in object storage: same checks as over REST, and deleted in any case."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import override_settings

from biometrics.models import BiometricSettings, CustomerBiometric
from biometrics.tasks import enroll_stored_photo
from catalog.models import Store
from config.clients.objects import ObjectsUnavailable
from config.errors import BadInput
from customers.models import CustomerProfile
from tests.factories.biometrics import (
    VERIFICATION,
    create_face_customer,
    enable_biometrics,
    give_face_consent,
)
from tests.factories.catalog import StoreFactory

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.network,
    pytest.mark.usefixtures("face_models"),
]
KEY = "biometrics/inbox/till-3.jpg"


@pytest.fixture(autouse=True)
def _storage(settings: Any, tmp_path: Path) -> Iterator[None]:
    entry = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path)},
    }
    with override_settings(STORAGES={**settings.STORAGES, "default": entry}):
        yield


@pytest.fixture
def store() -> Store:
    enable_biometrics()
    return StoreFactory.create()


@pytest.fixture
def customer(store: Store) -> CustomerProfile:
    customer = create_face_customer(store)
    give_face_consent(customer, VERIFICATION)
    return customer


def _process(customer_id: Any, store: Store, key: str = KEY) -> str:
    result = enroll_stored_photo(
        key=key, customer_id=str(customer_id), purpose=VERIFICATION, store_code=store.code
    )
    outcome: str = result["outcome"]
    return outcome


def test_photo_enrolls_the_customer_and_is_deleted(
    store: Store, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    default_storage.save(KEY, ContentFile(photos["obama.jpg"]))

    assert _process(customer.pk, store) == "enrolled"
    assert CustomerBiometric.objects.get().customer_id == customer.pk
    assert not default_storage.exists(KEY)


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (b"no image", "image_unreadable"),
        (bytes(8_000_001), "image_too_large"),
        ("obama_partial_face.jpg", "face_cut_off"),
    ],
)
def test_unusable_photo_is_refused_and_deleted(
    store: Store,
    customer: CustomerProfile,
    photos: Mapping[str, bytes],
    content: bytes | str,
    outcome: str,
) -> None:
    photo = photos[content] if isinstance(content, str) else content
    default_storage.save(KEY, ContentFile(photo))

    assert _process(customer.pk, store) == outcome
    assert not CustomerBiometric.objects.exists()
    assert not default_storage.exists(KEY)


def test_photo_is_deleted_where_biometrics_is_switched_off(
    store: Store, customer: CustomerProfile, photos: Mapping[str, bytes]
) -> None:
    BiometricSettings.objects.update(is_enabled=False)
    default_storage.save(KEY, ContentFile(photos["obama.jpg"]))

    assert _process(customer.pk, store) == "biometrics_disabled"
    assert not default_storage.exists(KEY)


def test_missing_photo_and_unknown_customer_are_reported(
    store: Store, photos: Mapping[str, bytes]
) -> None:
    assert _process(uuid4(), store) == "photo_missing"
    default_storage.save(KEY, ContentFile(photos["obama.jpg"]))

    assert _process(uuid4(), store) == "customer_unknown"
    assert not default_storage.exists(KEY)


@pytest.mark.parametrize(
    "key", ["", "raw/other.json", "biometrics/inbox/", "biometrics/inbox/../raw/a", KEY + "/x"]
)
def test_other_objects_are_neither_read_nor_deleted(store: Store, key: str) -> None:
    with pytest.raises(BadInput):
        _process(uuid4(), store, key=key)


def test_photo_stays_while_the_storage_is_unavailable(
    store: Store,
    customer: CustomerProfile,
    photos: Mapping[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    default_storage.save(KEY, ContentFile(photos["obama.jpg"]))

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError("no route")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.open", fail)
    with pytest.raises(ObjectsUnavailable):
        _process(customer.pk, store)

    assert default_storage.exists(KEY)
