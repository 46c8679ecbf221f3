"""Labels of fields of products, listings and lists, for forms, tables and messages."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

FIELD_LABELS: Mapping[str, Any] = {
    "name": _("Name"),
    "name_fr": _("Name in French"),
    "brand": _("Brand"),
    "producer": _("Producer"),
    "sku": _("SKU"),
    "gtin": _("GTIN"),
    "external_id": _("Unique key"),
    "category": _("Category"),
    "subcategory": _("Subcategory"),
    "strain_type": _("Strain type"),
    "strain": _("Strain"),
    "lineage": _("Parents"),
    "size": _("Size"),
    "weight": _("Weight"),
    "weight_grams": _("Weight, g"),
    "volume_ml": _("Volume, ml"),
    "unit_count": _("Units"),
    "dried_equivalent_grams": _("Dried equivalent, g"),
    "thc": _("THC"),
    "thc_low": _("THC from, %"),
    "thc_high": _("THC to, %"),
    "thc_percentage_low": _("THC from, %"),
    "thc_percentage_high": _("THC to, %"),
    "thc_percentage": _("THC, %"),
    "thc_mg": _("THC mg"),
    "thc_unit": _("Unit of THC"),
    "lot_thc": _("THC of the lot, %"),
    "cbd": _("CBD"),
    "cbd_low": _("CBD from, %"),
    "cbd_high": _("CBD to, %"),
    "cbd_percentage_low": _("CBD from, %"),
    "cbd_percentage_high": _("CBD to, %"),
    "cbd_percentage": _("CBD, %"),
    "cbd_mg": _("CBD mg"),
    "cbd_unit": _("Unit of CBD"),
    "lot_cbd": _("CBD of the lot, %"),
    "mg_basis": _("Milligrams per"),
    "price": _("Price, $"),
    "in_stock": _("In stock"),
    "stock": _("Stock"),
    "stock_quantity": _("Quantity in stock"),
    "url": _("Page"),
    "terpenes": _("Terpenes"),
    "effects": _("Effects"),
    "event_at": _("Time of change"),
    "lot": _("Lot"),
    "province": _("Province"),
    "licence_classes": _("Licence classes"),
    "status": _("Status"),
    "effective_on": _("Effective on"),
    "expires_on": _("Expires on"),
    "headings": _("Headings"),
    "file": _("File"),
    "id": _("ID"),
}
"""Labels by name of the field, as code, lists and messages to programs name it."""


def field_label(name: str) -> str:
    """Return the label of a field in the language of the user; of an unknown one, its name."""
    return str(FIELD_LABELS.get(name) or name.replace("_", " "))
