"""Settings of biometrics in the console: what a province lacks, purpose texts, store groups."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from biometrics.models import BiometricSettings, FacePurpose, StoreGroup
from biometrics.selectors.provinces import (
    all_stores,
    count_templates,
    find_settings,
    is_purpose_text_published,
    missing_requirements,
)
from biometrics.services.provinces import (
    check_store_group,
    create_purpose_text,
    save_settings,
    save_store_group,
)
from biometrics.services.templates import erase_province
from config.errors import BadInput
from customers.models import ConsentText

_TEXT_FIELDS = {
    FacePurpose.VERIFICATION.value: "verification",
    FacePurpose.IDENTIFICATION.value: "identification",
}
_SETTINGS_FIELDS = (
    "province",
    "is_enabled",
    "verification_text",
    "identification_text",
    "alternative",
    "retention_days",
    "declaration_number",
    "declared_on",
)
_PARTS = ("version", "text_en", "text_fr")


def _version_field() -> forms.CharField:
    return forms.CharField(
        label=_("version"),
        max_length=20,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("For example 2026-11. A published text is never changed."),
    )


def _text_field(label: Any) -> forms.CharField:
    return forms.CharField(label=label, required=False, widget=UnfoldAdminTextareaWidget)


class BiometricSettingsForm(forms.ModelForm):
    """Settings of a province, with the fields of new versions of its purpose texts."""

    new_verification_version = _version_field()
    new_verification_text_en = _text_field(_("English text"))
    new_verification_text_fr = _text_field(_("French text"))
    new_identification_version = _version_field()
    new_identification_text_en = _text_field(_("English text"))
    new_identification_text_fr = _text_field(_("French text"))

    class Meta:
        model = BiometricSettings
        fields = _SETTINGS_FIELDS

    def clean(self) -> dict[str, Any]:
        """Refuse incomplete texts, and to enable biometrics while something is missing."""
        values: dict[str, Any] = super().clean() or {}
        for purpose, name in _TEXT_FIELDS.items():
            if self.new_text(name):
                self._check_new_text(purpose, name)
        if values.get("is_enabled") and not self.errors:
            for field, reason in missing_requirements(self._resulting_settings(values)).items():
                self.add_error(field, reason)
        return values

    def new_text(self, name: str) -> dict[str, str]:
        """Return version and texts of a new version; empty if none was entered."""
        parts = {part: self.cleaned_data.get(f"new_{name}_{part}", "") for part in _PARTS}
        return parts if any(parts.values()) else {}

    def _check_new_text(self, purpose: str, name: str) -> None:
        parts = self.new_text(name)
        for part, value in parts.items():
            if not value.strip():
                self.add_error(f"new_{name}_{part}", _("This field is required."))
        if is_purpose_text_published(purpose=purpose, version=parts["version"].strip()):
            self.add_error(
                f"new_{name}_version",
                _("This version exists already; published texts are never changed."),
            )

    def _resulting_settings(self, values: dict[str, Any]) -> BiometricSettings:
        """Return the settings as they would be saved, with the new texts."""
        fields = {name: values[name] for name in _SETTINGS_FIELDS if name in values}
        for purpose, name in _TEXT_FIELDS.items():
            if parts := self.new_text(name):
                fields[f"{name}_text"] = ConsentText(purpose=purpose, **parts)
        if "province" not in fields:  # read-only once it is saved
            fields["province"] = self.instance.province
        return BiometricSettings(**fields)


@admin.register(BiometricSettings)
class BiometricSettingsAdmin(ModelAdmin):
    """Provinces; the list says why biometrics cannot be used."""

    warn_unsaved_form = True
    form = BiometricSettingsForm
    list_display = ("province", "state", "reasons", "alternative", "retention_days", "templates")
    actions_detail = ("go_to_erasure",)
    fieldsets = (
        (None, {"fields": ("province", "is_enabled")}),
        (
            _("Purposes"),
            {
                "fields": ("verification_text", "identification_text"),
                "description": _(
                    "In verification the customer says who they are; in identification they do not."
                    " Verification is less intrusive and preferred."
                ),
            },
        ),
        *(
            (
                title,
                {
                    "fields": tuple(f"new_{name}_{part}" for part in _PARTS),
                    "classes": ("collapse",),
                },
            )
            for title, name in (
                (_("New text of verification"), "verification"),
                (_("New text of identification"), "identification"),
            )
        ),
        (_("Conditions"), {"fields": ("alternative", "retention_days")}),
        (
            _("Declaration to the regulator (Quebec)"),
            {"fields": ("declaration_number", "declared_on")},
        ),
        (_("State"), {"fields": ("reasons", "updated_at", "updated_by")}),
    )
    readonly_fields = ("reasons", "updated_at", "updated_by")

    def get_fieldsets(self, _request: HttpRequest, obj: BiometricSettings | None = None) -> Any:
        """Return all fieldsets; without the state for a new province."""
        return self.fieldsets if obj else self.fieldsets[:-1]

    def get_readonly_fields(
        self, _request: HttpRequest, obj: BiometricSettings | None = None
    ) -> Any:
        """Return also the province of saved settings: templates refer to it."""
        return (*self.readonly_fields, "province") if obj else self.readonly_fields

    def has_delete_permission(self, _request: Any, _obj: Any = None) -> bool:
        """Refuse: settings are disabled instead."""
        return False

    @display(
        description=_("state"),
        label={"in use": "success", "off": "info", "refused": "danger"},
    )
    def state(self, settings: BiometricSettings) -> tuple[str, Any]:
        """Return whether biometrics is used, as a colored label."""
        if not settings.is_enabled:
            return "off", _("off")
        return (
            ("refused", _("refused")) if missing_requirements(settings) else ("in use", _("in use"))
        )

    @admin.display(description=_("missing"))
    def reasons(self, settings: BiometricSettings) -> str:
        """Return what is missing before biometrics may be used, in words."""
        return "; ".join(map(str, missing_requirements(settings).values())) or gettext("nothing")

    @admin.display(description=_("templates"))
    def templates(self, settings: BiometricSettings) -> int:
        """Return the number of stored templates."""
        return count_templates(settings.province)

    def save_model(
        self, request: HttpRequest, obj: BiometricSettings, form: Any, _change: bool
    ) -> None:
        """Publish new texts, and save the settings; both are audited."""
        for purpose, name in _TEXT_FIELDS.items():
            if parts := form.new_text(name):
                setattr(obj, f"{name}_text", create_purpose_text(purpose=purpose, **parts))
        save_settings(settings=obj, by=request.user)

    def get_urls(self) -> list[Any]:
        """Add the page that confirms the erasure of a province."""
        view = self.admin_site.admin_view(self.erase)
        name = "biometrics_biometricsettings_erase"
        return [path("<uuid:pk>/erase/", view, name=name), *super().get_urls()]

    @action(description=_("Erase all templates"), permissions=["change"])
    def go_to_erasure(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the page that confirms the erasure."""
        return redirect(reverse("admin:biometrics_biometricsettings_erase", args=[object_id]))

    def erase(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask for confirmation; on POST erase the templates of the province."""
        if not request.user.has_perm("biometrics.change_biometricsettings"):
            raise PermissionDenied
        settings = find_settings(pk)
        if settings is None:
            raise Http404
        if request.method == "POST":
            count = erase_province(
                province=settings.province, by=f"user:{request.user.get_username()}"
            )
            messages.success(request, gettext("{} templates are erased.").format(count))
            return redirect(reverse("admin:biometrics_biometricsettings_changelist"))
        page = {
            **admin.site.each_context(request),
            "title": gettext("Erase all templates"),
            "province": settings.get_province_display(),
            "count": count_templates(settings.province),
        }
        return TemplateResponse(request, "admin/biometrics/biometricsettings/erase.html", page)


class StoreGroupForm(forms.ModelForm):
    """A group with its stores."""

    member_stores = forms.ModelMultipleChoiceField(
        queryset=all_stores(),
        required=False,
        label=_("stores"),
        help_text=_("Stores of one province that recognize each other's customers."),
    )

    class Meta:
        model = StoreGroup
        fields = ("code", "name", "province")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "member_stores" in self.fields and not self.instance._state.adding:
            self.initial["member_stores"] = self.instance.stores.all()

    def clean(self) -> dict[str, Any]:
        """Refuse stores of another province or group."""
        values: dict[str, Any] = super().clean() or {}
        if not self.errors:
            group = StoreGroup(pk=self.instance.pk, province=values["province"])
            try:
                check_store_group(group=group, stores=list(values["member_stores"]))
            except BadInput as error:
                self.add_error("member_stores", error.reason)
        return values


@admin.register(StoreGroup)
class StoreGroupAdmin(ModelAdmin):
    """Groups of stores; templates stay in the group in which they were enrolled."""

    warn_unsaved_form = True
    form = StoreGroupForm
    list_display = ("code", "name", "province")
    fields = ("code", "name", "province", "member_stores")

    def get_readonly_fields(self, _request: HttpRequest, obj: StoreGroup | None = None) -> Any:
        """Return the code of a saved group: templates refer to it."""
        return ("code",) if obj else ()

    def save_model(self, request: HttpRequest, obj: StoreGroup, form: Any, _change: bool) -> None:
        """Save the group with its stores."""
        save_store_group(
            group=obj, stores=list(form.cleaned_data["member_stores"]), by=request.user
        )

    def has_delete_permission(self, _request: Any, _obj: Any = None) -> bool:
        """Refuse: templates refer to the group."""
        return False
