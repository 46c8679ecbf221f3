"""One string by its kind: what `manage.py clean_strings` and staff try rules with."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from catalog.ingest.cleaning.names import read_name
from catalog.ingest.cleaning.potency import PotencyReading, read_potency
from catalog.ingest.cleaning.sizes import SizeReading, read_size
from catalog.ingest.cleaning.types import read_strain_type
from mlops.pipelines.errors import RecordRejected

KINDS = ("thc", "cbd", "weight", "strain_type", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was read, as JSON has it, with flags; or why it was refused."""

    result: Any = None
    flags: tuple[str, ...] = ()
    refused: str | None = None


def clean_string(
    *, kind: str, raw: str, language: str = "", context: Mapping[str, str] | None = None
) -> Cleaned:
    """Read one string; a refusal is an answer, not an error. Raises ValueError for a kind that is none of KINDS."""
    context = {name: str(value) for name, value in (context or {}).items() if value is not None}
    try:
        match kind:
            case "thc" | "cbd":
                potency = read_potency(raw, field=kind, language=language, context=context)
                return Cleaned(result=_potency(potency), flags=potency.flags)
            case "weight":
                size = read_size(raw, language=language, context=context)
                return Cleaned(result=_size(size), flags=size.flags)
            case "strain_type":
                return Cleaned(result=read_strain_type(raw))
            case "name":
                name = read_name(raw, brand=context.get("brand", ""))
                return Cleaned(result={"brand": name.brand, "name": name.name})
    except RecordRejected as rejection:
        return Cleaned(refused=rejection.reason)
    raise ValueError(f"kind must be one of {', '.join(KINDS)}")


def _potency(reading: PotencyReading) -> dict[str, Any]:
    milligrams = reading.milligrams
    mg = None if milligrams is None else _ends(*milligrams)
    return {"min": _plain(reading.low), "max": _plain(reading.high), "mg": mg, "per": reading.per}


def _size(reading: SizeReading) -> dict[str, Any]:
    values = {"grams": reading.grams, "milliliters": reading.milliliters}
    return {**{n: _plain(v) for n, v in values.items() if v is not None}, "pieces": reading.pieces}


def _ends(low: Decimal, high: Decimal) -> Any:
    return _plain(low) if low == high else [_plain(low), _plain(high)]


def _plain(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
