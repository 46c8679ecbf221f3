"""Cleaning rules by kind of string, for `manage.py clean_strings` and the console's playground."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from catalog.ingest.cleaning.names import read_name
from catalog.ingest.cleaning.potency import PotencyReading, read_potency
from catalog.ingest.cleaning.prices import read_price
from catalog.ingest.cleaning.sizes import SizeReading, read_size
from catalog.ingest.cleaning.stock import StockReading, read_stock
from catalog.ingest.cleaning.types import read_strain_type
from catalog.ingest.vocabulary import find_category
from mlops.pipelines.errors import RecordRejected

STRING_KINDS = ("thc", "cbd", "weight", "strain_type", "name", "price", "stock", "category")


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedString:
    """The value as JSON types, with flags; or the rejection reason."""

    result: Any = None
    flags: tuple[str, ...] = ()
    refused: str | None = None


def clean_string(  # noqa: PLR0911  # one return per kind
    *, kind: str, raw: str, language: str = "", context: Mapping[str, str] | None = None
) -> CleanedString:
    """
    Apply the rules of a kind to one string; a rejection is returned, not raised.

    kind: one of STRING_KINDS; ValueError otherwise. context: category, column, brand.
    """
    context = {name: str(value) for name, value in (context or {}).items() if value is not None}
    try:
        match kind:
            case "thc" | "cbd":
                potency = read_potency(raw, field=kind, language=language, context=context)
                return CleanedString(result=_potency_json(potency), flags=potency.flags)
            case "weight":
                size = read_size(raw, language=language, context=context)
                return CleanedString(result=_size_json(size), flags=size.flags)
            case "strain_type":
                return CleanedString(result=read_strain_type(raw))
            case "name":
                name = read_name(raw, brand=context.get("brand", ""))
                result = {"brand": name.brand, "name": name.name}
                return CleanedString(result=result, flags=name.flags)
            case "price":
                price = read_price(raw, language=language)
                return CleanedString(result=_number_json(price.price), flags=price.flags)
            case "stock":
                stock = read_stock(raw, language=language)
                return CleanedString(result=_stock_json(stock), flags=stock.flags)
            case "category":
                category = find_category(raw)
                refused = None if category else "is not one known category"
                return CleanedString(result=category, refused=refused)
    except RecordRejected as rejection:
        return CleanedString(refused=rejection.reason)
    raise ValueError(f"kind must be one of {', '.join(STRING_KINDS)}")


def _potency_json(reading: PotencyReading) -> dict[str, Any]:
    milligrams = reading.milligrams
    return {
        "min": _number_json(reading.low),
        "max": _number_json(reading.high),
        "mg": None if milligrams is None else _range_json(*milligrams),
        "per": reading.per,
    }


def _size_json(reading: SizeReading) -> dict[str, Any]:
    values = {"grams": reading.grams, "milliliters": reading.milliliters}
    return {
        **{n: _number_json(v) for n, v in values.items() if v is not None},
        "unit_count": reading.unit_count,
    }


def _stock_json(reading: StockReading) -> dict[str, Any]:
    return {"in_stock": reading.in_stock, "quantity": _number_json(reading.quantity)}


def _range_json(low: Decimal, high: Decimal) -> Any:
    return _number_json(low) if low == high else [_number_json(low), _number_json(high)]


def _number_json(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
