"""API keys in the console: created, shown once, revoked."""

from django.contrib import admin
from rest_framework_api_key.admin import APIKeyModelAdmin
from rest_framework_api_key.models import APIKey
from unfold.admin import ModelAdmin

from config.models import ApiKey

admin.site.unregister(APIKey)


@admin.register(ApiKey)
class ApiKeyAdmin(APIKeyModelAdmin, ModelAdmin):
    """The library's page with the columns of our keys."""

    list_display: tuple[str, ...] = (  # type: ignore[assignment]  # longer than the library's
        "name",
        "prefix",
        "audience",
        "scopes",
        "provinces",
        "store_codes",
        "rate",
        "created",
        "last_used_at",
        "expiry_date",
        "revoked",
    )
