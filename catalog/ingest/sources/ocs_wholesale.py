"""Ontario Cannabis Store, wholesale: the `MasterCatalogue` workbook that retailers are given."""

from collections.abc import Mapping
from dataclasses import replace

from catalog.ingest.records import SourceRecord
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.sheets import SheetSource
from catalog.ingest.vocabulary import form_of

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
        "pieces": "Number of Items in a Retail Pack",
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
    """A list whose variant numbers may be blank, and whose potency stands in columns that depend on the category."""

    def record(self, row: Mapping[str, str]) -> SourceRecord:
        """Read one row: milligrams per unit for what is eaten or drunk, percent for all else."""
        record = super().record(row)
        number = record.sku.strip() or record.gtin.strip()
        if not number:  # several variants share an item number: the size tells them apart
            item = row.get("OCS Item Number", "").strip()
            number = f"{item}_{record.size}" if item else ""
        record = replace(
            record, external_id=number, defect="" if number else "the row has no number of any kind"
        )
        if form_of(record.category) != "edible":
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


def _per_unit(row: Mapping[str, str], kind: str) -> str:
    amount = row.get(f"{kind} Content Per Unit", "").strip()
    return f"{amount} mg/unit" if amount.replace(".", "", 1).isdigit() else amount


SOURCE = OcsWholesale(
    code="ocs-wholesale", label="Ontario Cannabis Store, wholesale", mapping=MAPPING
)
