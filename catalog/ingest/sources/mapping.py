"""What staff say of a list's columns."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlops.pipelines.connectors.sheets import SheetFormat

FIELDS = (
    "name",
    "brand",
    "producer",
    "category",
    "subcategory",
    "sku",
    "gtin",
    "size",
    "pieces",
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
)
"""What a column may say of a product, in the words of SourceRecord."""
LICENCE_FIELDS = ("name", "province", "licence_classes", "status", "effective_on", "expires_on")
"""What a column may say of a holder of a licence, in the words of LicenceRecord."""


def fields_of(holds: str) -> tuple[str, ...]:
    """Return what the columns of a list of products, or of licences, may say."""
    return LICENCE_FIELDS if holds == "licences" else FIELDS


class SheetMapping(BaseModel):
    """
    Which column says what of a product, or of a holder of a licence.

    columns: field → column. defaults: field → text where the column is missing or blank. units: field → what is
    written behind a bare number (size "g", thc "%", "mg/g"). values: field → word of the list → our word.
    id_columns: what tells rows apart; none: name, brand, size and category together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    holds: Literal["products", "licences"] = "products"
    columns: dict[str, str] = Field(default_factory=dict)
    id_columns: tuple[str, ...] = ()
    defaults: dict[str, str] = Field(default_factory=dict)
    units: dict[str, Literal["%", "mg/g", "mg", "mg/ml", "g", "ml"]] = Field(default_factory=dict)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    language: Literal["en", "fr"] = "en"
    price_kind: Literal["retail", "wholesale"] = "retail"
    day_first: bool = False
    sheet: str = ""
    header_row: int = Field(default=1, ge=1, le=100)
    encoding: Literal["", "utf-8", "cp1252", "utf-16-le", "utf-16-be"] = ""
    delimiter: Literal["", ",", ";", "\t", "|"] = ""

    @model_validator(mode="after")
    def _knows_its_fields(self) -> "SheetMapping":
        known = fields_of(self.holds)
        named = {*self.columns, *self.defaults, *self.units, *self.values}
        if unknown := sorted(named - set(known)):
            raise ValueError(
                f"there is no field {', '.join(unknown)}; there are {', '.join(known)}"
            )
        if "name" not in self.columns:
            raise ValueError("no column says the name")
        return self

    @property
    def form(self) -> SheetFormat:
        """How the list is written."""
        return SheetFormat(
            sheet=self.sheet,
            header_row=self.header_row,
            encoding=self.encoding,
            delimiter=self.delimiter,
        )

    @property
    def hash(self) -> str:
        """What changes whenever the mapping does."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()
