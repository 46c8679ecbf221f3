"""Licence holders in the console."""

from django.contrib import admin

from catalog.models import LicenceHolder
from mlops.admin.read_only import ReadOnlyAdmin


@admin.register(LicenceHolder)
class LicenceHolderAdmin(ReadOnlyAdmin):
    """Holders of licences to cultivate, process or sell cannabis, as listed by regulators."""

    list_display = (
        "name",
        "province",
        "licence_classes",
        "status",
        "effective_on",
        "expires_on",
        "source",
        "gone_at",
    )
    list_filter = ("source", "province", "status")
    search_fields = ("name", "external_id")
