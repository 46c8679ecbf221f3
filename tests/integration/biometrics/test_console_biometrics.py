"""Console pages of biometrics: reasons, counts and the audit log, but no template."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from biometrics.models import AuditEntry, BiometricSettings, CustomerBiometric, StoreGroup
from customers.models import ConsentText
from tests.factories.biometrics import (
    IDENTIFICATION,
    create_face_customer,
    enable_biometrics,
    enroll_customer,
)
from tests.factories.catalog import StoreFactory
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS_LIST = reverse("admin:biometrics_biometricsettings_changelist")
TEMPLATE_LIST = reverse("admin:biometrics_customerbiometric_changelist")
AUDIT_LIST = reverse("admin:biometrics_auditentry_changelist")


def _form(**values: Any) -> dict[str, Any]:
    return {
        "province": "QC",
        "is_enabled": "on",
        "alternative": "phone",
        "retention_days": "365",
        "new_verification_version": "2026-11",
        "new_verification_text_en": "Store a template of my face.",
        "new_verification_text_fr": "Conserver un gabarit de mon visage.",
        "declaration_number": "CAI-1",
        "declared_on": "2026-01-05",
    } | values


def _add(client: Client, **values: Any) -> Any:
    return client.post(reverse("admin:biometrics_biometricsettings_add"), _form(**values))


def test_complete_settings_are_saved_with_a_new_text(admin_client: Client) -> None:
    response = _add(admin_client)

    assert response.status_code == 302
    settings = BiometricSettings.objects.get(province="QC")
    assert settings.is_enabled
    assert settings.verification_text == ConsentText.objects.get(purpose="face_verification")
    assert settings.updated_by is not None
    assert AuditEntry.objects.get().action == "configure"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"declaration_number": ""}, "declaration_number"),
        ({"declared_on": ""}, "declared_on"),
        ({"declared_on": str(date.today() - timedelta(days=30))}, "declared_on"),
        ({"alternative": ""}, "alternative"),
        ({"retention_days": ""}, "retention_days"),
        ({"retention_days": "10000"}, "retention_days"),
        (
            {f"new_verification_{part}": "" for part in ("version", "text_en", "text_fr")},
            "verification_text",
        ),
        ({"new_verification_text_fr": ""}, "new_verification_text_fr"),
    ],
)
def test_form_refuses_to_enable_and_names_the_field(
    values: dict[str, str], field: str, admin_client: Client
) -> None:
    response = _add(admin_client, **values)

    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [field]
    assert not BiometricSettings.objects.exists()
    assert not ConsentText.objects.filter(purpose="face_verification").exists()


def test_page_of_a_new_province_has_no_state(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:biometrics_biometricsettings_add")).content.decode()

    assert "Declaration to the regulator" in page
    assert "Updated at" not in page
    assert "DatabaseDefault" not in page


def test_page_of_a_province_states_what_is_missing(admin_client: Client) -> None:
    settings = enable_biometrics("QC", declared_on=None)
    url = reverse("admin:biometrics_biometricsettings_change", args=[settings.pk])

    assert "the date of the declaration is required" in admin_client.get(url).content.decode()


def test_incomplete_settings_can_be_saved_while_they_are_off(admin_client: Client) -> None:
    response = _add(admin_client, is_enabled="", declaration_number="", declared_on="")

    assert response.status_code == 302
    assert not BiometricSettings.objects.get().is_enabled


def test_list_states_why_a_province_is_refused(admin_client: Client) -> None:
    enable_biometrics("QC", declaration_number="")

    page = admin_client.get(SETTINGS_LIST).content.decode()

    assert "the number of the declaration" in page
    assert "refused" in page


def test_templates_are_listed_without_contents_customer_or_export(admin_client: Client) -> None:
    enable_biometrics()
    row = enroll_customer(create_face_customer())

    for url in (TEMPLATE_LIST, reverse("admin:biometrics_customerbiometric_change", args=[row.pk])):
        page = admin_client.get(url).content.decode()

        assert str(row.pk) in page
        assert "face_identification" in page or "recognize me by my face" in page
        assert row.encrypted_template.decode()[:40] not in page
        assert bytes(row.salt.value).hex() not in page
        assert str(row.customer_id) not in page
        assert "export" not in page.lower()


def test_counts_by_province_purpose_and_model(admin_client: Client) -> None:
    enable_biometrics()
    first, second, third = (enroll_customer(seed=seed) for seed in range(3))
    CustomerBiometric.objects.filter(pk=first.pk).update(expires_at=timezone.now())
    CustomerBiometric.objects.filter(pk=second.pk).update(
        expires_at=timezone.now() + timedelta(days=3)
    )

    counts = admin_client.get(TEMPLATE_LIST).context["counts"]

    assert [(row["province"], row["purpose"]) for row in counts] == [("ON", IDENTIFICATION)]
    assert [(row["stored"], row["usable"], row["expiring"]) for row in counts] == [(3, 2, 1)]
    assert third.model == counts[0]["model"]


@pytest.mark.parametrize("action", ["add", "change", "delete"])
@pytest.mark.parametrize("model", ["customerbiometric", "auditentry"])
def test_templates_and_audit_entries_are_read_only(
    model: str, action: str, admin_client: Client
) -> None:
    enable_biometrics()
    row = enroll_customer(create_face_customer())
    pk = row.pk if model == "customerbiometric" else AuditEntry.objects.get().pk
    arguments = [] if action == "add" else [pk]

    response = admin_client.post(reverse(f"admin:biometrics_{model}_{action}", args=arguments))

    assert response.status_code == 403


def test_audit_log_requires_its_own_permission(client: Client) -> None:
    staff = User.objects.create_user("clerk", password="x", is_staff=True)
    others = Permission.objects.filter(content_type__app_label="biometrics")
    staff.user_permissions.set(others.exclude(codename="view_auditentry"))
    client.force_login(staff)
    assert client.get(TEMPLATE_LIST).status_code == 200
    assert client.get(AUDIT_LIST).status_code == 403

    staff.user_permissions.add(others.get(codename="view_auditentry"))

    assert client.get(AUDIT_LIST).status_code == 200


def test_no_permission_exists_to_change_or_delete_templates_and_entries() -> None:
    codenames = Permission.objects.filter(
        content_type__app_label="biometrics",
        content_type__model__in=["customerbiometric", "auditentry", "templatesalt"],
    ).values_list("codename", flat=True)

    assert set(codenames) == {"view_customerbiometric", "view_auditentry"}


def test_erasure_of_a_province_is_confirmed_first(admin_client: Client) -> None:
    settings = enable_biometrics()
    enroll_customer(create_face_customer())
    url = reverse("admin:biometrics_biometricsettings_erase", args=[settings.pk])

    assert "1 face template is stored" in admin_client.get(url).content.decode()
    assert CustomerBiometric.objects.exists()
    response = admin_client.post(url, follow=True)

    assert message_levels(response) == ["success"]
    assert not CustomerBiometric.objects.exists()


def test_group_is_saved_with_its_stores(admin_client: Client) -> None:
    store = StoreFactory.create(code="queen-west")

    admin_client.post(
        reverse("admin:biometrics_storegroup_add"),
        {
            "code": "downtown",
            "name": "Downtown",
            "province": "ON",
            "member_stores": [str(store.pk)],
        },
    )

    assert list(StoreGroup.objects.get().stores.all()) == [store]


def test_group_with_a_store_of_another_province_is_refused(admin_client: Client) -> None:
    store = StoreFactory.create(code="calgary", province="AB")

    response = admin_client.post(
        reverse("admin:biometrics_storegroup_add"),
        {
            "code": "downtown",
            "name": "Downtown",
            "province": "ON",
            "member_stores": [str(store.pk)],
        },
    )

    assert list(response.context["adminform"].form.errors) == ["member_stores"]
    assert not StoreGroup.objects.exists()
