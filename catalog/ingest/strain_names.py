"""
Strain name matching: finds the strain that a product's name refers to.

A name matches by its exact key, by an alias, or by a key that differs by one letter; otherwise
there is no match.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from rapidfuzz.distance import DamerauLevenshtein, Levenshtein

from catalog.ingest.vocabulary import plain_words
from catalog.reference.strains import Strain, alias_groups, name_key

MatchMethod = Literal["exact", "alias", "close"]

MIN_FUZZY_LENGTH = 8
"""
Length from which a key that differs by one letter is a misspelling.

Shorter keys that differ by one letter are too often other names.
"""
_MIN_EXACT_LENGTH = 3
_MAX_CACHED_NAMES = 100_000
# Strains whose names are also flavors.
_FLAVOR_STRAINS = frozenset({
    "apple", "banana", "blackberry", "blackcherry", "blueberry", "bubblegum", "caramel",
    "champagne", "cheese", "cherry", "chocolate", "cookies", "cream", "grape", "grapefruit",
    "guava", "honey", "lavender", "lemon", "lemonade", "lime", "mango", "melon", "mimosa", "mint",
    "orange", "papaya", "peach", "pear", "pineapple", "pinacolada", "plum", "raspberry",
    "strawberry", "tangerine", "vanilla", "watermelon",
})  # fmt: skip
# Words for form, pack, process or cultivation around a strain's name, in both languages.
_NOISE_WORDS = frozenset({
    "510", "aio", "all", "in", "one", "cart", "carts", "cartridge", "cartridges", "cartouche",
    "cartouches", "disposable", "disposables", "jetable", "pen", "pens", "stylo", "thread", "vape",
    "vapes", "vaporizer", "vapoteuse", "vaporisateur", "pod", "pods", "bud", "buds", "dried",
    "flower", "flowers", "fleur", "fleurs", "sechee", "sechees", "whole", "herb", "smalls", "small",
    "popcorn", "shake", "grind", "ground", "milled", "moulu", "moulue", "premilled", "pre",
    "preroll", "prerolls", "prerolled", "preroule", "preroules", "roll", "rolled", "rolls", "roule",
    "roules", "joint", "joints", "cone", "cones", "blunt", "blunts", "mini", "minis", "slim",
    "slims", "pack", "packs", "live", "cured", "resin", "resine", "rosin", "shatter", "wax",
    "crumble", "budder", "badder", "diamonds", "diamond", "sauce", "distillate", "distillat",
    "hash", "hashish", "kief", "oil", "huile", "concentrate", "concentre", "extract", "extrait",
    "sugar", "terp", "terps", "honeycomb", "bubble", "water", "dab", "dabs", "full", "spectrum",
    "fse", "htfse", "infused", "infuse", "infusee", "infuses", "indica", "sativa", "hybrid",
    "hybride", "dominant", "organic", "biologique", "bio", "craft", "indoor", "outdoor",
    "hydroponic", "hang", "premium", "reserve", "limited", "edition", "cannabis", "marijuana",
    "strain", "cultivar", "aaa", "aaaa", "caviar", "bho", "ready", "to",
})  # fmt: skip
# Those also removed at the start, where other noise words may belong to the strain's name:
# "Sugar Cookies", "Hash Plant", "Bubble Gum".
_LEADING_NOISE_WORDS = frozenset({
    "510", "aio", "cart", "cartridge", "cartouche", "disposable", "vape", "preroll", "prerolls",
    "prerolled", "preroule", "preroules", "pre", "roll", "rolls", "rolled", "live", "cured",
    "resin", "rosin", "shatter", "budder", "badder", "distillate", "infused", "infuse", "infusee",
    "organic", "biologique", "bio", "indoor", "outdoor", "milled", "premilled", "full", "spectrum",
    "the",
})  # fmt: skip
_WORD_SEPARATORS = re.compile(r"[\s/#]+")
_SEGMENTS = re.compile(r"\s+[-–—]+\s+|\s*[|:]\s*|\s+-|-\s+")
_PARTS = re.compile(r"\s+[-–—]+\s+|\s*[|:()\[\]]\s*|\s+/\s+|\s+-|-\s+")
# Letters often interchanged in names: "Animal Mintz", "Mickey Cush".
_INTERCHANGEABLE_LETTERS = {frozenset(pair) for pair in ("sz", "ck", "iy")}
_MIN_MISSPELT_WORD_LENGTH = 5
_CROSS = re.compile(r"\s[x×+&]\s|\b(?:and|et|vs)\b|,\s+[^\W\d]", re.I)
_PACK = re.compile(
    r"\b\d+\s*[x×]\s*\d+(?:[.,]\d+)?\s*(?:g|mg|ml)?\b"
    r"|\b\d+(?:[.,]\d+)?\s*(?:g|mg|ml|gr|pk|pack|%)(?!\w)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class StrainMatch:
    """A strain, and how its name was matched."""

    strain: Strain
    method: MatchMethod


@dataclass(slots=True)
class StrainNames:
    """Index of the names of known strains; rebuilt when strains are imported."""

    strains: Mapping[str, Strain]
    _aliases: dict[str, str] = field(default_factory=dict)
    _by_block: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    _cache: dict[tuple[str, str], StrainMatch | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for group in alias_groups():
            strain_key = next((key for key in group if key in self.strains), None)
            if strain_key:
                self._aliases |= {key: strain_key for key in group if key not in self.strains}
        for key in self.strains:
            if len(key) >= MIN_FUZZY_LENGTH:
                self._by_block[key[0], len(key)].append(key)

    def find(
        self, name: str, *, brand: str = "", may_be_flavor: bool = False
    ) -> StrainMatch | None:
        """
        Return the strain that a product's name refers to; None when it says more, less or else.

        Apart from words for form, pack and brand, the whole name must be the strain's. Names of
        crosses and mixes have no single strain. A misspelled name matches when it is long, differs
        by one letter, and no other strain is as close.
        may_be_flavor: a name such as "Blueberry" may be a flavor, as with vapes and infused
        products, and then does not match.
        """
        cache_key = name, brand
        if cache_key not in self._cache:
            if len(self._cache) > _MAX_CACHED_NAMES:
                self._cache.clear()
            self._cache[cache_key] = self._match(name, brand)
        match = self._cache[cache_key]
        is_flavor = may_be_flavor or "infus" in name.lower()
        return None if match and is_flavor and match.strain.key in _FLAVOR_STRAINS else match

    def _match(self, name: str, brand: str) -> StrainMatch | None:
        if _CROSS.search(_PACK.sub(" ", name)):
            return None
        words = _candidate_words(_without_brackets(name), brand)
        exact = self._match_key(name_key(name)) or self._match_key(name_key("".join(words)))
        if match := exact or self._match_part(name, brand):
            return match
        closest = self._closest_key(words)
        return StrainMatch(self.strains[closest], "close") if closest else None

    def _match_key(self, key: str) -> StrainMatch | None:
        if len(key) < _MIN_EXACT_LENGTH:
            return None
        if key in self.strains:
            return StrainMatch(self.strains[key], "exact")
        if key in self._aliases:
            return StrainMatch(self.strains[self._aliases[key]], "alias")
        return None

    def _match_part(self, name: str, brand: str) -> StrainMatch | None:
        """Match the one part that is a strain's name: "Phyto | Fire OG", "Rally (Fire OG)"."""
        texts = _PARTS.split(name)
        if len(texts) == 1:
            return None  # the whole name, which is no strain's
        parts = [_candidate_words(text, brand) for text in texts]
        # A part of one word may be a flavor, a farm or a mood.
        matches = [
            match
            for words in parts
            if len(words) > 1 and (match := self._match_key(name_key("".join(words))))
        ]
        return matches[0] if len({match.strain.key for match in matches}) == 1 else None

    def _closest_key(self, words: list[str]) -> str | None:
        key = name_key("".join(words))
        if len(key) < MIN_FUZZY_LENGTH:
            return None
        candidates = [
            known
            for length in (len(key) - 1, len(key), len(key) + 1)
            for known in self._by_block.get((key[0], length), ())
            if _is_misspelt(key, known, words)
        ]
        return candidates[0] if len(candidates) == 1 else None


def _is_misspelt(key: str, known: str, words: list[str]) -> bool:
    """
    Return whether a key is a misspelling of a known one.

    "Orange Dream" is another strain than "Orange Cream", "Gelato 33" than "Gelato 41".
    """
    if DamerauLevenshtein.distance(key, known, score_cutoff=1) > 1:
        return False
    if _digits(key) != _digits(known):
        return False
    edits = Levenshtein.editops(key, known).as_list()
    operation, at, known_at = str(edits[0][0]), int(edits[0][1]), int(edits[0][2])
    if len(edits) == 1 and operation == "replace":
        return frozenset((key[at], known[known_at])) in _INTERCHANGEABLE_LETTERS
    start = 0
    for word in words:
        if at <= start + len(word):
            return len(word) >= _MIN_MISSPELT_WORD_LENGTH
        start += len(word)
    return False


@lru_cache(maxsize=4096)
def _brand_words(brand: str) -> frozenset[str]:
    return frozenset(plain_words(brand))


def _without_brackets(name: str) -> str:
    return re.sub(r"[(\[][^)\]]*[)\]]", " ", name)


def _candidate_words(name: str, brand: str) -> list[str]:
    """Return the words that may be a strain's name: without packs, forms and leading brand."""
    brand_words = _brand_words(brand)
    words: list[str] = []
    for segment in _SEGMENTS.split(_PACK.sub(" ", name)):
        segment_words = [
            word for part in _WORD_SEPARATORS.split(segment) for word in plain_words(part)
        ]
        if not all(word in brand_words or word in _NOISE_WORDS for word in segment_words):
            words += segment_words
    while len(words) > 1 and (words[0] in brand_words or words[0] in _LEADING_NOISE_WORDS):
        words.pop(0)
    while len(words) > 1 and (words[-1] in brand_words or words[-1] in _NOISE_WORDS):
        words.pop()
    return words


def _digits(key: str) -> str:
    return "".join(c for c in key if c.isdigit())
