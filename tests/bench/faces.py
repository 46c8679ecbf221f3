"""
Faces: matching, enrolment and loading of templates against their bare libraries.

`--size` templates (100,000) of one province and store group. Identification: at most 1.5 x of one
bare matrix-vector product, with 0 decryptions of a warm query. Loading of 20,000 stored templates
from the database: at most 1.3 x of bare HKDF and Fernet with tokens in memory. For information:
milliseconds of an enrolment's image against bare OpenCV (decode, detect, align, embed).
"""

import os
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.test import override_settings
from django.utils import timezone

from tests.bench.comparison import Comparison, measure_alternately

SIZE = 100_000
_DIMENSION = 128
_SEED = 20261128
_QUERIES = 20
_LOADED_TEMPLATES = 20_000
_INSERT_BATCH_SIZE = 2_000
_IMAGES_PER_ROUND = 5
_PHOTO = "biden.jpg"
# Throwaway keys of the benchmark.
_KEYS = ",".join(
    f"{name}:{b64encode(name[0].encode() * 32).decode()}" for name in ("rotation", "k1")
)


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of matching, of reading an image and of loading, and their milliseconds."""
    with override_settings(BIOMETRIC_KEY_SOURCE="environment", BIOMETRIC_KEYS=_KEYS):
        return _measure(rounds, size, advance)


def _measure(rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    from threadpoolctl import threadpool_limits

    matching = Comparison(name=f"1:N of {size:,}: against one product", limit=1.5, is_ceiling=True)
    matching_ms = Comparison(name="1:N: median query", unit="ms")
    decryptions = Comparison(name="decryptions of warm queries", limit=0, unit="", is_ceiling=True)
    loading = Comparison(
        name=f"loading {_LOADED_TEMPLATES:,}: against Fernet", limit=1.3, is_ceiling=True
    )
    loading_seconds = Comparison(name="loading: seconds", unit="s")
    images = _ImagePeer.create()
    image_ratio = Comparison(name="image of an enrolment: against OpenCV")
    image_ms = Comparison(name="image of an enrolment", unit="ms")
    match = _MatchPeer(size)
    load = _LoadPeer()
    with threadpool_limits(limits=1, user_api="blas"):
        for number in range(rounds):
            ours, bare = measure_alternately(number, match.identify, match.multiply)
            matching.ratios.append(ours / bare)
            matching_ms.ratios.append(1000 * ours / _QUERIES)
            decryptions.ratios.append(load.count_warm_decryptions())
            ours, bare = measure_alternately(number, load.load, load.decrypt)
            loading.ratios.append(ours / bare)
            loading_seconds.ratios.append(ours)
            if images is not None:
                ours, bare = measure_alternately(number, images.extract, images.run_opencv)
                image_ratio.ratios.append(ours / bare)
                image_ms.ratios.append(1000 * ours / _IMAGES_PER_ROUND)
            advance()
    lines = [matching, matching_ms, decryptions, loading, loading_seconds]
    return [*lines, image_ratio, image_ms] if images is not None else lines


class _MatchPeer:
    """A gallery of random unit rows, and the same matrix without it."""

    def __init__(self, size: int) -> None:
        from biometrics.matching import Gallery

        random = np.random.default_rng(_SEED)
        self._matrix = _unit_rows(random, size)
        rows = [(uuid4().bytes, uuid4().bytes, 0) for _ in range(size)]
        self._gallery = Gallery(rows, self._matrix.copy())
        # Half of the probes are of known people.
        known = self._matrix[random.integers(0, size, _QUERIES // 2)]
        self._probes = np.concatenate([known, _unit_rows(random, _QUERIES - len(known))])
        assert [self._gallery.find(probe) is not None for probe in self._probes] == [
            index < len(known) for index in range(_QUERIES)
        ]

    def identify(self) -> None:
        for probe in self._probes:
            self._gallery.find(probe)

    def multiply(self) -> None:
        for probe in self._probes:
            self._matrix @ probe


class _LoadPeer:
    """Encrypted templates in the database, and their tokens with the keys of their rows."""

    def __init__(self) -> None:
        from biometrics.keys import template_keys
        from biometrics.matching import GalleryScope
        from biometrics.models import CustomerBiometric

        store = _create_templates(_LOADED_TEMPLATES)
        self._scope = GalleryScope(store.province, store.code)
        self._master = template_keys().master(template_keys().newest)
        self._tokens = [
            (bytes(row.salt.value), _key_info(row), row.encrypted_template)
            for row in CustomerBiometric.objects.select_related("salt")
        ]
        self.load()

    def load(self) -> None:
        from biometrics.services.galleries import drop_galleries, gallery_of

        drop_galleries()
        assert len(gallery_of(self._scope, by="user:bench")) == _LOADED_TEMPLATES

    def decrypt(self) -> None:
        for salt, info, token in self._tokens:
            key = HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(self._master)
            Fernet(urlsafe_b64encode(key)).decrypt(token)

    def count_warm_decryptions(self) -> int:
        """Return how many tokens are decrypted by identifications after the first."""
        from biometrics.services.galleries import gallery_of
        from biometrics.services.templates import rotate

        probes = _unit_rows(np.random.default_rng(_SEED), _QUERIES)
        gallery_of(self._scope, by="user:bench")
        before = _decryption_count()
        for probe in probes:
            gallery_of(self._scope, by="user:bench").find(rotate(probe))
        return _decryption_count() - before


class _ImagePeer:
    """A photograph, read by Cultivar and by OpenCV's own functions with the same models."""

    def __init__(self, photo: bytes) -> None:
        import cv2

        from biometrics.faces.opencv import face_models
        from biometrics.model_files import SFACE, YUNET

        self._photo = photo
        face_models()  # sets the number of threads
        self._cv2: Any = cv2
        self._detector: Any = cv2.FaceDetectorYN.create(str(YUNET.path), "", (0, 0), 0.6, 0.3)
        self._embedder: Any = cv2.FaceRecognizerSF.create(str(SFACE.path), "")
        self.extract()
        self.run_opencv()

    @classmethod
    def create(cls) -> "_ImagePeer | None":
        """Return the peer; None where models and photograph cannot be downloaded."""
        import pytest

        from tests.samples.photos import read_photos, require_face_models

        try:
            require_face_models()
            return cls(read_photos()[_PHOTO])
        except pytest.skip.Exception:
            return None

    def extract(self) -> None:
        from biometrics.faces import ENROLMENT_LIMITS, extract_face

        for _ in range(_IMAGES_PER_ROUND):
            extract_face(self._photo, limits=ENROLMENT_LIMITS)

    def run_opencv(self) -> None:
        for _ in range(_IMAGES_PER_ROUND):
            data = np.frombuffer(self._photo, np.uint8)
            pixels = self._cv2.imdecode(data, self._cv2.IMREAD_COLOR)
            scale = 640 / max(pixels.shape)
            small = self._cv2.resize(pixels, None, fx=scale, fy=scale)
            self._detector.setInputSize((small.shape[1], small.shape[0]))
            _, faces = self._detector.detect(small)
            face = faces[0] / np.float32(scale)
            self._embedder.feature(self._embedder.alignCrop(pixels, face))


def _unit_rows(random: np.random.Generator, count: int) -> np.ndarray:
    rows = random.standard_normal((count, _DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _key_info(row: Any) -> bytes:
    return b"cultivar:face-template:%d:" % row.template_version + bytes(row.customer_id.bytes)


def _decryption_count() -> int:
    from django.db.models import Sum

    from biometrics.models import AuditEntry

    loads = AuditEntry.objects.filter(action=AuditEntry.Action.LOAD)
    return int(loads.aggregate(total=Sum("count"))["total"] or 0)


def _create_templates(count: int) -> Any:
    """Return a store whose customers have consented and have encrypted templates."""
    from biometrics.faces import MODEL
    from biometrics.models import CustomerBiometric, TemplateSalt
    from biometrics.services.templates import rotate
    from customers.models import Consent, CustomerProfile
    from tests.factories.biometrics import IDENTIFICATION, create_purpose_text, enable_biometrics
    from tests.factories.catalog import StoreFactory

    enable_biometrics()
    store = StoreFactory.create(code="bench")
    text = create_purpose_text(IDENTIFICATION)
    expires_at = timezone.now() + timedelta(days=365)
    vectors = rotate(_unit_rows(np.random.default_rng(_SEED), count))
    for start in range(0, count, _INSERT_BATCH_SIZE):
        batch = vectors[start : start + _INSERT_BATCH_SIZE]
        customers = CustomerProfile.objects.bulk_create(
            CustomerProfile(
                id=uuid4(), external_customer_id=f"bench-{start + index}", province="ON"
            )
            for index in range(len(batch))
        )
        consents = Consent.objects.bulk_create(
            Consent(
                id=uuid4(),
                customer=customer,
                text=text,
                purpose=IDENTIFICATION,
                language="en",
                channel="till",
            )
            for customer in customers
        )
        rows = [
            CustomerBiometric(
                id=uuid4(),
                customer=customer,
                consent=consent,
                purpose=IDENTIFICATION,
                confidence_score=Decimal("0.9"),
                created_at=timezone.now(),
                expires_at=expires_at,
                model=MODEL,
                province=store.province,
                store_group=store.code,
            )
            for customer, consent in zip(customers, consents, strict=True)
        ]
        salts = [_encrypt(row, vector) for row, vector in zip(rows, batch, strict=True)]
        CustomerBiometric.objects.bulk_create(rows)
        TemplateSalt.objects.bulk_create(
            TemplateSalt(template=row, value=salt) for row, salt in zip(rows, salts, strict=True)
        )
    return store


def _encrypt(row: Any, vector: np.ndarray) -> bytes:
    """Encrypt a template into its row, as an enrolment does, and return the salt."""
    from biometrics.keys import template_keys
    from biometrics.rotation import rotation_id
    from biometrics.services.templates import context_of
    from biometrics.tokens import SALT_BYTES, TEMPLATE_VERSION, encrypt_template

    keys = template_keys()
    salt = os.urandom(SALT_BYTES)
    row.template_version, row.key_id = TEMPLATE_VERSION, keys.newest
    row.encrypted_template = encrypt_template(
        vector,
        context=context_of(row, rotation_id(keys.rotation)),
        master=keys.master(keys.newest),
        salt=salt,
    )
    return salt
