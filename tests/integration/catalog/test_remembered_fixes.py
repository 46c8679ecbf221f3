"""Fixes of quarantined rows are applied again in later runs of the same list."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.lineage import trace_field
from catalog.models import CatalogSource, Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from mlops.models import LineageEntry, QuarantinedRecord, Run
from mlops.pipelines.dry_run import dry_run_source
from mlops.pipelines.replay import FixForgotten, forget_fix, replay
from mlops.pipelines.runner import run_source
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = "Name,Category,SKU,Size,Price"
GOOD = [f"Blue Dream {n},Dried Flower,B{n},7 g,{40 + n}.00" for n in range(5)]
FAULTY = "Pink Kush,Widgets,A1,3.5 g,29.95"
COLUMNS = {"name": "Name", "category": "Category", "sku": "SKU", "size": "Size", "price": "Price"}


def _run(*rows: str, code: str = "north") -> Run:
    """Run a list with these rows; the same code is the same list."""
    body = "\n".join([HEADER, *GOOD, *rows, ""]).encode()
    CatalogSource.objects.update_or_create(
        pk=code,
        defaults={
            "label": code.title(),
            "kind": "sheet",
            "file": default_storage.save(f"lists/{code}.csv", ContentFile(body)),
            "mapping": {"columns": COLUMNS, "id_columns": ["SKU"]},
            "max_gone_percent": 100,
            "max_price_jump_percent": 100,
        },
    )
    return run_source(SUPPLIER_PRODUCTS, code=code)


def _fix(by: User, **columns: str) -> QuarantinedRecord:
    """Replay the one open record with these columns changed."""
    record = QuarantinedRecord.objects.get(closed_at=None)
    payload = {**record.payload, **columns}
    replay(SUPPLIER_PRODUCTS, record=record, by=by, payload=payload)
    record.refresh_from_db()
    return record


def _open_reasons() -> list[str]:
    return list(QuarantinedRecord.objects.filter(closed_at=None).values_list("reason", flat=True))


def test_fixed_row_is_not_rejected_by_the_next_run_of_the_same_file(admin_user: User) -> None:
    first = _run(FAULTY)
    record = _fix(admin_user, Category="Dried Flower")

    second = _run(FAULTY)

    assert (first.rejected, second.rejected) == (1, 0)
    assert (second.new, second.changed, second.gone) == (0, 0, 0)
    assert SupplierListing.objects.get(sku="A1").category == "dried_flower"
    record.refresh_from_db()
    assert (record.last_run, record.times_seen) == (second, 2)


def test_other_columns_of_a_fixed_row_are_taken_as_they_come(admin_user: User) -> None:
    _run(FAULTY)
    _fix(admin_user, Category="Dried Flower")

    run = _run(FAULTY.replace("29.95", "31.50"))

    assert (run.rejected, run.changed) == (0, 1)
    assert str(SupplierListing.objects.get(sku="A1").price) == "31.50"
    assert QuarantinedRecord.objects.count() == 1


def test_another_faulty_value_is_quarantined_again(admin_user: User) -> None:
    _run(FAULTY)
    _fix(admin_user, Category="Dried Flower")

    run = _run(FAULTY.replace("Widgets", "Gadgets"))

    assert run.rejected == 1
    assert len(_open_reasons()) == 1
    assert "Gadgets" in _open_reasons()[0]


def test_edited_row_replaces_the_open_record_of_its_key() -> None:
    _run(FAULTY)

    _run(FAULTY.replace("29.95", "31.50"))

    records = QuarantinedRecord.objects.order_by("first_seen_at")
    assert [record.outcome for record in records] == ["superseded", ""]
    assert records[1].payload["Price"] == "31.50"


def test_superseded_record_is_opened_again_when_its_row_returns() -> None:
    _run(FAULTY)
    _run(FAULTY.replace("29.95", "31.50"))

    _run(FAULTY)

    (open_record,) = QuarantinedRecord.objects.filter(closed_at=None)
    assert open_record.payload["Price"] == "29.95"
    assert QuarantinedRecord.objects.count() == 2


def test_rows_that_share_a_key_in_one_run_stay_open_together() -> None:
    rows = (FAULTY, "Mango Gummies,Gadgets,A1,2 x 5 mg,9.95")
    _run(*rows)

    _run(*rows)

    assert len(_open_reasons()) == 2


def test_fix_of_the_key_applies_to_the_same_row_only(admin_user: User) -> None:
    _run("Pink Kush,Dried Flower,,3.5 g,29.95")
    _fix(admin_user, SKU="A1")

    run = _run("Pink Kush,Dried Flower,,3.5 g,29.95", "Mango Gummies,Edibles,,2 x 5 mg,9.95")

    assert run.rejected == 1
    assert QuarantinedRecord.objects.get(closed_at=None).payload["Name"] == "Mango Gummies"
    assert SupplierListing.objects.get(sku="A1", gone_at=None).name == "Pink Kush"


def test_fix_belongs_to_its_source(admin_user: User) -> None:
    _run(FAULTY)
    _fix(admin_user, Category="Dried Flower")

    run = _run(FAULTY, code="south")

    assert run.rejected == 1


def test_row_with_another_fault_is_quarantined_with_the_remembered_fix_in_it(
    admin_user: User,
) -> None:
    _run(FAULTY)
    _fix(admin_user, Category="Dried Flower")
    _run(FAULTY.replace("Pink Kush", "N/A"))

    record = _fix(admin_user, Name="Pink Kush")
    run = _run(FAULTY.replace("Pink Kush", "N/A"))

    assert record.payload["Category"] == "Dried Flower"
    assert run.rejected == 0


def test_row_of_a_forgotten_fix_is_quarantined_again(admin_user: User) -> None:
    _run(FAULTY)
    record = _fix(admin_user, Category="Dried Flower")
    forget_fix(record=record, by=admin_user)

    run = _run(FAULTY)

    record.refresh_from_db()
    assert run.rejected == 1
    assert (record.outcome, record.forgotten_by) == ("replayed", admin_user)
    assert QuarantinedRecord.objects.get(closed_at=None).payload == record.payload


def test_fix_is_forgotten_once(admin_user: User) -> None:
    _run(FAULTY)
    record = _fix(admin_user, Category="Dried Flower")
    forget_fix(record=record, by=admin_user)

    with pytest.raises(FixForgotten):
        forget_fix(record=record, by=admin_user)


def test_record_replayed_as_received_has_no_fix_to_forget(admin_user: User) -> None:
    _run(FAULTY)
    record = QuarantinedRecord.objects.get()
    # As if the current rules accepted the received payload.
    QuarantinedRecord.objects.update(payload={**record.payload, "Category": "Dried Flower"})
    replay(SUPPLIER_PRODUCTS, record=record, by=admin_user)

    with pytest.raises(FixForgotten):
        forget_fix(record=record, by=admin_user)


def test_provenance_names_the_remembered_fix(admin_user: User) -> None:
    _run(FAULTY)
    record = _fix(admin_user, Category="Dried Flower")
    run = _run(FAULTY.replace("29.95", "31.50"))
    listing = SupplierListing.objects.get(sku="A1")

    (origin,) = trace_field(Product.objects.get(merge_key=listing.merge_key), "category").origins

    assert "fixed_in_quarantine" in listing.flags
    assert origin.fixes == [record]
    assert '"Category": "Dried Flower"' in origin.payload
    entry = LineageEntry.objects.get(run=run, operation="mlops.remembered_fixes")
    assert entry.record_count == 1


def test_dry_run_applies_remembered_fixes(admin_user: User) -> None:
    _run(FAULTY)
    _fix(admin_user, Category="Dried Flower")

    dry_run = dry_run_source(SUPPLIER_PRODUCTS, code="north")

    assert dry_run.run.rejected == 0


def test_number_of_statements_does_not_grow_with_fixed_rows(admin_user: User) -> None:
    def statements(*rows: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            _run(*rows)
        return sum("quarantined_records" in query["sql"] for query in queries)

    rows = [FAULTY.replace("A1", f"A{number}") for number in range(8)]
    _run(*rows)
    for record in QuarantinedRecord.objects.filter(closed_at=None):
        payload = {**record.payload, "Category": "Dried Flower"}
        replay(SUPPLIER_PRODUCTS, record=record, by=admin_user, payload=payload)

    one, many = statements(rows[0]), statements(*rows)

    assert many <= one


def test_page_of_a_fixed_record_shows_what_is_replaced(
    admin_client: Client, admin_user: User
) -> None:
    _run(FAULTY)
    record = _fix(admin_user, Category="Dried Flower")

    page = admin_client.get(reverse("admin:mlops_quarantinedrecord_change", args=[record.pk]))

    assert page.context["replacements"] == [("Category", "Widgets", "Dried Flower")]


def test_button_ends_a_remembered_fix(admin_client: Client, admin_user: User) -> None:
    _run(FAULTY)
    record = _fix(admin_user, Category="Dried Flower")
    forget = reverse("admin:mlops_quarantinedrecord_forget", args=[record.pk])

    response = admin_client.post(forget, follow=True)

    record.refresh_from_db()
    assert message_levels(response) == ["success"]
    assert record.forgotten_by == admin_user
    assert "replacements" not in response.context


def test_fix_is_not_ended_without_permission(client: Client, admin_user: User) -> None:
    _run(FAULTY)
    record = _fix(admin_user, Category="Dried Flower")
    client.force_login(User.objects.create_user("viewer", is_staff=True))

    response = client.post(reverse("admin:mlops_quarantinedrecord_forget", args=[record.pk]))

    record.refresh_from_db()
    assert response.status_code == 403
    assert record.forgotten_at is None


def test_source_links_to_its_remembered_fixes(admin_client: Client, admin_user: User) -> None:
    _run(FAULTY)
    record = _fix(admin_user, Category="Dried Flower")
    source_page = admin_client.get(reverse("admin:catalog_catalogsource_change", args=["north"]))

    listed: Any = admin_client.get(source_page.context["fixes_url"])

    assert source_page.context["fixes_count"] == 1
    assert list(listed.context["cl"].result_list) == [record]


def test_l9_rejected_field_is_named_by_its_label(admin_client: Client) -> None:
    _run(FAULTY)
    record = QuarantinedRecord.objects.get()
    fix = reverse("admin:mlops_quarantinedrecord_fix", args=[record.pk])

    preview = admin_client.post(fix, {"payload": json.dumps(record.payload), "try": "yes"})

    assert preview.context["rejected"] == ["Category: 'Widgets' is not one known category"]
