"""Sources in the console: lists are added, mapped, previewed, dry-run; secrets stay hidden."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.signals import post_save
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from catalog.models import CatalogSource, LicenceHolder, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS, pipeline_for
from catalog.services import pending_uploads
from catalog.services.sources import save_source
from catalog.tasks import dry_run_catalog_source, sync_source
from config.clients.address_guard import AddressRefused
from mlops.models import Alert, QuarantinedRecord, Run
from mlops.pipelines.dry_run import dry_run_source
from mlops.pipelines.errors import SourceBroken
from mlops.pipelines.runner import run_source
from tests.fakes.clamav import EICAR, running_scanner
from tests.samples.suppliers.server import HERE, SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)
REGISTRY = Path(HERE) / "registry.csv"
LICENCES = Path(HERE) / "licences.csv"
CHANGE_FORM = {
    "authentication": "none",
    "requests_per_second": "5",
    "max_gone_percent": "20",
    "max_price_jump_percent": "10",
}
LICENCE_COLUMNS = {
    "header_row": "1",
    "column-name": "Licence holder",
    "column-province": "Province",
    "column-licence_classes": "Class",
    "column-effective_on": "Initial date",
    "id_columns": ["Licence holder"],
}


def _add_list(client: Client, **fields: Any) -> Any:
    form = {
        **CHANGE_FORM,
        "label": "A registry",
        "code": "registry",
        "requests_per_second": "100",
        "content_kind": "products",
        **fields,
    }
    return client.post(reverse("admin:catalog_catalogsource_add"), form)


def _column_form(**fields: Any) -> dict[str, Any]:
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
        **fields,
    }


@pytest.fixture
def registry_columns(admin_client: Client) -> str:
    """Return the address of the column mapping of an uploaded list."""
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())
    page = reverse("admin:catalog_catalogsource_columns", args=["registry"])
    assert _add_list(admin_client, file=file).url == page
    return page


def test_m11_columns_are_suggested_by_headings_with_the_first_row(admin_client: Client) -> None:
    text = (
        "Marque,Nom du produit,THC,CBD,Prix,Catégorie,Producer\nAcorn,Rosée,22%,1%,9.95,Fleurs,Z\n"
    )
    _add_list(admin_client, file=SimpleUploadedFile("liste.csv", text.encode()))

    page = admin_client.get(reverse("admin:catalog_catalogsource_columns", args=["registry"]))

    rows = {row["name"]: row for row in page.context["form"].rows}
    suggested = {name: row["column"].value() for name, row in rows.items() if row["sample"]}
    assert suggested == {
        "brand": "Marque",
        "name": "Nom du produit",
        "thc": "THC",
        "cbd": "CBD",
        "price": "Prix",
        "category": "Catégorie",
        "producer": "Producer",
    }
    assert rows["name"]["sample"] == "Rosée"
    assert [name for name, row in rows.items() if row["is_required"]] == ["name"]


def test_list_without_mapping_cannot_be_run(registry_columns: str) -> None:
    with pytest.raises(SourceBroken, match="columns are not mapped yet"):
        run_source(SUPPLIER_PRODUCTS, code="registry")


def test_mapping_is_previewed_without_being_saved(
    admin_client: Client, registry_columns: str
) -> None:
    assert "DOSAGE-FORM" in admin_client.get(registry_columns).content.decode()

    response = admin_client.post(registry_columns, {**_column_form(), "try": ""})

    assert response.context["row_previews"]
    assert not CatalogSource.objects.get(pk="registry").mapping


def test_saved_mapping_imports_the_list_and_a_second_run_changes_nothing(
    admin_client: Client, registry_columns: str
) -> None:
    preview = admin_client.post(registry_columns, {**_column_form(), "try": ""})
    unknown_categories = preview.context["form"].unknown_categories
    categories = {f"category-{index}": "edibles" for index in range(len(unknown_categories))}

    saved = admin_client.post(registry_columns, {**_column_form(**categories), "save": ""})
    first = run_source(SUPPLIER_PRODUCTS, code="registry")
    second = run_source(SUPPLIER_PRODUCTS, code="registry")

    assert saved["Location"] == reverse("admin:catalog_catalogsource_change", args=["registry"])
    assert first.read == 250
    assert first.rejected == 0
    listing = SupplierListing.objects.filter(source="registry", thc_low__gt=0).first()
    assert listing is not None
    assert listing.price is None
    assert listing.thc_unit == "percent"
    assert second.changed == 0
    assert second.unchanged == 250
    assert second.checksum_out == first.checksum_out


def test_list_at_an_address_is_fetched_only_when_it_changed(
    admin_client: Client, supplier: SampleSupplier
) -> None:
    _add_list(admin_client, base_url=f"{supplier.url}/list.csv")
    mapping = {
        "columns": {"name": "BRAND-NAME", "producer": "PRODUCER"},
        "defaults": {"category": "flower"},
        "id_columns": ["REGISTRATION-NUMBER"],
    }
    CatalogSource.objects.filter(pk="registry").update(mapping=mapping)

    first = run_source(SUPPLIER_PRODUCTS, code="registry")
    second = run_source(SUPPLIER_PRODUCTS, code="registry")

    assert supplier.unmodified_count == 1
    assert second.unchanged == first.new
    assert second.checksum_out == first.checksum_out

    supplier.fault = "drift"
    with pytest.raises(SourceBroken, match="has no column BRAND-NAME"):
        run_source(SUPPLIER_PRODUCTS, code="registry")
    assert SupplierListing.objects.filter(source="registry", gone_at=None).count() == first.new


def test_unreachable_list_is_reported_on_its_page(
    admin_client: Client, supplier: SampleSupplier
) -> None:
    _add_list(admin_client, base_url=f"{supplier.url}/nowhere.csv")

    page = admin_client.get(reverse("admin:catalog_catalogsource_columns", args=["registry"]))

    assert "status 404" in page.context["problem"]


def test_new_list_needs_an_address_or_file_and_complete_credentials(admin_client: Client) -> None:
    response = _add_list(admin_client, authentication="basic")

    errors = response.context["adminform"].form.errors
    assert set(errors) == {"base_url", "secret", "authentication_name"}
    assert not CatalogSource.objects.filter(pk="registry").exists()


def test_infected_list_is_not_stored(admin_client: Client, settings: Any) -> None:
    file = SimpleUploadedFile("list.csv", b"name\n" + EICAR)

    with running_scanner() as settings.CLAMAV_ADDRESS:
        response = _add_list(admin_client, file=file)

    errors = response.context["adminform"].form.errors
    assert "Eicar-Test" in str(errors["file"])
    assert not CatalogSource.objects.filter(pk="registry").exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/console/login/",
        "http://10.0.0.1/list.csv",
        "http://2130706433/list.csv",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:7f00:1]/list.csv",
        "https://user:password@shop.example.com/list.csv",
        "https://shop.example.com:6379/list.csv",
    ],
)
def test_address_inside_the_network_is_refused_on_its_field(
    url: str, admin_client: Client, settings: Any
) -> None:
    settings.ALLOW_LOOPBACK_SOURCES = False

    response = _add_list(admin_client, base_url=url)

    assert set(response.context["adminform"].form.errors) == {"base_url"}
    assert not CatalogSource.objects.filter(pk="registry").exists()


def test_saved_address_inside_the_network_is_not_fetched(
    admin_client: Client, supplier: SampleSupplier, settings: Any
) -> None:
    _add_list(admin_client, base_url=f"{supplier.url}/list.csv")
    CatalogSource.objects.filter(pk="registry").update(
        mapping={"columns": {"name": "BRAND-NAME"}, "id_columns": ["REGISTRATION-NUMBER"]}
    )
    settings.ALLOW_LOOPBACK_SOURCES = False

    page = admin_client.get(reverse("admin:catalog_catalogsource_columns", args=["registry"]))
    with pytest.raises(AddressRefused):
        run_source(SUPPLIER_PRODUCTS, code="registry")

    assert "loopback address" in page.context["problem"]
    assert Alert.objects.get(closed_at=None).code == "address_refused"


def test_secret_is_saved_never_shown_and_deleted_when_cleared(admin_client: Client) -> None:
    source = CatalogSource.objects.get(pk="ocs")
    page = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    form = {
        **CHANGE_FORM,
        "label": source.label,
        "authentication": "bearer",
        "secret": "open sesame",
    }

    assert admin_client.post(page, form).status_code == 302
    shown = admin_client.get(page)
    assert "sesame" not in shown.content.decode()

    placeholder = shown.context["adminform"].form["secret"].value()
    assert admin_client.post(page, {**form, "secret": placeholder}).status_code == 302
    assert CatalogSource.objects.get(pk="ocs").secret == "open sesame"

    cleared = {**form, "authentication": "none", "secret": ""}
    assert admin_client.post(page, cleared).status_code == 302
    assert CatalogSource.objects.get(pk="ocs").sealed_secret is None


def test_source_with_a_schedule_gets_a_periodic_task_instead_of_the_daily_sync(
    admin_client: Client,
) -> None:
    crontab = CrontabSchedule.objects.create(minute="15", hour="*/6")
    CatalogSource.objects.filter(pk__in=["ocs", "aglc"]).update(is_enabled=True)
    page = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    form = {**CHANGE_FORM, "label": "OCS", "is_enabled": "on", "schedule": crontab.pk}
    tasks = PeriodicTask.objects.filter(name="Catalogue: sync of ocs")

    assert admin_client.post(page, form).status_code == 302

    task = tasks.get()
    assert task.crontab == crontab
    assert task.kwargs == '{"code": "ocs"}'
    assert task.enabled
    assert CatalogSource.objects.filter(is_enabled=True, schedule=None).count() == 1

    assert admin_client.post(page, {**form, "schedule": ""}).status_code == 302
    assert not tasks.exists()


def test_source_is_saved_once_and_run_when_that_button_is_pressed(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[str] = []
    saved: list[str] = []

    def record(instance: CatalogSource, **_: Any) -> None:
        saved.append(instance.pk)

    monkeypatch.setattr(sync_source, "delay", lambda **kwargs: queued.append(kwargs["code"]))
    page = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    post_save.connect(record, CatalogSource)

    try:
        admin_client.post(
            page, {**CHANGE_FORM, "label": "OCS", "catalog_catalogsource_save_and_run_now": "yes"}
        )
    finally:
        post_save.disconnect(record, CatalogSource)

    assert saved == ["ocs"]
    assert queued == ["ocs"]


def test_dry_run_is_shown_and_writes_nothing(
    admin_client: Client, supplier: SampleSupplier
) -> None:
    CatalogSource.objects.filter(pk="aglc").update(base_url=f"{supplier.url}/aglc")

    counts = dry_run_catalog_source.run(code="aglc")

    assert counts["new"] == 120
    run = Run.objects.get()
    assert (run.is_dry_run, run.new, run.changed) == (True, 120, 0)
    page = admin_client.get(reverse("admin:mlops_run_change", args=[run.pk]))
    assert page.context["report"].count == 120
    assert (run.report or {})["differences"][0]["key"] in page.content.decode()
    assert not SupplierListing.objects.exists()


def test_list_without_listings_can_be_deleted(admin_client: Client) -> None:
    _add_list(admin_client, base_url="http://127.0.0.1:9/list.csv")

    response = admin_client.post(
        reverse("admin:catalog_catalogsource_delete", args=["registry"]), {"post": "yes"}
    )

    assert response.status_code == 302
    assert not CatalogSource.objects.filter(pk="registry").exists()


def test_deleted_source_leaves_no_periodic_task(admin_client: Client) -> None:
    _add_list(admin_client, base_url="http://127.0.0.1:9/list.csv")
    source = CatalogSource.objects.get(pk="registry")
    source.schedule = CrontabSchedule.objects.create(minute="15", hour="*/6")
    save_source(source=source, by=None)

    admin_client.post(
        reverse("admin:catalog_catalogsource_delete", args=["registry"]), {"post": "yes"}
    )

    assert not PeriodicTask.objects.filter(name="Catalogue: sync of registry").exists()


def test_built_in_source_cannot_be_deleted(admin_client: Client) -> None:
    response = admin_client.post(reverse("admin:catalog_catalogsource_delete", args=["ocs"]))

    assert response.status_code == 403


def test_column_mapping_requires_permission_to_change_sources(
    client: Client, django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.create_user("reader", is_staff=True))
    CatalogSource.objects.create(code="registry", label="A registry", kind="sheet")

    response = client.get(reverse("admin:catalog_catalogsource_columns", args=["registry"]))

    assert response.status_code == 403


def test_list_of_licences_is_imported_as_licence_holders(admin_client: Client) -> None:
    file = SimpleUploadedFile("licences.csv", LICENCES.read_bytes())
    _add_list(admin_client, code="health-canada", file=file, content_kind="licences")
    page = reverse("admin:catalog_catalogsource_columns", args=["health-canada"])
    preview = admin_client.post(page, {**LICENCE_COLUMNS, "try": ""})
    assert "Atlantis" in preview.content.decode()
    assert admin_client.post(page, {**LICENCE_COLUMNS, "save": ""}).status_code == 302
    source = CatalogSource.objects.get(pk="health-canada")

    run = run_source(pipeline_for(source), code=source.pk)

    assert run.new == 7
    assert run.rejected == 2
    rejected_fields = set(QuarantinedRecord.objects.values_list("field", flat=True))
    assert rejected_fields == {"province", "effective_on"}
    holder = LicenceHolder.objects.get(name__startswith="HEXO")
    assert holder.province == "QC"
    assert str(holder.effective_on) == "2018-10-17"
    holders = admin_client.get(reverse("admin:catalog_licenceholder_changelist"))
    assert "HEXO" in holders.content.decode()

    refresh = run_source(pipeline_for(source), code=source.pk, full_refresh=True)
    assert refresh.new == 0
    assert refresh.changed == 0
    assert refresh.unchanged == 7
    assert refresh.checksum_out == run.checksum_out

    LicenceHolder.objects.filter(pk=holder.pk).update(province="ON", content_hash="")
    dry_run = dry_run_source(pipeline_for(source), code=source.pk)
    assert [(d.before, d.after) for d in dry_run.differences] == [
        ({"province": "ON"}, {"province": "QC"})
    ]


def test_saving_and_running_returns_to_the_source(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_source, "delay", lambda **_kwargs: None)
    page = reverse("admin:catalog_catalogsource_change", args=["ocs"])
    form = {**CHANGE_FORM, "label": "OCS", "catalog_catalogsource_save_and_run_now": "yes"}

    response = admin_client.post(page, form)

    assert response["Location"] == page


def test_running_from_the_list_returns_to_the_list_as_it_was_filtered(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_source, "delay", lambda **_kwargs: None)
    page = reverse("admin:catalog_catalogsource_changelist") + "?kind=site"

    response = admin_client.post(page, {"action": "run_now", "_selected_action": ["ocs"]})

    assert response["Location"] == page


def test_file_of_a_form_with_errors_is_kept_and_saved_with_the_next_one(
    admin_client: Client,
) -> None:
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())
    refused = _add_list(admin_client, file=file, authentication="basic")

    saved = _add_list(admin_client, keep_file="yes")

    assert refused.context["kept_file"] == "registry.csv"
    assert saved.status_code == 302
    with CatalogSource.objects.get(pk="registry").file.open() as stored:
        assert stored.read() == REGISTRY.read_bytes()


def test_file_is_kept_over_several_errors(admin_client: Client) -> None:
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())
    _add_list(admin_client, file=file, authentication="basic")

    again = _add_list(admin_client, keep_file="yes", authentication="basic")
    saved = _add_list(admin_client, keep_file="yes")

    assert again.context["kept_file"] == "registry.csv"
    assert saved.status_code == 302


def test_kept_file_is_given_up_when_it_is_not_wanted(admin_client: Client) -> None:
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())
    _add_list(admin_client, file=file, authentication="basic")

    response = _add_list(admin_client)

    assert set(response.context["adminform"].form.errors) == {"base_url"}
    assert "kept_file" not in response.context


def test_kept_file_belongs_to_the_session_that_uploaded_it(
    admin_client: Client, admin_user: User
) -> None:
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())
    _add_list(admin_client, file=file, authentication="basic")
    other_session = Client()
    other_session.force_login(admin_user)

    response = _add_list(other_session, keep_file="yes")

    assert set(response.context["adminform"].form.errors) == {"base_url"}


def test_file_above_the_limit_is_not_kept(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_uploads, "MAX_BYTES", 10)
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())

    response = _add_list(admin_client, file=file, authentication="basic")

    assert "kept_file" not in response.context


def test_expired_file_is_not_taken_and_is_deleted(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_uploads, "LIFETIME", timedelta(seconds=-5))
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())
    _add_list(admin_client, file=file, authentication="basic")

    response = _add_list(admin_client, keep_file="yes")
    key = admin_client.session.get("pending_uploads", {})

    assert set(response.context["adminform"].form.errors) == {"base_url"}
    assert key == {}


def test_files_of_abandoned_forms_are_deleted(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_uploads, "LIFETIME", timedelta(seconds=-5))
    file = SimpleUploadedFile("registry.csv", REGISTRY.read_bytes())
    _add_list(admin_client, file=file, authentication="basic")
    key = admin_client.session["pending_uploads"]["source:"]["key"]

    deleted = pending_uploads.delete_expired_uploads(timezone.now())

    assert deleted >= 1
    assert not default_storage.exists(key)
