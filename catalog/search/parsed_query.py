"""Terms and words of a parsed search query."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

TermType = Literal[
    "price",
    "thc_percentage",
    "cbd_percentage",
    "thc_mg",
    "cbd_mg",
    "ratio",
    "weight_grams",
    "volume_ml",
    "unit_count",
    "strain_type",
    "category",
    "terpene",
    "aroma",
    "strength",
    "cbd_rich",
    "cheap",
    "similar_to",
    "parent",
    "name",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTerm:
    """
    One interpreted part of a query.

    matched_text: the words of the query it was read from. min_value, max_value: bounds in the unit
    of the type (CAD, percent by mass, mg, g, ml, units). target_value: the amount named between the
    bounds, the nearest of which ranks first. value: the controlled word, such as a category.
    """

    type: TermType
    matched_text: str
    min_value: float | None = None
    max_value: float | None = None
    target_value: float | None = None
    value: str = ""
    is_negated: bool = False

    @property
    def key(self) -> str:
        """Key by which a client rejects the interpretation: `price`, `terpene:limonene`."""
        return f"{self.type}:{self.value}" if self.value else self.type

    def as_dict(self) -> dict[str, Any]:
        """Return the term as it appears in API responses; empty fields are left out."""
        optional = {
            "min": self.min_value,
            "max": self.max_value,
            "value": self.value or None,
            "is_negated": self.is_negated or None,
        }
        return {
            "key": self.key,
            "type": self.type,
            "matched_text": self.matched_text,
            **{name: value for name, value in optional.items() if value is not None},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedQuery:
    """A query split into interpreted terms and the remaining words, which are matched as text."""

    text: str
    terms: tuple[QueryTerm, ...] = ()
    words: tuple[str, ...] = field(default=())

    def terms_of(self, *types: TermType) -> list[QueryTerm]:
        """Return the terms of these types."""
        return [term for term in self.terms if term.type in types]


TermMatches = Iterator[tuple[int, int, QueryTerm]]
"""Start offset, end offset and term of each match in a normalized text."""
TermRule = Callable[[str], TermMatches]
"""A parsing rule: finds terms in a normalized text."""
