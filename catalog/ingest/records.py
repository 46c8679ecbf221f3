"""Records of the ingestion pipelines: as parsed from a source, and cleaned."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

PotencyUnit = Literal["percent", "mg", "mg_per_unit", "mg_per_package", "mg_per_ml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Potency:
    """Both ends of a THC or CBD range, in percent by mass or milligrams (see `unit`)."""

    low: Decimal
    high: Decimal
    unit: PotencyUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRecord:
    """
    A product variant as the source wrote it; "": absent.

    `thc_low`, `thc_high`, `cbd_low` and `cbd_high` are ends in percent; `thc` and `cbd` are texts
    of any unit; `lot_thc` and `lot_cbd` were typed by store staff from the lot in stock. `price` is
    None for a source without prices. `stock` is the text of a stock column, `in_stock` the source's
    own statement. `event_at` is the source's own time of change; `lot` is the lot or batch of a row
    of which a product may have several. `flags` are doubts of the file reader. `defect` is the
    reason why the record's shape is wrong; "": none.
    """

    source: str
    external_id: str
    language: str
    price_kind: str
    payload: Mapping[str, Any]
    name: str = ""
    brand: str = ""
    producer: str = ""
    category: str = ""
    subcategory: str = ""
    sku: str = ""
    gtin: str = ""
    size: str = ""
    unit_count: str = ""
    strain_type: str = ""
    thc_low: str = ""
    thc_high: str = ""
    cbd_low: str = ""
    cbd_high: str = ""
    thc: str = ""
    cbd: str = ""
    lot_thc: str = ""
    lot_cbd: str = ""
    price: str | None = ""
    in_stock: bool | None = None
    stock: str = ""
    url: str = ""
    terpenes: tuple[str, ...] = ()
    terpene_source: str = ""
    event_at: datetime | None = None
    lot: str = ""
    flags: tuple[str, ...] = ()
    defect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanListing:
    """
    A cleaned listing; its fields are columns of `supplier_listings`.

    flags: doubts of the cleaning by code. doubts: the values that were left open or changed, each
    as "field: text as written: reason".
    """

    source: str
    external_id: str
    language: str
    merge_key: str
    name: str
    raw_name: str
    brand: str | None
    producer: str | None
    sku: str | None
    gtin: str | None
    category: str
    strain_type: str | None
    thc: Potency | None
    cbd: Potency | None
    weight_grams: Decimal | None
    unit_count: int | None
    price: Decimal | None
    price_kind: str
    url: str | None
    code_text: str | None = None
    lots: tuple[str, ...] = ()
    raw_category: str = ""
    raw_size: str = ""
    measures: tuple[str, ...] = ()
    volume_ml: Decimal | None = None
    dried_equivalent_grams: Decimal | None = None
    lot_thc: Decimal | None = None
    lot_cbd: Decimal | None = None
    in_stock: bool | None = None
    stock_quantity: Decimal | None = None
    terpenes: tuple[str, ...] = ()
    terpene_source: str | None = None
    strain: str | None = None
    strain_match: str | None = None
    lineage: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    effects_source: str | None = None
    flags: tuple[str, ...] = field(default=())
    doubts: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceRecord:
    """A row of a regulator's list as published; "": absent."""

    source: str
    external_id: str
    payload: Mapping[str, str]
    name: str = ""
    province: str = ""
    licence_classes: str = ""
    status: str = ""
    effective_on: str = ""
    expires_on: str = ""
    day_first: bool = False
    flags: tuple[str, ...] = ()
    defect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanLicence:
    """A cleaned licence holder; its fields are columns of `licence_holders`."""

    source: str
    external_id: str
    name: str
    province: str | None
    licence_classes: str | None
    status: str | None
    effective_on: date | None
    expires_on: date | None


RecordT = TypeVar("RecordT", ProductRecord, LicenceRecord)


def mark_fixed(record: RecordT) -> RecordT:
    """Return a record flagged `fixed_in_quarantine`: staff have corrected values of it."""
    flags = dict.fromkeys((*record.flags, "fixed_in_quarantine"))
    return replace(record, flags=tuple(flags))
