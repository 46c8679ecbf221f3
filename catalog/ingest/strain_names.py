"""Which strain a product's name means: its whole name, another name of it, or a name a letter off. Else silence."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from rapidfuzz.distance import DamerauLevenshtein, Levenshtein

from catalog.ingest.vocabulary import plain_words
from catalog.reference.strains import Strain, alias_groups, fold

How = Literal["exact", "alias", "close"]

SHORTEST_CLOSE = 8
"""Letters and digits from which a name with one letter wrong is a misspelling; below it is another name too often."""
_SHORTEST_EXACT = 3
_MOST_REMEMBERED = 100_000
# Strains that are called as what one eats.
_FOODS = frozenset({
    "apple", "banana", "blackberry", "blackcherry", "blueberry", "bubblegum", "caramel", "champagne", "cheese",
    "cherry", "chocolate", "cookies", "cream", "grape", "grapefruit", "guava", "honey", "lavender", "lemon",
    "lemonade", "lime", "mango", "melon", "mimosa", "mint", "orange", "papaya", "peach", "pear", "pineapple",
    "pinacolada", "plum", "raspberry", "strawberry", "tangerine", "vanilla", "watermelon",
})  # fmt: skip
# Words around a strain's name that speak of form, pack, process or farming, in both languages, plain.
_NOISE = frozenset({
    "510", "aio", "all", "in", "one", "cart", "carts", "cartridge", "cartridges", "cartouche", "cartouches",
    "disposable", "disposables", "jetable", "pen", "pens", "stylo", "thread", "vape", "vapes", "vaporizer",
    "vapoteuse", "vaporisateur", "pod", "pods", "bud", "buds", "dried", "flower", "flowers", "fleur", "fleurs",
    "sechee", "sechees", "whole", "herb", "smalls", "small", "popcorn", "shake", "grind", "ground", "milled",
    "moulu", "moulue", "premilled", "pre", "preroll", "prerolls", "prerolled", "preroule", "preroules", "roll",
    "rolled", "rolls", "roule", "roules", "joint", "joints", "cone", "cones", "blunt", "blunts", "mini", "minis",
    "slim", "slims", "pack", "packs", "live", "cured", "resin", "resine", "rosin", "shatter", "wax", "crumble",
    "budder", "badder", "diamonds", "diamond", "sauce", "distillate", "distillat", "hash", "hashish", "kief", "oil",
    "huile", "concentrate", "concentre", "extract", "extrait", "sugar", "terp", "terps", "honeycomb", "bubble",
    "water", "dab", "dabs", "full", "spectrum", "fse", "htfse", "infused", "infuse", "infusee", "infuses", "indica",
    "sativa", "hybrid", "hybride", "dominant", "organic", "biologique", "bio", "craft", "indoor", "outdoor",
    "hydroponic", "hang", "premium", "reserve", "limited", "edition", "cannabis", "marijuana", "strain",
    "cultivar", "aaa", "aaaa", "caviar", "bho", "ready", "to",
})  # fmt: skip
# Those that are taken off in front as well, where strains have words too: "Sugar Cookies", "Hash Plant", "Bubble Gum".
_NOISE_IN_FRONT = frozenset({
    "510", "aio", "cart", "cartridge", "cartouche", "disposable", "vape", "preroll", "prerolls", "prerolled",
    "preroule", "preroules", "pre", "roll", "rolls", "rolled", "live", "cured", "resin", "rosin", "shatter",
    "budder", "badder", "distillate", "infused", "infuse", "infusee", "organic", "biologique", "bio", "indoor",
    "outdoor", "milled", "premilled", "full", "spectrum", "the",
})  # fmt: skip
_SEGMENTS = re.compile(r"\s+[-–—]+\s+|\s*[|:]\s*|\s+-|-\s+")
_PARTS = re.compile(r"\s+[-–—]+\s+|\s*[|:()\[\]]\s*|\s+/\s+|\s+-|-\s+")
# Letters that people take for each other in names: "Animal Mintz", "Mickey Cush".
_ALIKE = {frozenset(pair) for pair in ("sz", "ck", "iy")}
_SHORTEST_MISSPELT_WORD = 5
_CROSS = re.compile(r"\s[x×+&]\s|\b(?:and|et|vs)\b|,\s+[^\W\d]", re.I)
_PACK = re.compile(
    r"\b\d+\s*[x×]\s*\d+(?:[.,]\d+)?\s*(?:g|mg|ml)?\b|\b\d+(?:[.,]\d+)?\s*(?:g|mg|ml|gr|pk|pack|%)(?!\w)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class StrainMatch:
    """The strain, and how its name was known."""

    strain: Strain
    how: How


@dataclass(slots=True)
class StrainNames:
    """The names of known strains, ready to be looked up; made anew when strains are imported."""

    strains: Mapping[str, Strain]
    _aliases: dict[str, str] = field(default_factory=dict)
    _by_block: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    _found: dict[tuple[str, str], StrainMatch | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for group in alias_groups():
            known = next((key for key in group if key in self.strains), None)
            if known:
                self._aliases |= {key: known for key in group if key not in self.strains}
        for key in self.strains:
            if len(key) >= SHORTEST_CLOSE:
                self._by_block[key[0], len(key)].append(key)

    def find(
        self, name: str, *, brand: str = "", may_be_flavor: bool = False
    ) -> StrainMatch | None:
        """
        Return the strain that a product's name means; None for any name that says more, less or else.

        Form, pack and brand words aside, the whole name must be the strain's. Names of crosses and mixes mean no
        single strain. A misspelt name is known by one letter wrong, when it is long and nothing else is as near.
        may_be_flavor: "Blueberry" may be what it tastes of, as with vapes and what is infused.
        """
        asked = name, brand
        if asked not in self._found:
            if len(self._found) > _MOST_REMEMBERED:
                self._found.clear()
            self._found[asked] = self._find(name, brand)
        found = self._found[asked]
        is_flavor = may_be_flavor or "infus" in name.lower()
        return None if found and is_flavor and found.strain.key in _FOODS else found

    def _find(self, name: str, brand: str) -> StrainMatch | None:
        if _CROSS.search(_PACK.sub(" ", name)):
            return None
        words = _telling_words(_without_brackets(name), brand)
        found = self._by_key(fold(name)) or self._by_key(fold("".join(words)))
        if found or (found := self._in_a_part(name, brand)):
            return found
        near = self._near(words)
        return StrainMatch(self.strains[near], "close") if near else None

    def _by_key(self, key: str) -> StrainMatch | None:
        if len(key) < _SHORTEST_EXACT:
            return None
        if key in self.strains:
            return StrainMatch(self.strains[key], "exact")
        return (
            StrainMatch(self.strains[self._aliases[key]], "alias") if key in self._aliases else None
        )

    def _in_a_part(self, name: str, brand: str) -> StrainMatch | None:
        """Look in "Phyto | Fire OG | 0.5g" and "Rally (Island Sweet Skunk)" for the one part that is a strain's name."""
        told = [_telling_words(part, brand) for part in _PARTS.split(name)]
        # A single word in a part of its own may be a flavor, a farm, a mood.
        found = [
            match
            for words in told
            if len(words) > 1 and (match := self._by_key(fold("".join(words))))
        ]
        return found[0] if len({match.strain.key for match in found}) == 1 else None

    def _near(self, words: list[str]) -> str | None:
        key = fold("".join(words))
        if len(key) < SHORTEST_CLOSE:
            return None
        near = [
            known
            for length in (len(key) - 1, len(key), len(key) + 1)
            for known in self._by_block.get((key[0], length), ())
            if _is_misspelt(key, known, words)
        ]
        return near[0] if len(near) == 1 else None


def _is_misspelt(key: str, known: str, words: list[str]) -> bool:
    """Tell a slip of the pen from another name: "Orange Dream" is not "Orange Cream", "Gelato 33" not "Gelato 41"."""
    if DamerauLevenshtein.distance(key, known, score_cutoff=1) > 1 or _digits(key) != _digits(
        known
    ):
        return False
    edits = Levenshtein.editops(key, known).as_list()
    kind, at, known_at = str(edits[0][0]), int(edits[0][1]), int(edits[0][2])
    if len(edits) == 1 and kind == "replace":
        return frozenset((key[at], known[known_at])) in _ALIKE
    start = 0
    for word in words:
        if at <= start + len(word):
            return len(word) >= _SHORTEST_MISSPELT_WORD
        start += len(word)
    return False


@lru_cache(maxsize=4096)
def _brand_words(brand: str) -> frozenset[str]:
    return frozenset(plain_words(brand))


def _without_brackets(name: str) -> str:
    return re.sub(r"[(\[][^)\]]*[)\]]", " ", name)


def _telling_words(name: str, brand: str) -> list[str]:
    """Return the words of a name that may be a strain's: without packs, forms, and the brand at either end."""
    bare = _PACK.sub(" ", name)
    of_brand = _brand_words(brand)
    words: list[str] = []
    for segment in _SEGMENTS.split(bare):
        told = [word for part in re.split(r"[\s/#]+", segment) for word in plain_words(part)]
        if not all(word in of_brand or word in _NOISE for word in told):
            words += told
    while len(words) > 1 and (words[0] in of_brand or words[0] in _NOISE_IN_FRONT):
        words.pop(0)
    while len(words) > 1 and (words[-1] in of_brand or words[-1] in _NOISE):
        words.pop()
    return words


def _digits(key: str) -> str:
    return "".join(c for c in key if c.isdigit())
