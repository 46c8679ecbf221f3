"""Supplier pipeline: a feed becomes products; a broken feed changes nothing."""

import threading
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from botocore.config import Config
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from catalog.models import CatalogSource, Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.listings import source_checksum
from config.clients.http import HttpClient, HttpFailed
from config.clients.objects import ObjectsUnavailable
from config.errors import CultivarError
from mlops.models import Alert, QuarantinedRecord, Run
from mlops.pipelines import processing
from mlops.pipelines.definitions import SaveCounts
from mlops.pipelines.dry_run import dry_run_source, save_dry_run
from mlops.pipelines.errors import FeedSuspicious, SourceBusy, SourceUnavailable
from mlops.pipelines.runner import process_landed_runs, process_remaining_bundles, run_source
from tests.polling import wait_until
from tests.samples.suppliers.server import SampleSupplier
from tests.servers import s3

pytestmark = pytest.mark.django_db(transaction=True)


def _sync(supplier: SampleSupplier, code: str = "ocs") -> Run:
    return run_source(SUPPLIER_PRODUCTS, code=code, base_url=f"{supplier.url}/{code}")


CODES = ["ocs", "ocs-wholesale", "aglc", "sqdc"]


@pytest.mark.parametrize("code", CODES)
def test_second_sync_of_an_unchanged_feed_changes_nothing(
    supplier: SampleSupplier, code: str
) -> None:
    first = _sync(supplier, code)

    second = _sync(supplier, code)

    assert first.read > 0
    assert first.new == first.read
    assert (second.new, second.changed, second.unchanged) == (0, 0, first.new)
    assert second.checksum_out == first.checksum_out


def test_english_and_french_listings_are_one_product(supplier: SampleSupplier) -> None:
    _sync(supplier)
    product = Product.objects.get(gtin="00628124825080")

    assert (product.name, product.name_fr) == ("Cuban Linx Pre-Roll", "Linx cubain")
    assert SupplierListing.objects.filter(merge_key=product.merge_key).count() == 2


def test_changed_price_updates_the_product(supplier: SampleSupplier) -> None:
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
def test_broken_feed_changes_nothing_and_the_next_run_recovers(
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


def test_malformed_product_is_quarantined_and_others_are_saved(supplier: SampleSupplier) -> None:
    supplier.fault = "malformed-product"
    run = _sync(supplier)

    assert (run.rejected, run.new) == (1, run.read - 1)
    assert QuarantinedRecord.objects.get().payload == {"id": 1, "title": "No variants"}


def test_run_interrupted_while_processing_is_finished_later(supplier: SampleSupplier) -> None:
    run = _sync(supplier)
    SupplierListing.objects.all().delete()
    run.raw_records.update(processed_at=None, processed_records=0)
    Run.objects.filter(pk=run.pk).update(status=Run.Status.LANDED)

    assert process_landed_runs(SUPPLIER_PRODUCTS) == 1

    run_again = Run.objects.get(pk=run.pk)

    assert (run_again.status, run_again.checksum_out) == (Run.Status.SUCCEEDED, run.checksum_out)


def test_dry_run_counts_and_writes_nothing(supplier: SampleSupplier) -> None:
    dry_run = dry_run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")

    assert dry_run.run.new > 0
    assert not Product.objects.exists()
    assert not Run.objects.exists()


def test_retry_after_of_a_source_is_respected(supplier: SampleSupplier) -> None:
    supplier.fault = "429"
    assert _sync(supplier, "aglc").new == 120
    assert supplier.rate_limit_count == 1


def test_slowly_dripping_response_times_out(supplier: SampleSupplier) -> None:
    supplier.fault = "drip"
    client = HttpClient(base_url=f"{supplier.url}/ocs", retries=0, total_timeout_seconds=0.5)
    with client, pytest.raises(HttpFailed, match="took more than"):
        client.get("products.json")


def test_few_missing_listings_are_marked_gone_and_may_return(supplier: SampleSupplier) -> None:
    first = _sync(supplier, "aglc")
    variants = supplier.aglc["Dried Flower"]
    supplier.aglc["Dried Flower"] = variants[5:]
    second = _sync(supplier, "aglc")

    assert (second.gone, second.changed) == (5, 0)
    assert SupplierListing.objects.exclude(gone_at=None).count() == 5

    supplier.aglc["Dried Flower"] = variants
    third = _sync(supplier, "aglc")

    assert (third.gone, third.new, third.checksum_out) == (0, 0, first.checksum_out)


def test_many_missing_listings_need_acceptance(supplier: SampleSupplier) -> None:
    _sync(supplier, "aglc")
    supplier.aglc["Dried Flower"] = supplier.aglc["Dried Flower"][:60]

    with pytest.raises(FeedSuspicious, match="60 of 120 listings of aglc would be gone"):
        _sync(supplier, "aglc")

    run = run_source(SUPPLIER_PRODUCTS, code="aglc", base_url=f"{supplier.url}/aglc", accept=True)

    assert run.gone == 60
    assert not Alert.objects.filter(closed_at=None).exists()


def test_price_jumps_above_the_source_limit_stop_the_run(supplier: SampleSupplier) -> None:
    _sync(supplier, "aglc")
    for variant in supplier.aglc["Dried Flower"][:20]:
        variant["AdjustedPrice"] = "CAD $999.00"

    with pytest.raises(FeedSuspicious, match="20 of 120 prices"):
        _sync(supplier, "aglc")

    CatalogSource.objects.filter(pk="aglc").update(max_price_jump_percent=20)

    assert _sync(supplier, "aglc").changed == 20


def test_partial_run_marks_no_listing_gone(supplier: SampleSupplier) -> None:
    _sync(supplier, "aglc")
    run = run_source(SUPPLIER_PRODUCTS, code="aglc", base_url=f"{supplier.url}/aglc", limit=10)
    assert (run.read, run.gone) == (10, 0)


def test_aglc_potency_is_converted_to_percent_and_impossible_values_are_flagged(
    supplier: SampleSupplier,
) -> None:
    _sync(supplier, "aglc")
    units = set(SupplierListing.objects.exclude(thc_unit=None).values_list("thc_unit", flat=True))

    assert units == {"percent"}

    flagged = SupplierListing.objects.get(external_id="A000040")

    assert (flagged.thc_low, "thc_unread" in flagged.flags) == (None, True)
    assert SupplierListing.objects.filter(thc_high__gt=40).count() == 0


def test_concurrent_run_of_a_source_is_refused_and_changes_nothing(
    supplier: SampleSupplier,
) -> None:
    supplier.block()
    finished: list[Run] = []

    def run_first() -> None:
        finished.append(_sync(supplier))
        connection.close()

    first = threading.Thread(target=run_first)
    first.start()
    try:
        wait_until(lambda: supplier.has_blocked_requests, 30, every=0.02)
        with pytest.raises(SourceBusy):
            _sync(supplier)
        assert Run.objects.count() == 1
    finally:
        supplier.release()
        first.join(30)

    assert finished[0].status == Run.Status.SUCCEEDED


def test_only_changed_pages_are_sent_and_processed_again(supplier: SampleSupplier) -> None:
    _sync(supplier)
    supplier.ocs[0]["variants"][0]["price"] = "12.34"
    run = _sync(supplier)
    records = {record.bundle: record for record in run.raw_records.all()}

    assert len(records) > 1
    assert supplier.unmodified_count == len(records) - 1
    assert [record.is_unmodified for _, record in sorted(records.items())] == [False, True]
    assert (run.changed, run.read) == (1, 556)
    assert (
        run_source(
            SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs", full_refresh=True
        ).unchanged
        == 556
    )
    assert supplier.unmodified_count == len(records) - 1


def test_partial_run_does_not_hide_later_changes_of_the_feed(supplier: SampleSupplier) -> None:
    _sync(supplier)
    price = supplier.ocs[0]["variants"][0]["price"]
    supplier.ocs[0]["variants"][0]["price"] = "12.34"
    part = run_source(
        SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs", limit=5, accept=True
    )

    assert part.changed == 1

    supplier.ocs[0]["variants"][0]["price"] = price

    assert _sync(supplier).changed == 1


def test_run_interrupted_between_pages_resumes_without_repeating_requests(
    supplier: SampleSupplier,
) -> None:
    whole = _sync(supplier, "sqdc")
    requests_before = supplier.request_count
    interrupted = Run.objects.create(pipeline=whole.pipeline, source="sqdc")
    first = whole.raw_records.filter(bundle="fr-CA/0001")
    for record in first:
        record.pk = uuid4()
        record.run = interrupted
        record.processed_at = None
        record.etag = ""
        record.save(force_insert=True)
    run = _sync(supplier, "sqdc")

    assert run.pk == interrupted.pk
    assert supplier.request_count - requests_before == requests_before - first.count()
    assert (run.status, run.checksum_out) == (Run.Status.SUCCEEDED, whole.checksum_out)


def test_run_interrupted_within_a_page_saves_only_the_remaining_records(
    supplier: SampleSupplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "BATCH_SIZE", 100)
    saves: list[int] = []

    def save_twice(*, listings: list[Any], **options: Any) -> SaveCounts:
        if len(saves) == 2:
            raise KeyboardInterrupt
        saves.append(len(listings))
        return SUPPLIER_PRODUCTS.save(listings=listings, **options)

    with pytest.raises(KeyboardInterrupt):
        run_source(
            replace(SUPPLIER_PRODUCTS, save=save_twice), code="ocs", base_url=f"{supplier.url}/ocs"
        )
    assert SupplierListing.objects.count() == 200
    assert process_landed_runs(SUPPLIER_PRODUCTS) == 1

    run = Run.objects.get()

    assert (run.read, run.new, run.status) == (556, 556, Run.Status.SUCCEEDED)


def test_freshness_is_the_newest_time_in_the_data_or_of_a_change(supplier: SampleSupplier) -> None:
    _sync(supplier)

    assert str(CatalogSource.objects.get(pk="ocs").newest_event_at) == "2026-05-28 12:00:00+00:00"

    before = timezone.now()
    _sync(supplier, "aglc")
    changed_at = CatalogSource.objects.get(pk="aglc").newest_event_at

    assert changed_at is not None
    assert changed_at > before

    _sync(supplier, "aglc")

    assert CatalogSource.objects.get(pk="aglc").newest_event_at == changed_at


def test_time_in_the_future_makes_no_source_look_fresh(supplier: SampleSupplier) -> None:
    supplier.ocs[0]["updated_at"] = "2999-01-01T00:00:00-05:00"

    _sync(supplier)

    assert str(CatalogSource.objects.get(pk="ocs").newest_event_at) == "2026-05-28 12:00:00+00:00"


def test_dry_run_reports_objection_and_differences(
    supplier: SampleSupplier,
) -> None:
    _sync(supplier, "aglc")
    checksum = source_checksum("aglc")
    for variant in supplier.aglc["Dried Flower"][:20]:
        variant["AdjustedPrice"] = "CAD $999.00"
    dry_run = dry_run_source(SUPPLIER_PRODUCTS, code="aglc", base_url=f"{supplier.url}/aglc")

    assert dry_run.objection == "20 of 120 prices of aglc change by more than half."
    assert len(dry_run.differences) == 20
    assert dry_run.differences[0].after == {"price": "999"}
    assert source_checksum("aglc") == checksum

    report = save_dry_run(dry_run).report or {}

    assert report["differences"][0]["after"] == {"price": "999"}
    assert _sync(supplier, "ocs").new  # a run does not resume from a dry run


def test_request_rate_limit_is_respected(supplier: SampleSupplier) -> None:
    CatalogSource.objects.filter(pk="ocs").update(requests_per_second=20)
    started = time.monotonic()
    _sync(supplier)  # two pages and the empty one

    assert time.monotonic() - started > 2 / 20


def test_credentials_are_sent_and_stored_encrypted(supplier: SampleSupplier) -> None:
    row = CatalogSource.objects.get(pk="ocs")
    row.authentication = CatalogSource.Authentication.BEARER
    row.secret = "open sesame"
    row.save()

    assert b"sesame" not in bytes(row.sealed_secret or b"")

    supplier.required_authorization = "Bearer open sesame"

    assert _sync(supplier).new > 0

    row.secret = "close sesame"
    row.save()

    with pytest.raises(SourceUnavailable, match="401"):
        _sync(supplier)


def test_two_processes_share_one_run(supplier: SampleSupplier) -> None:
    whole = _sync(supplier)
    SupplierListing.objects.all().delete()
    Run.objects.all().update(is_partial=True)
    helped_bundles: list[int] = []

    def help_from_another_thread(run: Run) -> None:
        def process_bundles() -> None:
            helped_bundles.append(
                process_remaining_bundles(SUPPLIER_PRODUCTS, Run.objects.get(pk=run.pk))
            )
            connection.close()

        helper = threading.Thread(target=process_bundles)
        helper.start()
        helper.join()

    run = run_source(
        SUPPLIER_PRODUCTS,
        code="ocs",
        base_url=f"{supplier.url}/ocs",
        start_helpers=help_from_another_thread,
    )

    assert helped_bundles == [2]
    assert (run.new, run.read, run.checksum_out) == (556, 556, whole.checksum_out)


def test_resumed_run_drops_pages_that_the_source_no_longer_sends(
    supplier: SampleSupplier,
) -> None:
    whole = _sync(supplier)
    interrupted = Run.objects.create(pipeline=whole.pipeline, source="ocs")
    extra = whole.raw_records.get(bundle="products/0001")
    extra.pk = uuid4()
    extra.run = interrupted
    extra.bundle = "products/0009"
    extra.processed_at = None
    extra.request_key = ""
    extra.save(force_insert=True)
    run = _sync(supplier)

    assert run.pk == interrupted.pk
    assert sorted(run.raw_records.values_list("bundle", flat=True)) == [
        "products/0001",
        "products/0002",
    ]
    assert (run.read, run.checksum_out) == (556, whole.checksum_out)


def test_counts_of_a_failed_run_are_recorded(
    supplier: SampleSupplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "BATCH_SIZE", 100)
    saves: list[int] = []

    def save_twice(*, listings: list[Any], **options: Any) -> SaveCounts:
        if len(saves) == 2:
            raise SourceUnavailable("the database has gone")
        saves.append(len(listings))
        return SUPPLIER_PRODUCTS.save(listings=listings, **options)

    with pytest.raises(SourceUnavailable):
        run_source(
            replace(SUPPLIER_PRODUCTS, save=save_twice), code="ocs", base_url=f"{supplier.url}/ocs"
        )

    run = Run.objects.get()

    assert (run.status, run.read, run.new) == (Run.Status.FAILED, 200, 200)

    again = _sync(supplier)

    assert (again.new, again.unchanged) == (356, 200)


def test_run_waits_while_object_storage_is_down_and_is_resumed_afterwards(
    supplier: SampleSupplier,
) -> None:
    entry = s3.S3("http://127.0.0.1:1", "key", "secret", "bucket").storage()
    entry["OPTIONS"]["client_config"] = Config(retries={"total_max_attempts": 1})

    with (
        override_settings(STORAGES={**settings.STORAGES, "default": entry}),
        pytest.raises(ObjectsUnavailable),
    ):
        _sync(supplier)

    waiting = Run.objects.get()
    assert (waiting.status, waiting.finished_at) == (Run.Status.RUNNING, None)
    assert Alert.objects.filter(code="objects_unavailable", subject="ocs", closed_at=None).exists()
    assert not Product.objects.exists()

    resumed = _sync(supplier)

    assert (resumed.pk, resumed.status) == (waiting.pk, Run.Status.SUCCEEDED)
    assert not Alert.objects.filter(code="objects_unavailable", closed_at=None).exists()
    assert Product.objects.exists()
