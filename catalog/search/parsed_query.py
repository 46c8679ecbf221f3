"""What a question says, taken apart: the words for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "price",
    "thc",
    "cbd",
    "thc_mg",
    "cbd_mg",
    "ratio",
    "size",
    "volume",
    "pieces",
    "strain_type",
    "category",
    "terpene",
    "aroma",
    "strength",
    "cbd_rich",
    "cheap",
    "like",
    "parent",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing understood: its kind, the words that said it, and what they mean (low, high, word as the kind needs)."""

    kind: Kind
    said: str
    low: float | None = None
    high: float | None = None
    word: str = ""
    negative: bool = False

    @property
    def key(self) -> str:
        """What a client names to have it left out: `price`, `terpene:limonene`."""
        return f"{self.kind}:{self.word}" if self.word else self.kind

    @property
    def told(self) -> dict[str, Any]:
        """The term as an answer echoes it."""
        ends = {
            "min": self.low,
            "max": self.high,
            "value": self.word or None,
            "not": self.negative or None,
        }
        return {
            "key": self.key,
            "kind": self.kind,
            "said": self.said,
            **{k: v for k, v in ends.items() if v is not None},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """A question taken apart: what was understood, and the words left to be matched."""

    text: str
    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = field(default=())

    def of(self, *kinds: Kind) -> list[Term]:
        """Return the terms of these kinds."""
        return [term for term in self.terms if term.kind in kinds]


Found = Iterator[tuple[int, int, Term]]
Rule = Callable[[str], Found]
"""Finds terms in folded text: where each begins and ends, and what it means."""
