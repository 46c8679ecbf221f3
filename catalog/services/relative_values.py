"""New numbers of a bulk edit that depend on each product's own: "+5 %", "to .95", "margin 30 %"."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from config.errors import BadInput

_CENT = Decimal("0.01")
_NUMBER = r"\d{1,7}(?:[.,]\d{1,4})?"
_CHANGE = re.compile(
    rf"""
    (?: (?P<sign>[+\-−]) \s* (?P<amount>{_NUMBER}) \s* (?P<percent>%)?
      | (?:margin|marge) \s+ (?P<margin>{_NUMBER}) \s* %
    )?
    \s* (?: (?:to|à) \s* [.,](?P<ending>\d\d) )?
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeValue:
    """
    A change of a number, in Canadian dollars where it is a price.

    factor and step: applied to the present value, as value x factor + step. margin: share of the
    new price that is profit; the price then follows from the cost. ending: the cents that the
    result is rounded to, up or down to the nearest such price.
    """

    factor: Decimal = Decimal(1)
    step: Decimal = Decimal(0)
    margin: Decimal | None = None
    ending: Decimal | None = None

    @property
    def needs_cost(self) -> bool:
        """Whether the result depends on the cost instead of the present value."""
        return self.margin is not None

    def apply(self, value: Decimal | None, *, cost: Decimal | None = None) -> Decimal | None:
        """Return the new value with two decimals; None where the value or cost is unknown."""
        if self.margin is not None:
            result = None if cost is None else cost / (1 - self.margin)
        else:
            result = None if value is None else value * self.factor + self.step
        if result is None:
            return None
        if self.ending is not None:
            whole = (result - self.ending).quantize(Decimal(1), ROUND_HALF_UP)
            result = max(whole, Decimal(0)) + self.ending
        return result.quantize(_CENT, ROUND_HALF_UP)


def parse_relative_value(text: str) -> RelativeValue | None:
    """
    Return the change that a text states; None if it states a value instead.

    Raises BadInput: a margin is 100 % or more, or a change takes everything away.
    """
    match = _CHANGE.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        return None
    ending = Decimal(f"0.{match['ending']}") if match["ending"] else None
    if match["margin"]:
        margin = _number(match["margin"]) / 100
        if margin >= 1:
            raise BadInput("value", "a margin must be less than 100 %")
        return RelativeValue(margin=margin, ending=ending)
    if not match["amount"]:
        return RelativeValue(ending=ending)
    amount = _number(match["amount"]) * (1 if match["sign"] == "+" else -1)
    if not match["percent"]:
        return RelativeValue(step=amount, ending=ending)
    if amount <= -100:
        raise BadInput("value", "a decrease must be less than 100 %")
    return RelativeValue(factor=1 + amount / 100, ending=ending)


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))
