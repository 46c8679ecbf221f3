"""Holders of licences in the console."""

from django.contrib import admin

from catalog.models import LicenceHolder
from mlops.admin.reading import ReadOnlyAdmin


@admin.register(LicenceHolder)
class LicenceHolderAdmin(ReadOnlyAdmin):
    """Who may grow, process and sell, as regulators list them."""

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
