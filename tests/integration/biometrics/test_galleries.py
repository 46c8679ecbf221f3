"""Galleries: templates in memory are decrypted once, and are gone when they may not be matched."""

import multiprocessing
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from biometrics.faces import MODEL
from biometrics.matching import Gallery, GalleryScope
from biometrics.models import AuditEntry, BiometricSettings, CustomerBiometric
from biometrics.rotation import Float32Array
from biometrics.services import galleries
from biometrics.services.galleries import drop_galleries, gallery_of
from biometrics.services.templates import open_templates, rotate
from catalog.models import Store
from config.cache import invalidation
from config.cache.invalidation import is_listening
from customers.models import CustomerProfile
from customers.services.consents import withdraw_consent
from mlops.privacy.legal_holds import set_legal_hold
from tests.factories.biometrics import (
    IDENTIFICATION,
    create_face_customer,
    enable_biometrics,
    enroll_customer,
    random_embedding,
)
from tests.factories.catalog import StoreFactory
from tests.polling import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
_ACTOR = "key:test"


@pytest.fixture(autouse=True)
def _memory() -> Iterator[None]:
    enable_biometrics()
    wait_until(is_listening, 10)
    drop_galleries()
    yield
    drop_galleries()


@pytest.fixture
def store() -> Store:
    return StoreFactory.create()


def _scope(store: Store) -> GalleryScope:
    return GalleryScope(store.province, store.code)


def _enroll(store: Store, seed: int, **values: Any) -> CustomerBiometric:
    customer = create_face_customer(store)
    return enroll_customer(customer, seed=seed, **{"model": MODEL} | values)


def _probe(seed: int) -> Float32Array:
    return rotate(random_embedding(seed))


def _gallery(store: Store) -> Gallery:
    return gallery_of(_scope(store), by=_ACTOR)


def _finds(store: Store, seed: int) -> bool:
    return _gallery(store).find(_probe(seed)) is not None


def _is_in_memory(row: CustomerBiometric) -> bool:
    """Return whether a template is in memory, without a request."""
    return any(
        row.pk.bytes in loaded.gallery.template_ids()
        for loaded in list(galleries._galleries.loaded.values())
    )


def _decrypted_count() -> int:
    entries = AuditEntry.objects.filter(action=AuditEntry.Action.LOAD)
    return sum(entries.values_list("count", flat=True))


def _customer_of(row: CustomerBiometric) -> CustomerProfile:
    assert row.customer is not None
    return row.customer


def _load_until_quiet(store: Store) -> Gallery:
    """Return the gallery after the notices of what was written before."""

    def has_no_query() -> bool:
        with CaptureQueriesContext(connection) as queries:
            _gallery(store)
        return not queries

    wait_until(has_no_query, 10, every=0.02)
    return _gallery(store)


def test_enrolled_customers_are_found(store: Store) -> None:
    rows = [_enroll(store, seed) for seed in (1, 2, 3)]

    found = _gallery(store).find(_probe(2))

    assert found is not None
    assert found.template_id == rows[1].pk
    assert found.customer_id == rows[1].customer_id


def test_a_warm_query_decrypts_nothing_and_asks_no_database(store: Store) -> None:
    _enroll(store, 1)
    _load_until_quiet(store)
    decrypted = _decrypted_count()

    with CaptureQueriesContext(connection) as queries:
        is_found = _finds(store, 1)

    assert is_found
    assert len(queries) == 0
    assert _decrypted_count() == decrypted == 1


def test_a_new_customer_is_found_and_only_their_template_is_decrypted(store: Store) -> None:
    _enroll(store, 1)
    _load_until_quiet(store)

    _enroll(store, 2)

    wait_until(lambda: _finds(store, 2), 5)
    assert _finds(store, 1)
    assert _decrypted_count() == 2


def test_a_withdrawn_template_leaves_the_memory_within_a_second(store: Store) -> None:
    row = _enroll(store, 1)
    other = _enroll(store, 2)
    gallery = _load_until_quiet(store)

    withdraw_consent(customer=_customer_of(row), purpose=IDENTIFICATION, by=_ACTOR)

    assert wait_until(lambda: not _is_in_memory(row), 5, every=0.01) < 1
    assert not (gallery._vectors @ _probe(1) > 0.4).any()
    assert _is_in_memory(other)


def test_a_withdrawal_under_a_legal_hold_leaves_the_memory_within_a_second(store: Store) -> None:
    row = _enroll(store, 1)
    customer = _customer_of(row)
    set_legal_hold(subject=customer.pk, reason="court file", by=None)
    _load_until_quiet(store)

    withdraw_consent(customer=customer, purpose=IDENTIFICATION, by=_ACTOR)

    assert CustomerBiometric.objects.filter(pk=row.pk).exists()
    assert wait_until(lambda: not _is_in_memory(row), 5, every=0.01) < 1
    assert not _finds(store, 1)


def test_switching_off_empties_the_memory_within_a_second(store: Store) -> None:
    row = _enroll(store, 1)
    _load_until_quiet(store)

    BiometricSettings.objects.update(is_enabled=False)

    assert wait_until(lambda: not _is_in_memory(row), 5, every=0.01) < 1
    assert not _finds(store, 1)


def test_an_expired_template_leaves_the_memory_without_a_change(store: Store) -> None:
    almost_a_year_ago = timezone.now() - timedelta(days=365) + timedelta(seconds=3)
    row = _enroll(store, 1, now=almost_a_year_ago)
    _load_until_quiet(store)
    assert _is_in_memory(row)

    wait_until(lambda: not _is_in_memory(row), 10, every=0.05)

    assert CustomerBiometric.objects.filter(pk=row.pk).exists()
    assert row.expires_at is not None
    assert timezone.now() - row.expires_at < timedelta(seconds=2)


def test_a_lost_connection_empties_the_memory_within_two_seconds(store: Store) -> None:
    row = _enroll(store, 1)
    _load_until_quiet(store)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = %s",
            [invalidation.APPLICATION_NAME],
        )

    assert wait_until(lambda: not _is_in_memory(row), 5, every=0.01) < 1


def test_without_notices_each_request_decrypts_and_retains_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _enroll(store, 1)
    monkeypatch.setattr(galleries, "is_listening", lambda: False)

    assert _finds(store, 1)
    assert not _is_in_memory(row)
    withdraw_consent(customer=_customer_of(row), purpose=IDENTIFICATION, by=_ACTOR)
    assert not _finds(store, 1)


def test_what_was_begun_before_the_memory_was_emptied_is_not_retained(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _enroll(store, 1)

    def lose_notices_meanwhile(*args: Any, **kwargs: Any) -> Any:
        drop_galleries()
        return open_templates(*args, **kwargs)

    monkeypatch.setattr(galleries, "open_templates", lose_notices_meanwhile)

    _gallery(store)

    assert not _is_in_memory(row)


def test_stores_of_other_groups_and_other_models_are_left_out(store: Store) -> None:
    elsewhere = StoreFactory.create(province=store.province)
    _enroll(elsewhere, 1)
    _enroll(store, 2, model="another-model")
    _enroll(store, 3)

    gallery = _gallery(store)

    assert len(gallery) == 1
    assert _finds(store, 3)
    assert _finds(elsewhere, 1)


def test_a_refused_template_is_left_out_and_audited_once(store: Store) -> None:
    row, other = _enroll(store, 1), _enroll(store, 2)
    CustomerBiometric.objects.filter(pk=row.pk).update(encrypted_template=other.encrypted_template)
    _load_until_quiet(store)
    _enroll(store, 3)

    wait_until(lambda: _finds(store, 3), 5)

    assert not _finds(store, 1)
    refusals = AuditEntry.objects.filter(action=AuditEntry.Action.REFUSE)
    assert [entry.template_id for entry in refusals] == [row.pk]


def test_a_forked_process_has_no_templates_of_its_parent(store: Store) -> None:
    _enroll(store, 1)
    gallery = _load_until_quiet(store)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()

    def report() -> None:
        queue.put((len(galleries._galleries.loaded), bool(gallery._vectors.any())))

    process = context.Process(target=report)
    process.start()
    process.join(30)

    assert queue.get() == (0, False)
    assert gallery._vectors.any()
