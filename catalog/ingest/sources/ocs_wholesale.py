"""Ontario Cannabis Store, wholesale: the `MasterCatalogue` workbook for licensed retailers."""

from collections.abc import Mapping
from dataclasses import replace

from catalog.ingest.cleaning.identifiers import read_id, read_sku
from catalog.ingest.cleaning.numbers import add_unit
from catalog.ingest.records import ProductRecord
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.sheets import SheetSource
from catalog.ingest.vocabulary import product_form

MAPPING = SheetMapping(
    columns={
        "name": "Product Name",
        "brand": "Brand",
        "producer": "Supplier Name",
        "category": "Category",
        "subcategory": "Sub-Category",
        "sku": "OCS Variant Number",
        "gtin": "GTIN",
        "size": "Size",
        "unit_count": "Number of Items in a Retail Pack",
        "strain_type": "Plant Type",
        "thc_low": "Minimum THC Content (%)",
        "thc_high": "Maximum THC Content (%)",
        "cbd_low": "Minimum CBD Content (%)",
        "cbd_high": "Maximum CBD Content (%)",
        "price": "Unit Price",
        "in_stock": "Stock Status",
        "terpenes": "Terpenes",
    },
    id_columns=("OCS Variant Number",),
    units={"size": "g"},
    price_kind="wholesale",
    sheet="MasterCatalogue",
)


class OcsWholesale(SheetSource):
    """The wholesale list: blank variant numbers, potency columns that depend on the category."""

    def record(self, row: Mapping[str, str]) -> ProductRecord:
        """Return a row's record: potency in mg per unit for edibles and drinks, else percent."""
        record = super().record(row)
        external_id = (
            read_sku(record.sku).value
            or read_id(record.gtin).value
            or _item_and_size(row, record.size)
        )
        record = replace(
            record,
            external_id=external_id,
            defect="" if external_id else "the row has no number of any kind",
        )
        if product_form(record.category) != "edible":
            return record
        return replace(
            record,
            thc_low="",
            thc_high="",
            cbd_low="",
            cbd_high="",
            thc=_per_unit(row, "THC"),
            cbd=_per_unit(row, "CBD"),
        )


def _item_and_size(row: Mapping[str, str], size: str) -> str:
    """Return the item number, which several variants share, together with the size."""
    item = read_id(row.get("OCS Item Number", "")).value
    return f"{item}_{size}" if item else ""


def _per_unit(row: Mapping[str, str], cannabinoid: str) -> str:
    amount = row.get(f"{cannabinoid} Content Per Unit", "").strip()
    return add_unit(amount, "mg/unit")


SOURCE = OcsWholesale(
    code="ocs-wholesale", label="Ontario Cannabis Store, wholesale", mapping=MAPPING
)
