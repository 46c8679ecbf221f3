"""Identity of products: whether two listings under one identifier can be of one product."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from rapidfuzz import fuzz

_MIN_NAME_SIMILARITY = 70


class Identified(Protocol):
    """Attributes by which products under one identifier are distinguished."""

    @property
    def name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def weight_grams(self) -> Decimal | None: ...
    @property
    def volume_ml(self) -> Decimal | None: ...
    @property
    def unit_count(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class ListingIdentity:
    """Name, language, category and size of a listing, as far as they are known."""

    name: str
    language: str
    category: str
    weight_grams: Decimal | None
    volume_ml: Decimal | None
    unit_count: int | None


def is_unlike(left: Identified, right: Identified) -> bool:
    """
    Return whether two listings cannot be of one product.

    They cannot when category, a size that both state, the kind of their sizes (weight, volume,
    pieces), or names in one language differ.
    """
    if left.category != right.category or _has_other_size(left, right):
        return True
    if left.language != right.language:
        return False
    similarity = fuzz.token_set_ratio(left.name.lower(), right.name.lower())
    return similarity < _MIN_NAME_SIMILARITY


def _has_other_size(left: Identified, right: Identified) -> bool:
    pairs = (
        (left.weight_grams, right.weight_grams),
        (left.volume_ml, right.volume_ml),
        (left.unit_count, right.unit_count),
    )
    if any(one and other and one != other for one, other in pairs):
        return True
    has_size = all(any(sizes) for sizes in zip(*pairs, strict=True))
    return has_size and not any(one and other for one, other in pairs)
