"""Products as spreadsheets: export to CSV and Excel (see catalog.services.product_sheets)."""

from typing import Any, ClassVar

from import_export import resources
from import_export.formats.base_formats import CSV, XLSX

from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.services.corrections import LIST_FIELDS
from catalog.services.product_sheets import guard_formula

FORMATS = [CSV, XLSX]


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
