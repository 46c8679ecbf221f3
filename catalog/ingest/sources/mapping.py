"""Column mapping of a sheet: which column contains which field, as configured by staff."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlops.pipelines.connectors.sheets import SheetFormat

Unit = Literal["%", "fraction", "mg/g", "mg", "mg/ml", "g", "ml"]
"""Unit of the bare numbers of a column; a fraction is one of 1."""
PRODUCT_FIELDS = (
    "name",
    "brand",
    "producer",
    "category",
    "subcategory",
    "sku",
    "gtin",
    "size",
    "unit_count",
    "strain_type",
    "thc",
    "thc_low",
    "thc_high",
    "cbd",
    "cbd_low",
    "cbd_high",
    "lot_thc",
    "lot_cbd",
    "price",
    "in_stock",
    "url",
    "terpenes",
    "event_at",
    "lot",
)
"""Fields of ProductRecord that a column may be mapped to."""
LICENCE_FIELDS = ("name", "province", "licence_classes", "status", "effective_on", "expires_on")
"""Fields of LicenceRecord that a column may be mapped to."""


def mapping_fields(content_kind: str) -> tuple[str, ...]:
    """Return the fields that columns of a sheet of "products" or "licences" may be mapped to."""
    return LICENCE_FIELDS if content_kind == "licences" else PRODUCT_FIELDS


class SheetMapping(BaseModel):
    """
    Column mapping of a sheet of products or licence holders.

    columns: field → column. defaults: field → text where the column is missing or blank.
    units: field → unit appended to a bare number (size "g", thc "%", "mg/g"); "fraction": of one,
    0.225 is 22.5 %.
    values: field → word in the sheet → catalogue word. id_columns: columns that identify a row;
    none: name, brand, size and category together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    content_kind: Literal["products", "licences"] = "products"
    columns: dict[str, str] = Field(default_factory=dict)
    id_columns: tuple[str, ...] = ()
    defaults: dict[str, str] = Field(default_factory=dict)
    units: dict[str, Unit] = Field(default_factory=dict)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    language: Literal["en", "fr"] = "en"
    price_kind: Literal["retail", "wholesale"] = "retail"
    day_first: bool = False
    sheet: str = ""
    header_row: int = Field(default=1, ge=1, le=100)
    encoding: Literal["", "utf-8", "cp1252", "mac_roman", "cp850", "utf-16-le", "utf-16-be"] = ""
    delimiter: Literal["", ",", ";", "\t", "|"] = ""

    @model_validator(mode="after")
    def _check_fields(self) -> "SheetMapping":
        known = mapping_fields(self.content_kind)
        named = {*self.columns, *self.defaults, *self.units, *self.values}
        if unknown := sorted(named - set(known)):
            raise ValueError(
                f"unknown field {', '.join(unknown)}; known fields: {', '.join(known)}"
            )
        if "name" not in self.columns:
            raise ValueError("no column is mapped to the name")
        return self

    @property
    def form(self) -> SheetFormat:
        """File format of the sheet."""
        return SheetFormat(
            sheet=self.sheet,
            header_row=self.header_row,
            encoding=self.encoding,
            delimiter=self.delimiter,
        )

    @property
    def hash(self) -> str:
        """SHA-256 of the mapping."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
