"""Lineage of values back to raw bytes and forward; fixing and replaying quarantined records."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from catalog.lineage import trace_field, trace_raw_record
from catalog.models import Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.corrections import correct_products
from mlops.models import Operation, QuarantinedRecord, RawRecord, Run
from mlops.pipelines.replay import ReplayRefused, dismiss, replay
from mlops.pipelines.runner import run_source
from mlops.quality.integrity_check import check_integrity
from tests.integration.console import message_levels
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(supplier: SampleSupplier) -> Run:
    """Return a run with one rejected record."""
    supplier.fault = "malformed-product"
    return run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")


@pytest.fixture
def record(run: Run) -> QuarantinedRecord:
    """Return the rejected record."""
    return QuarantinedRecord.objects.get()


@pytest.mark.parametrize("code", ["ocs", "ocs-wholesale", "aglc", "sqdc"])
def test_payload_from_the_raw_bytes_gives_the_same_record_again(
    supplier: SampleSupplier, code: str
) -> None:
    run = run_source(SUPPLIER_PRODUCTS, code=code, base_url=f"{supplier.url}/{code}")
    listing = SupplierListing.objects.filter(run=run).order_by("pk")[0]
    product = Product.objects.get(merge_key=listing.merge_key)

    origins = trace_field(product, "name").origins

    (origin,) = [o for o in origins if o.listing.pk == listing.pk]
    payload = json.loads(origin.payload)
    (parsed,) = SUPPLIER_PRODUCTS.source(code).parse_payload(payload)
    assert parsed.external_id == listing.external_id
    assert parsed.language == listing.language
    assert dict(parsed.payload) == payload


def test_field_is_traced_to_verified_bytes_and_the_bytes_to_the_product(run: Run) -> None:
    product = Product.objects.filter(thc_percentage__isnull=False).order_by("pk")[0]

    field_trace = trace_field(product, "thc_percentage")
    origin = next(o for o in field_trace.origins if o.is_source_of_value)
    raw_trace = trace_raw_record(origin.raw_records[0].record)

    assert origin.run == run
    assert not any(raw.problem for raw in origin.raw_records)
    assert origin.listing.external_id in origin.payload
    assert product.pk in {p.pk for p in raw_trace.products}
    last_written = {listing.pk for listing, is_last_writer in raw_trace.listings if is_last_writer}
    assert origin.listing.pk in last_written


def test_command_prints_the_trace_of_a_corrected_field(run: Run, admin_user: User) -> None:
    product = Product.objects.filter(thc_percentage__isnull=False).order_by("pk")[0]
    correct_products(
        changes={product.pk: {"brand": "Ours"}}, by=admin_user, reason="read the label"
    )
    raw_record = trace_field(product, "brand").origins[0].raw_records[0].record

    field_output = StringIO()
    call_command("trace", "product", str(product.pk), "brand", stdout=field_output)
    raw_output = StringIO()
    call_command("trace", "raw", str(raw_record.pk), stdout=raw_output)

    for text in (
        "Ours",
        "read the label",
        raw_record.content_hash,
        "bytes match their hash",
        str(run.pk),
        "listing ocs",
    ):
        assert text in field_output.getvalue()
    assert str(product.pk) in raw_output.getvalue()


def test_altered_bytes_are_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product.objects.order_by("pk")[0]

    def fail(_records: Any) -> None:
        raise ValueError("the stored bytes do not match their hash")

    monkeypatch.setattr("catalog.lineage.read_landed", fail)

    assert "do not match" in trace_field(product, "name").origins[0].raw_records[0].problem


@pytest.mark.parametrize(
    "arguments",
    [("product", "nothing"), ("raw", "x"), ("raw", "00000000-0000-0000-0000-000000000000")],
)
def test_command_fails_with_one_line_for_an_unknown_id(arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match="not found") as refused:
        call_command("trace", *arguments)

    assert refused.value.returncode == 2
    assert "\n" not in str(refused.value)


def test_console_shows_both_traces(admin_client: Client, run: Run) -> None:
    product = Product.objects.order_by("pk")[0]
    raw_record = RawRecord.objects.filter(run=run)[0]
    lineage_page = reverse("admin:catalog_product_lineage", args=[product.pk])

    field_page = admin_client.get(lineage_page, {"field": "price"})
    raw_page = admin_client.get(reverse("admin:catalog_product_raw_lineage", args=[raw_record.pk]))
    unknown_field = admin_client.get(lineage_page, {"field": "id"})

    assert field_page.status_code == 200
    page_text = field_page.content.decode()
    assert raw_record.content_hash in page_text or RawRecord.objects.count() > 1
    raw_trace = raw_page.context["raw_trace"]
    assert [is_last_writer for _, is_last_writer in raw_trace.listings]
    assert all(is_last_writer for _, is_last_writer in raw_trace.listings)
    assert unknown_field.status_code == 404


def _fixed_payload(record: QuarantinedRecord) -> dict[str, Any]:
    variant = {"sku": "900001_3.5g___", "title": "3.5g", "price": "19.95"}
    return {
        **record.payload,
        "title": "Fixed Kush",
        "vendor": "House",
        "product_type": "Dried Flower",
        "variants": [variant],
    }


def test_fixed_record_becomes_a_product_once(
    record: QuarantinedRecord, supplier: SampleSupplier, admin_user: User
) -> None:
    assert check_integrity() == []
    count = Product.objects.count()
    payload = _fixed_payload(record)

    with pytest.raises(ReplayRefused, match="no variants"):
        replay(SUPPLIER_PRODUCTS, record=record, by=admin_user)
    replay(SUPPLIER_PRODUCTS, record=record, by=admin_user, payload=payload)

    assert Product.objects.count() == count + 1
    assert Product.objects.get(name="Fixed Kush").brand == "House"
    with pytest.raises(ReplayRefused, match="replayed already"):
        replay(SUPPLIER_PRODUCTS, record=record, by=admin_user, payload=payload)


def test_replayed_record_survives_the_next_run(
    record: QuarantinedRecord, supplier: SampleSupplier, admin_user: User
) -> None:
    replay(SUPPLIER_PRODUCTS, record=record, by=admin_user, payload=_fixed_payload(record))
    count = Product.objects.count()

    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs", full_refresh=True)

    record.refresh_from_db()
    assert record.outcome == "replayed"
    assert record.closed_by == admin_user
    assert record.times_seen == 2
    assert Product.objects.count() == count
    assert SupplierListing.objects.get(name="Fixed Kush").gone_at is None
    assert Operation.objects.filter(kind="replay", actor=admin_user).count() == 1
    assert check_integrity() == []


def _try_payload(client: Client, record: QuarantinedRecord, payload: str) -> Any:
    """Return the response to the preview of a replay."""
    page = reverse("admin:mlops_quarantinedrecord_fix", args=[record.pk])
    return client.post(page, {"payload": payload, "try": "yes"})


def test_console_shows_the_reason_of_a_payload_that_is_still_rejected(
    admin_client: Client, record: QuarantinedRecord
) -> None:
    response = _try_payload(admin_client, record, json.dumps(record.payload))

    assert response.context["accepted"] == []
    assert response.context["rejected"] == [record.reason]


def test_payload_that_is_no_json_is_an_error_of_its_field(
    admin_client: Client, record: QuarantinedRecord
) -> None:
    response = _try_payload(admin_client, record, "{")

    assert set(response.context["form"].errors) == {"payload"}


def test_payload_with_values_of_wrong_types_is_refused_with_an_error(
    admin_client: Client, record: QuarantinedRecord
) -> None:
    response = _try_payload(admin_client, record, '{"variants": [{"sku": 1}], "tags": 5}')

    assert message_levels(response) == ["error"]
    assert "accepted" not in response.context


def test_console_previews_and_replays_a_fixed_payload_once(
    admin_client: Client, record: QuarantinedRecord
) -> None:
    page = reverse("admin:mlops_quarantinedrecord_fix", args=[record.pk])
    assert "No variants" in admin_client.get(page).content.decode()
    form = {"payload": json.dumps(_fixed_payload(record))}

    preview = admin_client.post(page, {**form, "try": "yes"})
    assert "Fixed Kush" in preview.content.decode()
    assert not Product.objects.filter(name="Fixed Kush").exists()

    assert admin_client.post(page, {**form, "replay": "yes"}).status_code == 302
    assert Product.objects.filter(name="Fixed Kush").count() == 1

    second = admin_client.post(page, {**form, "replay": "yes"}, follow=True)
    assert message_levels(second) == ["success", "error"]
    assert Product.objects.filter(name="Fixed Kush").count() == 1


def test_console_fixes_a_record_field_by_field(
    admin_client: Client, record: QuarantinedRecord
) -> None:
    fixed = _fixed_payload(record)
    QuarantinedRecord.objects.update(payload={**fixed, "variants": []})
    page = reverse("admin:mlops_quarantinedrecord_fix", args=[record.pk])
    form = admin_client.get(page).context["form"]
    values = {
        key: json.dumps(fixed["variants"]) if field.label == "variants" else form[key].value()
        for key, field in form.fields.items()
    }

    response = admin_client.post(page, {**values, "replay": "yes"})

    assert response.status_code == 302, response.context["form"].errors
    assert Product.objects.filter(name="Fixed Kush").count() == 1


def test_closed_records_are_listed_on_request(
    admin_client: Client, record: QuarantinedRecord, admin_user: User
) -> None:
    page = reverse("admin:mlops_quarantinedrecord_changelist")
    open_before = list(admin_client.get(page).context["cl"].result_list)
    dismiss(record=record, by=admin_user)

    assert open_before == [record]
    assert list(admin_client.get(page).context["cl"].result_list) == []
    closed = admin_client.get(page, {"state": "closed"}).context["cl"].result_list
    assert list(closed) == [record]


def test_record_is_dismissed_once(record: QuarantinedRecord, admin_user: User) -> None:
    dismiss(record=record, by=admin_user)

    with pytest.raises(ReplayRefused, match="dismissed already"):
        dismiss(record=record, by=admin_user)


def test_command_replays_records_that_current_rules_accept(record: QuarantinedRecord) -> None:
    # As if the current rules accepted the received payload.
    QuarantinedRecord.objects.update(payload=_fixed_payload(record))
    output = StringIO()

    call_command("replay_quarantine", "--dry-run", stdout=output)
    assert "1 would be replayed, 0" in output.getvalue()
    assert not Product.objects.filter(name="Fixed Kush").exists()

    call_command("replay_quarantine", "--source", "ocs", stdout=output)
    assert Product.objects.filter(name="Fixed Kush").count() == 1


def test_replay_command_fails_for_a_source_without_quarantined_records(run: Run) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("replay_quarantine", "--source", "unknown")

    assert "unknown" in str(refused.value)
