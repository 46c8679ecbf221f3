"""A photo of an unknown person leaves nothing: the counter of the rate limit alone differs."""

import hashlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from rest_framework.test import APIClient

from catalog.models import Store
from config.clients.redis import quick_redis
from config.models import ApiKey
from tests.factories.biometrics import (
    create_face_customer,
    enable_biometrics,
    enroll_customer,
)
from tests.factories.catalog import StoreFactory
from tests.factories.config import create_api_client

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.network,
    pytest.mark.usefixtures("face_models", "_empty_memory"),
]
_URL = "/api/v1/biometrics/identifications/"
_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public' ORDER BY 1
"""
_COUNTER = b":1:quota:faces:"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, at any level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ...]:
    """Every folder that the process writes files into: objects and temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path, Path(settings.STORAGES["default"]["OPTIONS"]["location"])


def _dump_database() -> dict[str, str]:
    """Return a hash of all rows by table."""
    # When a key was last used is stored to the minute, whatever it was used for.
    ApiKey.objects.update(last_used_at=None)
    dump = {}
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        for (table,) in cursor.fetchall():
            rows = "string_agg(t::text, '|' ORDER BY t::text)"
            cursor.execute(f"SELECT md5(coalesce({rows}, '')) FROM {table} t")
            dump[table] = cursor.fetchone()[0]
    return dump


def _dump_redis() -> dict[bytes, Any]:
    """Return the serialized value of every key of every database."""

    def dump(redis: Any) -> dict[bytes, Any]:
        return {key: redis.dump(key) for key in redis.scan_iter(count=1000)}

    return quick_redis().call(dump)


def _dump_files(folders: tuple[Path, ...]) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def _identify(client: APIClient, photo: bytes) -> Any:
    return client.post(
        _URL,
        {
            "image": SimpleUploadedFile("photo.jpg", photo),
            "store_code": "queen-west",
            "device_id": "till-3",
            "initiated_by_customer": True,
        },
    )


@pytest.fixture
def store() -> Store:
    enable_biometrics()
    store = StoreFactory.create(code="queen-west")
    enroll_customer(create_face_customer(store), seed=1, model="sface")
    return store


@pytest.mark.parametrize("photo", ["biden.jpg", "no face"])
def test_unknown_probe_changes_the_counter_alone(
    store: Store,
    photos: Mapping[str, bytes],
    folders: tuple[Path, ...],
    log: io.StringIO,
    photo: str,
) -> None:
    client = create_api_client()
    content = photos.get(photo) or photos["astronaut.png"][:100]
    # The first probe loads the gallery, which is audited, and the models.
    assert _identify(client, photos["astronaut.png"]).json()["status"] == "unknown"
    _dump_database()
    database, redis, files = _dump_database(), _dump_redis(), _dump_files(folders)
    log.truncate(0)
    log.seek(0)

    response = _identify(client, content)

    logged = log.getvalue()
    assert _dump_files(folders) == files
    after = _dump_redis()
    assert set(after) == set(redis)
    changed = {key for key in after if after[key] != redis[key]}
    assert all(b"quota:" in key for key in changed)
    assert _dump_database() == database
    if photo == "biden.jpg":
        assert response.json() == {
            "status": "unknown",
            "confirmation_token": None,
            "external_id_ending": None,
        }
        assert logged == ""
    else:
        assert response.status_code == 400
        assert "photo" not in logged


def test_the_dump_shows_what_a_known_probe_leaves(
    store: Store, photos: Mapping[str, bytes]
) -> None:
    from biometrics.faces import ENROLMENT_LIMITS, MODEL, extract_face

    face = extract_face(photos["biden.jpg"], limits=ENROLMENT_LIMITS)
    enroll_customer(create_face_customer(store), embedding=face.embedding, model=MODEL)
    client = create_api_client()
    _identify(client, photos["astronaut.png"])
    database, redis = _dump_database(), _dump_redis()

    assert _identify(client, photos["biden.jpg"]).json()["status"] == "confirmation_required"

    changed = {table for table, rows in _dump_database().items() if rows != database[table]}
    assert changed == {"biometric_audit"}
    assert any(b"face_recognition" in key for key in set(_dump_redis()) - set(redis))
