"""Enrolment: only with an express, current consent, in a province that is enabled."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from biometrics.errors import (
    BiometricsDisabled,
    BiometricsError,
    ConsentMissing,
    EmbeddingRefused,
    PlainTemplateRefused,
)
from biometrics.models import AuditEntry, CustomerBiometric, TemplateSalt
from biometrics.selectors.templates import matchable, verification_template
from biometrics.services.templates import enroll
from config.errors import BadInput, Conflict
from customers.models import Consent, CustomerProfile
from customers.services.consents import give_consent, withdraw_consent
from mlops.privacy.legal_holds import set_legal_hold
from tests.factories.biometrics import (
    IDENTIFICATION,
    MODEL,
    VERIFICATION,
    create_face_customer,
    enable_biometrics,
    enroll_customer,
    give_face_consent,
    random_embedding,
)
from tests.factories.catalog import StoreFactory
from tests.factories.customers import CustomerFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def customer() -> CustomerProfile:
    """A customer of a store in Ontario, where biometrics is enabled."""
    enable_biometrics()
    return create_face_customer(StoreFactory.create(code="queen-west"))


def _enroll(customer: CustomerProfile, consent: Consent, **values: Any) -> CustomerBiometric:
    arguments: dict[str, Any] = {
        "embedding": random_embedding(1),
        "model": MODEL,
        "quality": 0.5,
        "consent": consent,
        "by": "key:till",
    }
    return enroll(customer=customer, **arguments | values)


def test_enrolment_stores_consent_model_expiry_and_group(customer: CustomerProfile) -> None:
    consent = give_face_consent(customer)
    now = timezone.now()

    row = _enroll(customer, consent, now=now)

    stored = CustomerBiometric.objects.get()
    assert stored.pk == row.pk
    assert (stored.consent, stored.purpose, stored.model) == (consent, IDENTIFICATION, MODEL)
    assert (stored.province, stored.store_group) == ("ON", "queen-west")
    assert stored.expires_at == now + timedelta(days=365)
    assert stored.key_id == "k1"


def test_stored_bytes_contain_no_part_of_the_embedding(customer: CustomerProfile) -> None:
    embedding = random_embedding(1)

    row = enroll_customer(customer, seed=1)

    stored = bytes(row.encrypted_template)
    values = embedding.tobytes()
    assert all(values[start : start + 8] not in stored for start in range(0, len(values), 8))


def test_enrolment_is_audited_with_the_digest_of_the_token(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.template_id) == ("enroll", row.pk)
    with connection.cursor() as cursor:
        cursor.execute("SELECT encode(sha256(encrypted_template), 'hex') FROM customer_biometrics")
        assert cursor.fetchone() == (entry.template_digest,)


def test_new_enrolment_replaces_template_and_salt(customer: CustomerProfile) -> None:
    old = enroll_customer(customer, seed=1)

    new = enroll_customer(customer, seed=2)

    assert list(CustomerBiometric.objects.values_list("pk", flat=True)) == [new.pk]
    assert list(TemplateSalt.objects.values_list("pk", flat=True)) == [new.pk]
    entry = AuditEntry.objects.get(action="erase")
    assert (entry.template_id, entry.reason) == (old.pk, "replaced")


def test_each_purpose_has_a_separate_template(customer: CustomerProfile) -> None:
    identification = enroll_customer(customer, purpose=IDENTIFICATION)
    verification = enroll_customer(customer, purpose=VERIFICATION)

    assert verification_template(customer=customer) == verification
    assert list(matchable(province="ON", store_group="queen-west")) == [identification]


def test_template_of_verification_is_not_matched_with_unknown_probes(
    customer: CustomerProfile,
) -> None:
    enroll_customer(customer, purpose=VERIFICATION)

    assert list(matchable(province="ON", store_group="queen-west")) == []


@pytest.mark.parametrize(
    ("province", "group"), [("ON", "king-street"), ("AB", "queen-west"), ("", "")]
)
def test_other_groups_and_provinces_do_not_match(
    province: str, group: str, customer: CustomerProfile
) -> None:
    enroll_customer(customer)
    enable_biometrics("AB")

    assert list(matchable(province=province, store_group=group)) == []


def test_expired_template_is_not_matchable(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    expired = matchable(province="ON", store_group="queen-west", now=row.expires_at)

    assert list(expired) == []


def test_withdrawn_consent_is_refused(customer: CustomerProfile) -> None:
    consent = give_face_consent(customer)
    withdraw_consent(customer=customer, purpose=IDENTIFICATION, by="user:test")

    with pytest.raises(ConsentMissing, match="withdrawn"):
        _enroll(customer, consent)


def test_consent_of_another_customer_is_refused(customer: CustomerProfile) -> None:
    other = create_face_customer()

    with pytest.raises(ConsentMissing, match="not one of this customer"):
        _enroll(customer, give_face_consent(other))


def test_consent_to_another_purpose_is_refused(customer: CustomerProfile) -> None:
    consent = give_consent(
        customer=customer,
        purpose="history",
        version="2026-11",
        language="en",
        channel="till",
        by="user:test",
    )

    with pytest.raises(ConsentMissing, match="another purpose"):
        _enroll(customer, consent)


def test_consent_to_another_version_of_the_text_is_refused(customer: CustomerProfile) -> None:
    with pytest.raises(ConsentMissing, match="another version"):
        _enroll(customer, give_face_consent(customer, version="2025-01"))


def test_consent_without_a_channel_is_refused(customer: CustomerProfile) -> None:
    consent = give_face_consent(customer)
    Consent.objects.filter(pk=consent.pk).update(channel="")

    with pytest.raises(ConsentMissing, match="channel"):
        _enroll(customer, consent)


def test_disabled_province_is_refused(customer: CustomerProfile) -> None:
    enable_biometrics(is_enabled=False)

    with pytest.raises(BiometricsDisabled, match="switched off"):
        enroll_customer(customer)


def test_purpose_that_the_province_does_not_use_is_refused(customer: CustomerProfile) -> None:
    enable_biometrics(identification_text=None)

    with pytest.raises(BiometricsDisabled, match="not used for this purpose"):
        enroll_customer(customer)


def test_customer_without_a_store_is_refused() -> None:
    enable_biometrics()

    with pytest.raises(BiometricsDisabled, match="no store"):
        enroll_customer(CustomerFactory.create(verified=True))


def test_customer_whose_age_is_not_verified_is_refused() -> None:
    enable_biometrics()

    with pytest.raises(ConsentMissing, match="age"):
        enroll_customer(create_face_customer(is_age_verified=False))


def test_legal_hold_retains_the_earlier_template(
    customer: CustomerProfile, admin_user: User
) -> None:
    row = enroll_customer(customer)
    set_legal_hold(subject=customer.pk, reason="court file", by=admin_user)

    with pytest.raises(Conflict) as raised:
        enroll_customer(customer, seed=2)

    assert raised.value.errors[0][0] == "customer_id"
    assert CustomerBiometric.objects.get() == row
    assert AuditEntry.objects.get(action="refuse").reason == "conflict"


def test_store_of_the_enrolment_determines_the_province(customer: CustomerProfile) -> None:
    store = StoreFactory.create(code="calgary", province="AB")

    with pytest.raises(BiometricsDisabled, match="AB"):
        enroll_customer(customer, store=store)


@pytest.mark.parametrize(
    "embedding",
    [
        np.zeros(128, np.float32),
        np.full(128, np.nan, np.float32),
        np.full(128, np.inf, np.float32),
        random_embedding(1) * np.float32(1.1),
        random_embedding(1)[:64],
        random_embedding(1).astype(np.float64),
        random_embedding(1).reshape(1, 128),
    ],
)
def test_embedding_that_is_no_unit_vector_is_refused(
    embedding: Any, customer: CustomerProfile
) -> None:
    with pytest.raises(EmbeddingRefused):
        enroll_customer(customer, embedding=embedding)


@pytest.mark.parametrize(
    ("name", "value"),
    [("quality", 1.5), ("quality", float("nan")), ("model", ""), ("model", "x" * 51)],
)
def test_invalid_values_are_refused_by_name(
    name: str, value: Any, customer: CustomerProfile
) -> None:
    with pytest.raises(BadInput) as raised:
        enroll_customer(customer, **{name: value})

    assert raised.value.field == name


def test_refusal_is_audited_and_stores_nothing(customer: CustomerProfile) -> None:
    consent = give_face_consent(customer)
    enable_biometrics(is_enabled=False)

    with pytest.raises(BiometricsError):
        _enroll(customer, consent)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason) == ("refuse", "biometrics_disabled")
    assert (entry.actor, entry.province) == ("key:till", "ON")
    assert not CustomerBiometric.objects.exists()


def test_refused_enrolment_leaves_the_earlier_template(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    with pytest.raises(EmbeddingRefused):
        enroll_customer(customer, embedding=np.zeros(128, np.float32))

    assert CustomerBiometric.objects.get().pk == row.pk


def test_plain_template_is_refused_by_the_model(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    with pytest.raises(PlainTemplateRefused):
        CustomerBiometric.objects.filter(pk=row.pk).update(
            encrypted_template=random_embedding(1).tobytes()
        )


def test_database_refuses_a_template_without_expiry(customer: CustomerProfile) -> None:
    row = enroll_customer(customer)

    with pytest.raises(IntegrityError), transaction.atomic():
        CustomerBiometric.objects.filter(pk=row.pk).update(expires_at=None)
