"""Sources in the console: a list is added, described, tried, rehearsed; secrets stay inside."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from catalog.models import CatalogSource, LicenceHolder, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS, pipeline_of
from catalog.tasks import rehearse
from mlops.models import QuarantinedRecord, Run
from mlops.pipelines.dry_run import rehearse_source
from mlops.pipelines.errors import SourceBroken
from mlops.pipelines.runner import run_source
from tests.samples.suppliers.server import HERE, SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)
REGISTRY = Path(HERE) / "registry.csv"


def _add(client: Client, **facts: Any) -> Any:
    form = {
        "label": "A registry",
        "code": "registry",
        "authentication": "none",
        "requests_per_second": "100",
        "most_gone_percent": "20",
        "most_jumped_percent": "10",
        "holds": "products",
        **facts,
    }
    return client.post(reverse("admin:catalog_catalogsource_add"), form)


def _columns(**facts: Any) -> dict[str, Any]:
    return {
        "header_row": "1",
        "language": "en",
        "price_kind": "retail",
        "id_columns": ["REGISTRATION-NUMBER"],
        "column-name": "BRAND-NAME",
        "column-producer": "PRODUCER",
        "column-category": "DOSAGE-FORM",
        "column-thc": "TETRAHYDROCANNABINOL-THC",
        "unit-thc": "%",
        "column-event_at": "APPROVAL-DATE",
        **facts,
    }


def test_uploaded_list_is_described_tried_and_taken_in(admin_client: Client) -> None:
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())
    added = _add(admin_client, file=file)
    page = reverse("admin:catalog_catalogsource_columns", args=["registry"])
    assert added.url == page
    with pytest.raises(SourceBroken, match="nobody has said yet"):
        run_source(SUPPLIER_PRODUCTS, code="registry")
    assert "DOSAGE-FORM" in admin_client.get(page).content.decode()
    tried = admin_client.post(page, {**_columns(), "try": ""}).content.decode()
    assert "What the first rows would be read as" in tried
    assert not CatalogSource.objects.get(pk="registry").mapping
    unknown = admin_client.post(page, {**_columns(), "try": ""}).context["form"].unknown
    words = {f"category-{place}": "edibles" for place in range(len(unknown))}
    saved = admin_client.post(page, {**_columns(**words), "save": ""})
    assert saved["Location"] == reverse("admin:catalog_catalogsource_change", args=["registry"])
    run = run_source(SUPPLIER_PRODUCTS, code="registry")
    assert (run.read, run.rejected) == (250, 0)
    listing = SupplierListing.objects.filter(source="registry", thc_low__gt=0).first()
    assert listing is not None
    assert (listing.price, listing.thc_unit) == (None, "percent")
    again = run_source(SUPPLIER_PRODUCTS, code="registry")
    assert (again.changed, again.unchanged, again.checksum_out) == (0, 250, run.checksum_out)


def test_list_at_an_address_is_fetched_only_when_it_changed(
    admin_client: Client, supplier: SampleSupplier
) -> None:
    _add(admin_client, base_url=f"{supplier.url}/list.csv")
    mapping = {
        "columns": {"name": "BRAND-NAME", "producer": "PRODUCER"},
        "defaults": {"category": "flower"},
    }
    CatalogSource.objects.filter(pk="registry").update(
        mapping={**mapping, "id_columns": ["REGISTRATION-NUMBER"]}
    )
    first = run_source(SUPPLIER_PRODUCTS, code="registry")
    second = run_source(SUPPLIER_PRODUCTS, code="registry")
    assert supplier.unmodified == 1
    assert (second.unchanged, second.checksum_out) == (first.new, first.checksum_out)
    supplier.fault = "drift"
    with pytest.raises(SourceBroken, match="has no column BRAND-NAME"):
        run_source(SUPPLIER_PRODUCTS, code="registry")
    assert SupplierListing.objects.filter(source="registry", gone_at=None).count() == first.new


def test_list_that_cannot_be_read_is_told_on_its_page(
    admin_client: Client, supplier: SampleSupplier
) -> None:
    _add(admin_client, base_url=f"{supplier.url}/nowhere.csv")
    page = admin_client.get(reverse("admin:catalog_catalogsource_columns", args=["registry"]))
    assert "status 404" in page.content.decode()


def test_form_wants_a_place_and_a_whole_proof(admin_client: Client) -> None:
    page = _add(admin_client, authentication="basic").content.decode()
    assert "give an address or a file" in page
    assert page.count("is wanted for this way of authentication") == 2
    assert not CatalogSource.objects.filter(pk="registry").exists()


def test_secret_goes_in_and_never_comes_out(admin_client: Client) -> None:
    source = CatalogSource.objects.get(pk="ocs")
    page = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    form = {
        "label": source.label,
        "authentication": "bearer",
        "secret": "open sesame",
        "requests_per_second": "5",
        "most_gone_percent": "20",
        "most_jumped_percent": "10",
    }
    assert admin_client.post(page, form).status_code == 302
    assert "sesame" not in admin_client.get(page).content.decode()
    kept = admin_client.get(page).context["adminform"].form["secret"].value()
    assert admin_client.post(page, {**form, "secret": kept}).status_code == 302
    assert CatalogSource.objects.get(pk="ocs").secret == "open sesame"
    assert (
        admin_client.post(page, {**form, "authentication": "none", "secret": ""}).status_code == 302
    )
    assert CatalogSource.objects.get(pk="ocs").sealed_secret is None


def test_schedule_of_its_own_takes_a_source_out_of_the_daily_sync(admin_client: Client) -> None:
    crontab = CrontabSchedule.objects.create(minute="15", hour="*/6")
    CatalogSource.objects.filter(pk__in=["ocs", "aglc"]).update(is_enabled=True)
    form = {
        "label": "OCS",
        "is_enabled": "on",
        "authentication": "none",
        "requests_per_second": "5",
        "most_gone_percent": "20",
        "most_jumped_percent": "10",
        "schedule": crontab.pk,
    }
    page = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    assert admin_client.post(page, form).status_code == 302
    entry = PeriodicTask.objects.get(name="Catalogue: sync of ocs")
    assert (entry.crontab, entry.kwargs, entry.queue, entry.enabled) == (
        crontab,
        '{"code": "ocs"}',
        "ingest",
        True,
    )
    assert CatalogSource.objects.filter(is_enabled=True, schedule=None).count() == 1
    assert admin_client.post(page, {**form, "schedule": ""}).status_code == 302
    assert not PeriodicTask.objects.filter(name="Catalogue: sync of ocs").exists()


def test_rehearsal_is_shown_and_wrote_nothing(
    admin_client: Client, supplier: SampleSupplier
) -> None:
    CatalogSource.objects.filter(pk="aglc").update(base_url=f"{supplier.url}/aglc")
    counts = rehearse.run(code="aglc")
    assert counts["new"] == 120
    run = Run.objects.get()
    page = admin_client.get(reverse("admin:mlops_run_change", args=[run.pk])).content.decode()
    assert "nothing was written" in page
    assert "120 new, 0 changed" in page
    assert not SupplierListing.objects.exists()


def test_described_lists_alone_may_be_deleted_and_only_while_nothing_came_of_them(
    admin_client: Client,
) -> None:
    _add(admin_client, base_url="http://127.0.0.1:9/list.csv")
    assert (
        admin_client.post(
            reverse("admin:catalog_catalogsource_delete", args=["registry"]), {"post": "yes"}
        ).status_code
        == 302
    )
    assert not CatalogSource.objects.filter(pk="registry").exists()
    assert (
        admin_client.post(reverse("admin:catalog_catalogsource_delete", args=["ocs"])).status_code
        == 403
    )


def test_reader_may_not_change_columns(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    CatalogSource.objects.create(code="registry", label="A registry", kind="sheet")
    assert (
        client.get(reverse("admin:catalog_catalogsource_columns", args=["registry"])).status_code
        == 403
    )


def test_list_of_licences_takes_its_own_road(admin_client: Client) -> None:
    file = SimpleUploadedFile("licences.csv", (Path(HERE) / "licences.csv").read_bytes())
    _add(admin_client, code="health-canada", file=file, holds="licences")
    page = reverse("admin:catalog_catalogsource_columns", args=["health-canada"])
    columns = {
        "header_row": "1",
        "column-name": "Licence holder",
        "column-province": "Province",
        "column-licence_classes": "Class",
        "column-effective_on": "Initial date",
        "id_columns": ["Licence holder"],
    }
    assert "Atlantis" in admin_client.post(page, {**columns, "try": ""}).content.decode()
    assert admin_client.post(page, {**columns, "save": ""}).status_code == 302
    row = CatalogSource.objects.get(pk="health-canada")
    run = run_source(pipeline_of(row), code=row.pk)
    assert (run.new, run.rejected) == (7, 2)
    assert set(QuarantinedRecord.objects.values_list("field", flat=True)) == {
        "province",
        "effective_on",
    }
    hexo = LicenceHolder.objects.get(name__startswith="HEXO")
    assert (hexo.province, str(hexo.effective_on)) == ("QC", "2018-10-17")
    again = run_source(pipeline_of(row), code=row.pk, afresh=True)
    assert (again.new, again.changed, again.unchanged, again.checksum_out) == (
        0,
        0,
        7,
        run.checksum_out,
    )
    assert (
        "HEXO"
        in admin_client.get(reverse("admin:catalog_licenceholder_changelist")).content.decode()
    )
    LicenceHolder.objects.filter(pk=hexo.pk).update(province="ON", content_hash="")
    rehearsal = rehearse_source(pipeline_of(row), code=row.pk)
    assert [(d.before, d.after) for d in rehearsal.differences] == [
        ({"province": "ON"}, {"province": "QC"})
    ]
