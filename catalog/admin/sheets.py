"""Products as spreadsheets: export to CSV and Excel (see catalog.services.product_sheets)."""

from typing import Any, ClassVar

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from import_export import resources
from import_export.formats.base_formats import CSV, XLSX
from unfold.contrib.import_export.forms import ExportForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.services.corrections import LIST_FIELDS
from catalog.services.product_sheets import guard_formula

FORMATS = [CSV, XLSX]


class ProductExportForm(ExportForm):
    """Format and columns of an export; without a choice, all columns."""

    columns = forms.MultipleChoiceField(
        label=_("Columns"),
        required=False,
        initial=list(CORRECTABLE_FIELDS),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("The id of the product is always exported, so that the sheet can be imported."),
    )
    # The columns are listed as choices, not by the theme.
    is_selectable_fields_form = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["columns"]
        model_fields: list[Any] = [Product._meta.get_field(name) for name in CORRECTABLE_FIELDS]
        field.choices = [(each.name, capfirst(str(each.verbose_name))) for each in model_fields]

    def exported_fields(self) -> list[str] | None:
        """Return the fields to export; None for all."""
        chosen = self.cleaned_data["columns"]
        return ["id", *chosen] if chosen else None


class ProductResource(resources.ModelResource):
    """One row per product, with its id and the fields that an import may correct."""

    audiences: ClassVar = {name: PRODUCT_FIELDS[name] for name in ("id", *CORRECTABLE_FIELDS)}

    class Meta:
        model = Product
        fields = ("id", *CORRECTABLE_FIELDS)

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        """Return a value that no spreadsheet reads as a formula."""
        value = super().export_field(field, instance, **kwargs)
        if field.column_name in LIST_FIELDS:
            value = ", ".join(getattr(instance, field.column_name) or ())
        return guard_formula(value)
