"""Comparable prices: without tax, per gram-equivalent, gram, milligram of THC and piece."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from competitors.reference.taxes import tax_rate

CURRENCY = "CAD"
"""Prices in other currencies are stored and never compared."""
_CENT = Decimal("0.01")
_UNIT_PLACES = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """
    Content of a package as sold; None: unknown.

    thc_mg: of the whole package. dried_equivalent_grams: by the Cannabis Act, Schedule 3.
    """

    weight_grams: Decimal | None = None
    dried_equivalent_grams: Decimal | None = None
    thc_mg: Decimal | None = None
    unit_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrices:
    """
    Prices without tax, CAD, each rounded to four places; None: its quantity is unknown.

    price: of the package.
    """

    price: Decimal
    per_gram_equivalent: Decimal | None
    per_gram: Decimal | None
    per_thc_mg: Decimal | None
    per_piece: Decimal | None


def price_without_tax(
    price: Decimal, *, is_tax_included: bool | None, province: str, category: str, on: date
) -> Decimal | None:
    """
    Return a price without tax, in cents; None where it is unknown whether tax is included.

    A price whose tax is unknown may be a seventh too high or not, so it is not compared.
    """
    if is_tax_included is None:
        return None
    if not is_tax_included:
        return price
    rate = tax_rate(province, on, category=category)
    return (price / (1 + rate)).quantize(_CENT, ROUND_HALF_UP)


def unit_prices(price: Decimal, package: Package) -> UnitPrices:
    """Return the unit prices of a package. price: without tax."""
    return UnitPrices(
        price=price,
        per_gram_equivalent=_per(price, package.dried_equivalent_grams),
        per_gram=_per(price, package.weight_grams),
        per_thc_mg=_per(price, package.thc_mg),
        per_piece=_per(price, package.unit_count),
    )


def _per(price: Decimal, quantity: Decimal | int | None) -> Decimal | None:
    if not quantity or quantity <= 0:
        return None
    return (price / quantity).quantize(_UNIT_PLACES, ROUND_HALF_UP)
