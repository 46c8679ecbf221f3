"""Factories of biometrics: settings of provinces, consenting customers, embeddings, templates."""

from datetime import date
from typing import Any

import numpy as np

from biometrics.models import BiometricSettings, CustomerBiometric, FacePurpose
from biometrics.rotation import DIMENSION, Float32Array
from biometrics.services.templates import enroll
from catalog.models import Store
from customers.models import Consent, ConsentText, CustomerProfile
from customers.services.consents import give_consent
from tests.factories.catalog import StoreFactory
from tests.factories.customers import CustomerFactory

MODEL = "test-128"
_ACTOR = "user:test"
IDENTIFICATION = FacePurpose.IDENTIFICATION.value
VERIFICATION = FacePurpose.VERIFICATION.value


def create_purpose_text(purpose: str, version: str = "2026-11") -> ConsentText:
    """Return a purpose text in English and French."""
    text, _ = ConsentText.objects.get_or_create(
        purpose=purpose,
        version=version,
        defaults={
            "text_en": f"Store a template of my face ({purpose}).",
            "text_fr": f"Conserver un gabarit de mon visage ({purpose}).",
        },
    )
    return text


def enable_biometrics(province: str = "ON", **values: Any) -> BiometricSettings:
    """Enable biometrics in a province, with everything that is required there."""
    defaults: dict[str, Any] = {
        "is_enabled": True,
        "verification_text": create_purpose_text(VERIFICATION),
        "identification_text": create_purpose_text(IDENTIFICATION),
        "alternative": BiometricSettings.Alternative.PHONE_OR_CARD,
        "retention_days": 365,
    }
    if province == "QC":
        defaults |= {"declaration_number": "CAI-2026-001", "declared_on": date(2026, 1, 5)}
    settings, _ = BiometricSettings.objects.update_or_create(
        province=province, defaults=defaults | values
    )
    return settings


def create_face_customer(store: Store | None = None, **values: Any) -> CustomerProfile:
    """Return a customer of a store, in Ontario by default, whose age is verified."""
    store = store or StoreFactory.create()
    defaults: dict[str, Any] = {"province": store.province, "is_age_verified": True}
    return CustomerFactory.create(store=store, **defaults | values)


def give_face_consent(
    customer: CustomerProfile, purpose: str = IDENTIFICATION, *, version: str = "2026-11"
) -> Consent:
    """Give the consent of a customer to a purpose text."""
    create_purpose_text(purpose, version)
    return give_consent(
        customer=customer,
        purpose=purpose,
        version=version,
        language="en",
        channel="till",
        by=_ACTOR,
    )


def random_embedding(seed: int) -> Float32Array:
    """Return a random unit vector, float32 (128,)."""
    vector = np.random.default_rng(seed).standard_normal(DIMENSION)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def enroll_customer(
    customer: CustomerProfile | None = None,
    *,
    seed: int = 1,
    purpose: str = IDENTIFICATION,
    **values: Any,
) -> CustomerBiometric:
    """Enroll a customer with their consent; the province must be enabled."""
    customer = customer or create_face_customer()
    arguments: dict[str, Any] = {
        "embedding": random_embedding(seed),
        "model": MODEL,
        "quality": 0.9,
        "consent": give_face_consent(customer, purpose),
        "by": _ACTOR,
    }
    return enroll(customer=customer, **arguments | values)
