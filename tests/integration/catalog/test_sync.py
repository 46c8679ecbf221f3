"""The main job: a supplier's feed becomes products, once; a broken feed touches nothing."""

import threading
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from catalog.models import CatalogSource, Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.listings import source_checksum
from config.clients.http import HttpClient, HttpFailed
from config.errors import CultivarError
from mlops.models import Alert, QuarantinedRecord, Run
from mlops.pipelines import processing
from mlops.pipelines.definitions import SaveCounts
from mlops.pipelines.dry_run import dry_run_source, save_dry_run
from mlops.pipelines.errors import FeedSuspicious, SourceBusy, SourceUnavailable
from mlops.pipelines.runner import process_landed_runs, process_remaining_bundles, run_source
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)


def _sync(supplier: SampleSupplier, code: str = "ocs") -> Run:
    return run_source(SUPPLIER_PRODUCTS, code=code, base_url=f"{supplier.url}/{code}")


CODES = ["ocs", "ocs-wholesale", "aglc", "sqdc"]


@pytest.mark.parametrize("code", CODES)
def test_second_sync_changes_nothing(supplier: SampleSupplier, code: str) -> None:
    first, second = _sync(supplier, code), _sync(supplier, code)
    assert first.new == first.read > 0
    assert (second.new, second.changed, second.unchanged) == (0, 0, first.new)
    assert second.checksum_out == first.checksum_out


def test_english_and_french_listings_are_one_product(supplier: SampleSupplier) -> None:
    _sync(supplier)
    product = Product.objects.get(gtin="00628124825080")
    assert (product.name, product.name_fr) == ("Cuban Linx Pre-Roll", "Linx cubain")
    assert SupplierListing.objects.filter(merge_key=product.merge_key).count() == 2


def test_changed_price_reaches_the_product(supplier: SampleSupplier) -> None:
    _sync(supplier)
    sku = supplier.ocs[0]["variants"][0]["sku"]
    supplier.ocs[0]["variants"][0]["price"] = "12.34"
    run = _sync(supplier)
    assert (run.new, run.changed) == (0, 1)
    assert str(Product.objects.get(sku=sku.rstrip("_")).price) == "12.34"


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    "fault", ["500", "403", "404", "truncated", "html", "empty", "half", "drift", "bomb"]
)
def test_broken_feed_touches_nothing_and_the_next_run_recovers(
    supplier: SampleSupplier, fault: str, code: str
) -> None:
    before = _sync(supplier, code).checksum_out
    supplier.fault = fault
    with pytest.raises(CultivarError):
        _sync(supplier, code)
    failed = Run.objects.first()
    assert failed is not None
    assert failed.status == Run.Status.FAILED
    assert failed.error
    assert Alert.objects.filter(closed_at=None).count() == 1
    assert source_checksum(code) == before
    assert not SupplierListing.objects.exclude(gone_at=None).exists()
    supplier.fault = None
    assert _sync(supplier, code).checksum_out == before
    assert not Alert.objects.filter(closed_at=None).exists()


def test_malformed_product_is_quarantined_and_the_others_go_on(supplier: SampleSupplier) -> None:
    supplier.fault = "malformed-product"
    run = _sync(supplier)
    assert (run.rejected, run.new) == (1, run.read - 1)
    assert QuarantinedRecord.objects.get().payload == {"id": 1, "title": "No variants"}


def test_run_that_died_while_refining_is_finished_later(supplier: SampleSupplier) -> None:
    run = _sync(supplier)
    SupplierListing.objects.all().delete()
    run.raw_records.update(processed_at=None, processed_records=0)
    Run.objects.filter(pk=run.pk).update(status=Run.Status.LANDED)
    assert process_landed_runs(SUPPLIER_PRODUCTS) == 1
    run_again = Run.objects.get(pk=run.pk)
    assert (run_again.status, run_again.checksum_out) == (Run.Status.SUCCEEDED, run.checksum_out)


def test_rehearsal_counts_and_writes_nothing(supplier: SampleSupplier) -> None:
    rehearsal = dry_run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
    assert rehearsal.run.new > 0
    assert not Product.objects.exists()
    assert not Run.objects.exists()


def test_wait_that_a_source_asks_for_is_kept(supplier: SampleSupplier) -> None:
    supplier.fault = "429"
    assert _sync(supplier, "aglc").new == 120
    assert supplier.refusals == 1


def test_slow_drip_ends(supplier: SampleSupplier) -> None:
    supplier.fault = "drip"
    client = HttpClient(base_url=f"{supplier.url}/ocs", retries=0, total_timeout_seconds=0.5)
    with client, pytest.raises(HttpFailed, match="took more than"):
        client.get("products.json")


def test_few_listings_that_vanish_are_gone_and_may_return(supplier: SampleSupplier) -> None:
    first = _sync(supplier, "aglc")
    kept = supplier.aglc["Dried Flower"]
    supplier.aglc["Dried Flower"] = kept[5:]
    second = _sync(supplier, "aglc")
    assert (second.gone, second.changed) == (5, 0)
    assert SupplierListing.objects.exclude(gone_at=None).count() == 5
    supplier.aglc["Dried Flower"] = kept
    third = _sync(supplier, "aglc")
    assert (third.gone, third.new, third.checksum_out) == (0, 0, first.checksum_out)


def test_many_vanish_only_when_a_person_accepts(supplier: SampleSupplier) -> None:
    _sync(supplier, "aglc")
    supplier.aglc["Dried Flower"] = supplier.aglc["Dried Flower"][:60]
    with pytest.raises(FeedSuspicious, match="60 of 120 listings of aglc would vanish"):
        _sync(supplier, "aglc")
    run = run_source(SUPPLIER_PRODUCTS, code="aglc", base_url=f"{supplier.url}/aglc", accept=True)
    assert run.gone == 60
    assert not Alert.objects.filter(closed_at=None).exists()


def test_leap_of_prices_stops_at_the_limit_of_the_source(supplier: SampleSupplier) -> None:
    _sync(supplier, "aglc")
    for variant in supplier.aglc["Dried Flower"][:20]:
        variant["AdjustedPrice"] = "CAD $999.00"
    with pytest.raises(FeedSuspicious, match="20 of 120 prices"):
        _sync(supplier, "aglc")
    CatalogSource.objects.filter(pk="aglc").update(max_price_jump_percent=20)
    assert _sync(supplier, "aglc").changed == 20


def test_part_of_a_feed_says_nothing_of_what_is_gone(supplier: SampleSupplier) -> None:
    _sync(supplier, "aglc")
    run = run_source(SUPPLIER_PRODUCTS, code="aglc", base_url=f"{supplier.url}/aglc", limit=10)
    assert (run.read, run.gone) == (10, 0)


def test_aglc_potency_in_two_units_is_one_and_the_impossible_is_flagged(
    supplier: SampleSupplier,
) -> None:
    _sync(supplier, "aglc")
    units = set(SupplierListing.objects.exclude(thc_unit=None).values_list("thc_unit", flat=True))
    assert units == {"percent"}
    flagged = SupplierListing.objects.get(external_id="A000040")
    assert (flagged.thc_low, "thc_unread" in flagged.flags) == (None, True)
    assert SupplierListing.objects.filter(thc_high__gt=40).count() == 0


def test_second_run_at_once_is_refused_and_touches_nothing(supplier: SampleSupplier) -> None:
    supplier.hold()
    finished: list[Run] = []

    def run_first() -> None:
        finished.append(_sync(supplier))
        connection.close()

    first = threading.Thread(target=run_first)
    first.start()
    try:
        deadline = time.monotonic() + 30
        while not supplier.is_waited_for and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(SourceBusy):
            _sync(supplier)
        assert Run.objects.count() == 1
    finally:
        supplier.release()
        first.join(30)
    assert finished[0].status == Run.Status.SUCCEEDED


def test_only_what_changed_is_sent_and_refined_again(supplier: SampleSupplier) -> None:
    _sync(supplier)
    supplier.ocs[0]["variants"][0]["price"] = "12.34"
    run = _sync(supplier)
    records = {record.bundle: record for record in run.raw_records.all()}
    assert supplier.unmodified == len(records) - 1 > 0
    assert [record.is_unmodified for _, record in sorted(records.items())] == [False, True]
    assert (run.changed, run.read) == (1, 556)
    assert (
        run_source(
            SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs", full_refresh=True
        ).unchanged
        == 556
    )
    assert supplier.unmodified == len(records) - 1


def test_part_of_a_feed_in_between_is_not_taken_for_the_whole(supplier: SampleSupplier) -> None:
    _sync(supplier)
    price = supplier.ocs[0]["variants"][0]["price"]
    supplier.ocs[0]["variants"][0]["price"] = "12.34"
    part = run_source(
        SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs", limit=5, accept=True
    )
    assert part.changed == 1
    supplier.ocs[0]["variants"][0]["price"] = price
    assert _sync(supplier).changed == 1


def test_run_interrupted_between_pages_goes_on_where_it_was(supplier: SampleSupplier) -> None:
    whole = _sync(supplier, "sqdc")
    asked = supplier.asked
    interrupted = Run.objects.create(pipeline=whole.pipeline, source="sqdc")
    first = whole.raw_records.filter(bundle="fr-CA/0001")
    for record in first:
        record.pk, record.run, record.processed_at, record.etag = uuid4(), interrupted, None, ""
        record.save(force_insert=True)
    run = _sync(supplier, "sqdc")
    assert run.pk == interrupted.pk
    assert supplier.asked - asked == asked - first.count()
    assert (run.status, run.checksum_out) == (Run.Status.SUCCEEDED, whole.checksum_out)


def test_run_interrupted_within_a_page_saves_only_the_rest(
    supplier: SampleSupplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "BATCH_SIZE", 100)
    saves: list[int] = []

    def save_twice(*, listings: list[Any], **more: Any) -> SaveCounts:
        if len(saves) == 2:
            raise KeyboardInterrupt
        saves.append(len(listings))
        return SUPPLIER_PRODUCTS.save(listings=listings, **more)

    with pytest.raises(KeyboardInterrupt):
        run_source(
            replace(SUPPLIER_PRODUCTS, save=save_twice), code="ocs", base_url=f"{supplier.url}/ocs"
        )
    assert SupplierListing.objects.count() == 200
    assert process_landed_runs(SUPPLIER_PRODUCTS) == 1
    run = Run.objects.get()
    assert (run.read, run.new, run.status) == (556, 556, Run.Status.SUCCEEDED)


def test_freshness_is_the_time_of_the_data(supplier: SampleSupplier) -> None:
    _sync(supplier)
    assert str(CatalogSource.objects.get(pk="ocs").newest_event_at) == "2026-05-28 12:00:00+00:00"
    before = timezone.now()
    _sync(supplier, "aglc")
    changed_at = CatalogSource.objects.get(pk="aglc").newest_event_at
    assert changed_at is not None
    assert changed_at > before
    _sync(supplier, "aglc")
    assert CatalogSource.objects.get(pk="aglc").newest_event_at == changed_at


def test_rehearsal_tells_what_would_stop_a_run_and_what_it_would_change(
    supplier: SampleSupplier,
) -> None:
    _sync(supplier, "aglc")
    checksum = source_checksum("aglc")
    for variant in supplier.aglc["Dried Flower"][:20]:
        variant["AdjustedPrice"] = "CAD $999.00"
    rehearsal = dry_run_source(SUPPLIER_PRODUCTS, code="aglc", base_url=f"{supplier.url}/aglc")
    assert rehearsal.objection == "20 of 120 prices of aglc change by more than half."
    assert len(rehearsal.differences) == 20
    assert rehearsal.differences[0].after == {"price": "999"}
    assert source_checksum("aglc") == checksum
    report = save_dry_run(rehearsal).report or {}
    assert report["differences"][0]["after"] == {"price": "999"}
    assert _sync(supplier, "ocs").new  # a rehearsal is no run to go on from


def test_limit_of_requests_is_kept(supplier: SampleSupplier) -> None:
    CatalogSource.objects.filter(pk="ocs").update(requests_per_second=20)
    began = time.monotonic()
    _sync(supplier)  # two pages and the empty one
    assert time.monotonic() - began > 2 / 20


def test_proof_of_identity_is_sent_and_kept_sealed(supplier: SampleSupplier) -> None:
    row = CatalogSource.objects.get(pk="ocs")
    row.authentication, row.secret = CatalogSource.Authentication.BEARER, "open sesame"
    row.save()
    assert b"sesame" not in bytes(row.sealed_secret or b"")
    supplier.wants = "Bearer open sesame"
    assert _sync(supplier).new > 0
    row.secret = "close sesame"
    row.save()
    with pytest.raises(SourceUnavailable, match="401"):
        _sync(supplier)


def test_two_processes_refine_one_run(supplier: SampleSupplier) -> None:
    whole = _sync(supplier)
    SupplierListing.objects.all().delete()
    Run.objects.all().update(is_partial=True)
    helped: list[int] = []

    def help_from_elsewhere(run: Run) -> None:
        def help_it() -> None:
            helped.append(process_remaining_bundles(SUPPLIER_PRODUCTS, Run.objects.get(pk=run.pk)))
            connection.close()

        helper = threading.Thread(target=help_it)
        helper.start()
        helper.join()

    run = run_source(
        SUPPLIER_PRODUCTS,
        code="ocs",
        base_url=f"{supplier.url}/ocs",
        start_helpers=help_from_elsewhere,
    )
    assert helped == [2]
    assert (run.new, run.read, run.checksum_out) == (556, 556, whole.checksum_out)


def test_what_a_source_no_longer_sends_is_not_left_in_a_run_that_goes_on(
    supplier: SampleSupplier,
) -> None:
    whole = _sync(supplier)
    interrupted = Run.objects.create(pipeline=whole.pipeline, source="ocs")
    extra = whole.raw_records.get(bundle="products/0001")
    extra.pk, extra.run, extra.bundle, extra.processed_at, extra.request_key = (
        uuid4(),
        interrupted,
        "products/0009",
        None,
        "",
    )
    extra.save(force_insert=True)
    run = _sync(supplier)
    assert run.pk == interrupted.pk
    assert sorted(run.raw_records.values_list("bundle", flat=True)) == [
        "products/0001",
        "products/0002",
    ]
    assert (run.read, run.checksum_out) == (556, whole.checksum_out)


def test_counts_of_a_run_that_fails_midway_are_kept(
    supplier: SampleSupplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "BATCH_SIZE", 100)
    saves: list[int] = []

    def save_twice(*, listings: list[Any], **more: Any) -> SaveCounts:
        if len(saves) == 2:
            raise SourceUnavailable("the database has gone")
        saves.append(len(listings))
        return SUPPLIER_PRODUCTS.save(listings=listings, **more)

    with pytest.raises(SourceUnavailable):
        run_source(
            replace(SUPPLIER_PRODUCTS, save=save_twice), code="ocs", base_url=f"{supplier.url}/ocs"
        )
    run = Run.objects.get()
    assert (run.status, run.read, run.new) == (Run.Status.FAILED, 200, 200)
    again = _sync(supplier)
    assert (again.new, again.unchanged) == (356, 200)
