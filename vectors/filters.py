"""Filters of a vector search; typed, so that user input never becomes part of an expression."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RangeFilter:
    """
    Number between `low` and `high`, both included; either may be open.

    Rows without the number never match.
    """

    field: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class AnyOfFilter:
    """Text that equals one of the values."""

    field: str
    values: tuple[str, ...]


VectorFilter = RangeFilter | AnyOfFilter
VectorFilters = Sequence[VectorFilter]
"""Filters that a row must all pass."""
