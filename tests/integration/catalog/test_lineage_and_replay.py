"""Values traced back to bytes and forward from them; quarantined records mended and replayed, once."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from catalog.lineage import trace_field, trace_raw
from catalog.models import Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.corrections import correct_products
from mlops.models import Operation, QuarantinedRecord, RawRecord, Run
from mlops.pipelines.replay import ReplayRefused, dismiss, replay
from mlops.pipelines.runner import run_source
from mlops.quality.integrity import check_integrity
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(supplier: SampleSupplier) -> Run:
    """A run of a source whose feed holds one record that is rejected."""
    supplier.fault = "malformed-product"
    return run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")


@pytest.mark.parametrize("code", ["ocs", "ocs-wholesale", "aglc", "sqdc"])
def test_every_source_reads_its_payloads_again(supplier: SampleSupplier, code: str) -> None:
    run = run_source(SUPPLIER_PRODUCTS, code=code, base_url=f"{supplier.url}/{code}")
    listing = SupplierListing.objects.filter(run=run).order_by("pk")[0]
    product = Product.objects.get(merge_key=listing.merge_key)
    (origin,) = [o for o in trace_field(product, "name").origins if o.listing.pk == listing.pk]
    payload = json.loads(origin.payload)
    (record,) = SUPPLIER_PRODUCTS.source(code).records_of(payload)
    assert (record.external_id, record.language, dict(record.payload)) == (
        listing.external_id,
        listing.language,
        payload,
    )


def test_field_is_traced_to_its_bytes_and_back(run: Run, admin_user: User) -> None:
    product = Product.objects.filter(thc_percentage__isnull=False).order_by("pk")[0]
    correct_products(
        changes={product.pk: {"brand": "Ours"}}, by=admin_user, reason="read the label"
    )
    trace = trace_field(product, "thc_percentage")
    origin = next(o for o in trace.origins if o.is_source_of_value)
    assert origin.run == run
    assert not any(raw.problem for raw in origin.raw)
    assert origin.listing.external_id in origin.payload
    touched = trace_raw(origin.raw[0].record)
    assert product.pk in {p.pk for p in touched.products}
    assert origin.listing.pk in {listing.pk for listing, is_last in touched.listings if is_last}
    out = StringIO()
    call_command("trace", "product", str(product.pk), "brand", stdout=out)
    for fact in (
        "Ours",
        "read the label",
        origin.raw[0].record.content_hash,
        "bytes match their hash",
        str(run.pk),
        "listing ocs",
    ):
        assert fact in out.getvalue()
    out = StringIO()
    call_command("trace", "raw", str(origin.raw[0].record.pk), stdout=out)
    assert str(product.pk) in out.getvalue()


def test_altered_bytes_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product.objects.order_by("pk")[0]
    monkeypatch.setattr(
        "mlops.pipelines.landing.default_storage.open", lambda _key: StringIO("x"), raising=False
    )

    def broken(_records: Any) -> None:
        raise ValueError("the stored bytes do not match their hash")

    monkeypatch.setattr("catalog.lineage.reread", broken)
    assert "do not match" in trace_field(product, "name").origins[0].raw[0].problem


@pytest.mark.parametrize(
    "arguments",
    [("product", "nothing"), ("raw", "x"), ("raw", "00000000-0000-0000-0000-000000000000")],
)
def test_unknown_is_one_line(arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match="There is no") as refused:
        call_command("trace", *arguments)
    assert refused.value.returncode == 2


def test_pages_show_both_roads(admin_client: Client, run: Run) -> None:
    product = Product.objects.order_by("pk")[0]
    page = admin_client.get(
        reverse("admin:catalog_product_lineage", args=[product.pk]), {"field": "price"}
    )
    assert page.status_code == 200
    raw = RawRecord.objects.filter(run=run)[0]
    assert raw.content_hash in page.content.decode() or RawRecord.objects.count() > 1
    forward = admin_client.get(
        reverse("admin:catalog_product_touched", args=[raw.pk])
    ).content.decode()
    assert "written by this run" in forward
    assert (
        admin_client.get(
            reverse("admin:catalog_product_lineage", args=[product.pk]), {"field": "id"}
        ).status_code
        == 404
    )


def _mended(record: QuarantinedRecord) -> dict[str, Any]:
    variant = {"sku": "900001_3.5g___", "title": "3.5g", "price": "19.95"}
    return {
        **record.payload,
        "title": "Mended Kush",
        "vendor": "House",
        "product_type": "Dried Flower",
        "variants": [variant],
    }


def test_mended_record_becomes_a_product_once(
    run: Run, supplier: SampleSupplier, admin_user: User
) -> None:
    assert check_integrity() == []
    record, count = QuarantinedRecord.objects.get(), Product.objects.count()
    with pytest.raises(ReplayRefused, match="no variants"):
        replay(SUPPLIER_PRODUCTS, record=record, by=admin_user)
    replay(SUPPLIER_PRODUCTS, record=record, by=admin_user, payload=_mended(record))
    assert Product.objects.count() == count + 1
    assert Product.objects.get(name="Mended Kush").brand == "House"
    with pytest.raises(ReplayRefused, match="replayed already"):
        replay(SUPPLIER_PRODUCTS, record=record, by=admin_user, payload=_mended(record))
    run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs", afresh=True)
    record.refresh_from_db()
    assert (record.outcome, record.closed_by, record.times_seen) == ("replayed", admin_user, 2)
    assert Product.objects.count() == count + 1
    assert SupplierListing.objects.get(name="Mended Kush").gone_at is None
    assert Operation.objects.filter(kind="replay", actor=admin_user).count() == 1
    assert check_integrity() == []


def test_console_mends_tries_and_replays(admin_client: Client, run: Run) -> None:
    record = QuarantinedRecord.objects.get()
    page = reverse("admin:mlops_quarantinedrecord_mend", args=[record.pk])
    assert "No variants" in admin_client.get(page).content.decode()
    still = admin_client.post(
        page, {"payload": json.dumps(record.payload), "try": "yes"}
    ).content.decode()
    assert "Still rejected" in still
    assert (
        "Enter a valid JSON"
        in admin_client.post(page, {"payload": "{", "try": "yes"}).content.decode()
    )
    assert (
        "not in the shape"
        in admin_client.post(
            page, {"payload": '{"variants": [{"sku": 1}], "tags": 5}', "try": "yes"}
        ).content.decode()
    )
    mended = {"payload": json.dumps(_mended(record))}
    assert "Mended Kush" in admin_client.post(page, {**mended, "try": "yes"}).content.decode()
    assert not Product.objects.filter(name="Mended Kush").exists()
    assert admin_client.post(page, {**mended, "replay": "yes"}).status_code == 302
    assert Product.objects.filter(name="Mended Kush").count() == 1
    again = admin_client.post(page, {**mended, "replay": "yes"}, follow=True).content.decode()
    assert "replayed already" in again


def test_record_is_put_away(run: Run, admin_user: User) -> None:
    record = QuarantinedRecord.objects.get()
    dismiss(record=record, by=admin_user)
    with pytest.raises(ReplayRefused, match="dismissed already"):
        dismiss(record=record, by=admin_user)


def test_command_replays_what_rules_accept_now(run: Run) -> None:
    record = QuarantinedRecord.objects.get()
    QuarantinedRecord.objects.update(payload=_mended(record))  # as if today's rules read it
    out = StringIO()
    call_command("replay_quarantine", "--dry-run", stdout=out)
    assert "1 would be replayed, 0 are" in out.getvalue()
    assert not Product.objects.filter(name="Mended Kush").exists()
    call_command("replay_quarantine", "--source", "ocs", stdout=out)
    assert Product.objects.filter(name="Mended Kush").count() == 1
    with pytest.raises(CommandError, match="Nothing of"):
        call_command("replay_quarantine", "--source", "nobody")
