"""The shapes that travel the road."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

PotencyUnit = Literal["percent", "mg", "mg_per_unit", "mg_per_package", "mg_per_ml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Potency:
    """Both ends of a THC or CBD range; percent by mass, or milligrams, per what the source says."""

    low: Decimal
    high: Decimal
    unit: PotencyUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """
    A sellable item as the source wrote it; "" is absent.

    `thc_low` and its like are ends in percent, `thc` and `cbd` texts of any unit, `lot_thc` and `lot_cbd` what staff
    typed from the lot on the shelf. `price` is None where the source knows no prices. `event_at` is the source's own
    time of change. `defect` says why its shape is wrong, if it is.
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
    pieces: str = ""
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
    url: str = ""
    terpenes: tuple[str, ...] = ()
    terpene_basis: str = ""
    event_at: datetime | None = None
    defect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanListing:
    """A listing fit to be saved; names of fields are columns of `supplier_listings`."""

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
    pieces: int | None
    price: Decimal | None
    price_kind: str
    url: str | None
    measures: tuple[str, ...] = ()
    volume_ml: Decimal | None = None
    dried_grams: Decimal | None = None
    lot_thc: Decimal | None = None
    lot_cbd: Decimal | None = None
    in_stock: bool | None = None
    terpenes: tuple[str, ...] = ()
    terpene_basis: str | None = None
    strain: str | None = None
    strain_match: str | None = None
    lineage: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    effects_basis: str | None = None
    flags: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceRecord:
    """A row of a regulator's list as it stands; "" is absent."""

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
    defect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanLicence:
    """A holder fit to be saved; names of fields are columns of `licence_holders`."""

    source: str
    external_id: str
    name: str
    province: str | None
    licence_classes: str | None
    status: str | None
    effective_on: date | None
    expires_on: date | None
