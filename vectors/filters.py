"""What a search may be narrowed by: typed, so that nothing a person typed becomes part of an expression."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Between:
    """A number from `low` to `high`, both included; either may be open. A row without the number never fits."""

    field: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """A text that is one of these."""

    field: str
    values: tuple[str, ...]


Condition = Between | OneOf
Conditions = Sequence[Condition]
"""All of them must hold."""
