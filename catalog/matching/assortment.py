"""
Assortment: what many descriptions of a brand's products say of one of them.

A word that a brand, and hardly another one, has in names that share nothing else is a product line
("Cavi Cone"), no strain or flavor: a name without it may mean the same product. A name that a brand
sells in several sizes says nothing of the size that a description does not state. Both are learned
from whatever products are at hand, a catalogue or the descriptions of a file. Product lines of
brands that real menus list are known beforehand (`catalog/reference/product_lines.csv`).
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import catalog.reference
from catalog.matching.brands import read_brand
from catalog.matching.candidates import MatchCandidate, Profile, read_profile
from catalog.matching.lexicon import DISTINCTIVE_WORDS, is_product_word, lexicon_words

TABLE = Path(catalog.reference.__file__).with_name("product_lines.csv")
_MIN_NAMES = 3
_MAX_FOREIGN_SHARE = 0.2
"""Share of a line word's names that may be of other brands."""
_COMPANION_SHARE = 0.75
"""Words that stand beside a word in this share of its names belong to the same line."""
_MIN_LENGTH = 3
_BRAND_LETTERS = 5

_Name = frozenset[str]


class Assortment:
    """Product lines and sizes of the brands of a set of products; built once, then read-only."""

    def __init__(self, profiles: Iterable[Profile], *, min_names: int = _MIN_NAMES) -> None:
        """
        Learn from products as read; those without a brand say nothing.

        min_names: names with nothing else in common that a product line must have.
        """
        self._brands: dict[str, Counter[str]] = defaultdict(Counter)
        self._sizes: dict[tuple[str, str, _Name], set[float]] = defaultdict(set)
        names: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for profile in profiles:
            brand = _brand_of(profile.candidate)
            if not brand:
                continue
            self._brands[brand][str(profile.candidate.brand)] += 1
            if profile.family != "device":
                names[brand].update(tuple(word.key for word in name) for name in profile.names)
            if size := _size_of(profile):
                self._sizes[brand, profile.family, _name_of(profile)].add(size)
        of_all = Counter(word for own in names.values() for name in own for word in set(name))
        self._lines = {
            brand: _find_lines(list(own), of_all, min_names) for brand, own in names.items()
        }

    @property
    def product_lines(self) -> Mapping[str, frozenset[str]]:
        """Words of product lines by the brand's most frequent name; brands without any left out."""
        return {
            self._brands[brand].most_common(1)[0][0]: words
            for brand, words in self._lines.items()
            if words
        }

    def describe(self, product: MatchCandidate) -> MatchCandidate:
        """Return a product with its brand's product lines and the number of sizes of its name."""
        return self.describe_profile(read_profile(product)).candidate

    def describe_profile(self, profile: Profile) -> Profile:
        """Return a product as read with its brand's product lines and sizes of its name."""
        brand = _brand_of(profile.candidate)
        if not brand:
            return profile
        lines = self._lines.get(brand, frozenset()) | _known_lines().get(brand, frozenset())
        sizes = self._sizes.get((brand, profile.family, _name_of(profile)), ())
        if not lines and not sizes:
            return profile
        described = replace(profile.candidate, line_words=lines, sizes_of_name=len(sizes))
        return replace(profile, candidate=described)


@cache
def _known_lines() -> dict[str, frozenset[str]]:
    """Return the words of the product lines in the table, by the letters of the brand."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {
            read_brand(row["brand"]).key[:_BRAND_LETTERS]: frozenset(row["words"].split("|"))
            for row in csv.DictReader(file)
        }


def without_assortment(product: MatchCandidate) -> MatchCandidate:
    """Return a product as it was before `Assortment` described it."""
    return replace(product, line_words=frozenset(), sizes_of_name=0)


def _find_lines(
    names: Sequence[tuple[str, ...]], occurrences: Counter[str], min_names: int
) -> frozenset[str]:
    by_word: dict[str, list[_Name]] = defaultdict(list)
    beside: dict[str, Counter[str]] = defaultdict(Counter)
    for name in names:
        for word in set(name):
            by_word[word].append(frozenset(name))
        for first, second in pairwise(name):
            beside[first][second] += 1
            beside[second][first] += 1
    lines = {
        word
        for word, with_word in by_word.items()
        if len(with_word) >= min_names
        and _may_be_line(word)
        and occurrences[word] - len(with_word) <= _MAX_FOREIGN_SHARE * occurrences[word]
        and _count_unlike(word, with_word) >= min_names
    }
    # "Las" stands before "Frescas" alone.
    companions = {
        word
        for word, with_word in by_word.items()
        if word not in lines
        and len(with_word) >= min_names
        and word.isalpha()
        and word not in lexicon_words() | DISTINCTIVE_WORDS
        and max((beside[word][line] for line in lines), default=0)
        >= _COMPANION_SHARE * len(with_word)
    }
    return frozenset(lines | companions)


def _may_be_line(word: str) -> bool:
    is_known = is_product_word(word) or word in DISTINCTIVE_WORDS
    return len(word) >= _MIN_LENGTH and word.isalpha() and not is_known


def _count_unlike(word: str, names: Sequence[_Name]) -> int:
    """Return how many of the names have no word in common, but for the line's own words."""
    beside = Counter(other for name in names for other in name)
    line = {other for other, count in beside.items() if count >= _COMPANION_SHARE * len(names)}
    line.add(word)
    taken: set[str] = set()
    count = 0
    for name in sorted(names, key=lambda name: (len(name), sorted(name))):
        rest = name - line - lexicon_words()
        if rest and taken.isdisjoint(rest):
            taken |= rest
            count += 1
    return count


def _brand_of(product: MatchCandidate) -> str:
    """Return the first letters of a brand, which its shorter and longer forms share."""
    return read_brand(product.brand).key[:_BRAND_LETTERS]


def _name_of(profile: Profile) -> _Name:
    return frozenset(word.key for word in profile.names[0])


def _size_of(profile: Profile) -> float:
    """Return the dose of food and topicals, else the weight of a package; 0: not stated."""
    quantities = profile.quantities
    is_dosed = profile.family in ("edible", "topical")
    return max(quantities.all_doses if is_dosed else quantities.weights, default=0.0)
