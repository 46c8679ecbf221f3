"""API keys in the console: created, shown once, revoked."""

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.admin import APIKeyModelAdmin
from rest_framework_api_key.models import APIKey
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from config.models import ApiKey
from config.scopes import Scope

admin.site.unregister(APIKey)


class ApiKeyForm(forms.ModelForm):
    """A key, whose scopes are chosen from those that exist."""

    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        required=False,
        choices=Scope.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


@admin.register(ApiKey)
class ApiKeyAdmin(APIKeyModelAdmin, ModelAdmin):
    """The library's page with the columns of our keys."""

    form = ApiKeyForm
    warn_unsaved_form = True

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
