"""Audit log of biometrics in the console."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from biometrics.models import AuditEntry
from biometrics.services.verification import ALERT_CODE
from mlops.admin.read_only import ReadOnlyAdmin
from mlops.admin.subject_links import register


@register(ALERT_CODE)
def _audit_log(_subject: str) -> str:
    return reverse("admin:biometrics_auditentry_changelist")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Entries, the newest first; requires the permission `biometrics.view_auditentry`."""

    list_display = (
        "sequence",
        "occurred_at",
        "action",
        "reason",
        "actor",
        "template_id",
        "province",
        "store_group",
        "purpose",
        "count",
    )
    list_filter = (("action", ChoicesDropdownFilter), "province", "purpose")
    search_fields = ("template_id", "actor")
    search_help_text = _("id of a template, or actor")
    fields = (*list_display, "template_digest", "signature")

    def get_actions(self, _request: HttpRequest) -> dict[str, Any]:
        """Return no actions: entries are only read."""
        return {}
