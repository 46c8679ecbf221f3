"""Face templates in the console: counts, consents, expiry and models."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from biometrics.models import CustomerBiometric
from biometrics.selectors.templates import template_counts
from mlops.admin.read_only import ReadOnlyAdmin


@admin.register(CustomerBiometric)
class CustomerBiometricAdmin(ReadOnlyAdmin):
    """Stored templates without their contents; their customers are not shown either."""

    list_display = (
        "id",
        "purpose",
        "province",
        "store_group",
        "consent_version",
        "consent_given_at",
        "model",
        "created_at",
        "expires_at",
        "key_id",
    )
    list_filter = ("purpose", "province", "model", "key_id")
    fields = (*list_display, "confidence_score", "template_version", "reminded_at")
    readonly_fields = ("consent_version", "consent_given_at")
    list_before_template = "admin/biometrics/customerbiometric/counts.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[CustomerBiometric]:
        """Return the rows with their consents, without the encrypted templates."""
        rows: QuerySet[CustomerBiometric] = super().get_queryset(request)
        return rows.select_related("consent__text").defer("encrypted_template")

    @admin.display(description=_("consent"))
    def consent_version(self, row: CustomerBiometric) -> str:
        """Return version and language of the text that was agreed to."""
        text = f"{row.consent.text.version} ({row.consent.language}, {row.consent.channel})"
        withdrawn = gettext("withdrawn")
        return f"{text}, {withdrawn}" if row.consent.withdrawn_at else text

    @admin.display(description=_("consent given"), ordering="consent__given_at")
    def consent_given_at(self, row: CustomerBiometric) -> Any:
        """Return when the consent was given."""
        return row.consent.given_at

    def get_actions(self, _request: HttpRequest) -> dict[str, Any]:
        """Return no actions: rows are neither edited nor exported."""
        return {}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Add the counts by province, purpose and model."""
        page = {"counts": template_counts()}
        return super().changelist_view(request, {**(extra_context or {}), **page})
