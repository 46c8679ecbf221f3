"""
Sales taxes on non-medical cannabis by province, with their dates.

Sources: Excise Tax Act, Part IX (GST and HST rates); An Act respecting the Québec sales tax;
Provincial Sales Tax Act of British Columbia and of Saskatchewan. Manitoba exempts non-medical
cannabis from its retail sales tax (Information Bulletin 063). Accessories are taxed in every
province with a sales tax.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

_LEGALIZATION = date(2018, 10, 17)
_GST = Decimal("0.05")

# Rates by province: (since, rate), oldest first; federal and provincial tax together.
_RATES: Mapping[str, tuple[tuple[date, Decimal], ...]] = {
    "AB": ((_LEGALIZATION, _GST),),
    "BC": ((_LEGALIZATION, Decimal("0.12")),),
    "MB": ((_LEGALIZATION, _GST),),
    "NB": ((_LEGALIZATION, Decimal("0.15")),),
    "NL": ((_LEGALIZATION, Decimal("0.15")),),
    "NS": ((_LEGALIZATION, Decimal("0.15")), (date(2025, 4, 1), Decimal("0.14"))),
    "NT": ((_LEGALIZATION, _GST),),
    "NU": ((_LEGALIZATION, _GST),),
    "ON": ((_LEGALIZATION, Decimal("0.13")),),
    "PE": ((_LEGALIZATION, Decimal("0.15")),),
    "QC": ((_LEGALIZATION, Decimal("0.14975")),),
    "SK": ((_LEGALIZATION, Decimal("0.11")),),
    "YT": ((_LEGALIZATION, _GST),),
}
# Rates of accessories where they differ from cannabis.
_ACCESSORY_RATES: Mapping[str, tuple[tuple[date, Decimal], ...]] = {
    "MB": ((_LEGALIZATION, Decimal("0.13")), (date(2019, 7, 1), Decimal("0.12"))),
}


def tax_rate(province: str, on: date, *, category: str = "") -> Decimal:
    """
    Return the tax rate on a day, for example 0.13. Raises KeyError: unknown province.

    Before legalization, the rate of its first day.
    """
    rates = _RATES[province]
    if category == "accessories":
        rates = _ACCESSORY_RATES.get(province, rates)
    return next((rate for since, rate in reversed(rates) if since <= on), rates[0][1])
