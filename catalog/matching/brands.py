"""
Brands as compared: without legal and filler words, possessives and spaces.

"San Rafael ’71" and "San Rafael 71", "Purplebee's" and "Purple Bees", "Edison Cannabis Co" and
"EDISON" are one brand; "Pharmers" may be the parent of "Pharmers Quality"; "P37" may abbreviate
"Prohibition 37".
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from rapidfuzz.distance import OSA

import catalog.reference
from catalog.matching.lexicon import fold, is_product_word, read_words, singular

ALIASES = Path(catalog.reference.__file__).with_name("brand_aliases.csv")
BrandRelation = Literal["same", "part", "typo", "initials", "other"]
_FILLER_WORDS = frozenset({
    "brand", "brands", "inc", "ltd", "ltee", "llc", "corp", "corporation", "co", "company", "the",
    "cannabis", "edible", "edibles", "extract", "extracts", "extraction", "extractions", "xtract",
    "xtracts", "farm", "farms", "growth", "growers", "lab", "labs", "laboratory", "laboratories",
    "labratories", "concentrates", "confections", "industries", "manufacturing", "products",
    "cultivation", "genetics", "of", "group", "holdings", "dispensary", "and", "gummies",
    "prerolls", "vapes", "quebec", "canada", "usa", "nm", "distribution", "distributors", "distro",
})  # fmt: skip
_UNKNOWN = frozenset({"", "unknown", "unknownproducer", "inconnu", "na", "none"})
_MIN_TYPO_LENGTH = 6
_MIN_PART_LENGTH = 4
_MIN_INITIALS = 2


@dataclass(frozen=True, slots=True)
class Brand:
    """
    A brand's significant words, their letters without spaces ("": unknown), and its forms.

    forms: token sequences by which a name may repeat the brand, the longest first. initials: with
    and without a possessive s.
    """

    words: tuple[str, ...]
    key: str
    forms: tuple[tuple[str, ...], ...]
    initials: frozenset[str]
    parts: frozenset[tuple[str, ...]] = frozenset()
    """Its first words, by which a name may mention it between separators: "Pharmers - …"."""
    own_words: frozenset[str] = frozenset()
    """Its words as names are read, by which a name may mention the brand in part."""


def brand_tokens(text: str) -> tuple[str, ...]:
    """Return the folded words of a brand, without possessives and punctuation."""
    folded = re.sub(r"'s\b", "s", fold(text)).replace("&", " and ")
    return tuple(re.findall(r"[a-z0-9]+", re.sub(r"[.']", "", folded)))


@lru_cache(maxsize=65_536)
def read_brand(text: str | None) -> Brand:
    """Return the brand of a text, by its registered name where it is a known alias."""
    tokens = brand_tokens(text or "")
    canonical = _alias_table().get("".join(tokens))
    names = [tokens, *_known_forms(canonical)] if canonical else [tokens]
    words = _significant(brand_tokens(canonical) if canonical else tokens)
    key = "".join(map(singular, words))
    if "".join(tokens) in _UNKNOWN or key in _UNKNOWN:
        return Brand((), "", (), frozenset())
    forms = {form for name in names for form in _forms(name)}
    initials = {abbreviation for name in names for abbreviation in _initials(name)}
    return Brand(
        words=words,
        key=key[:100],
        forms=tuple(sorted(forms, key=lambda form: (-len(form), form))),
        initials=frozenset(initials | {f"{letters}s" for letters in initials}),
        parts=frozenset(
            significant[:length]
            for name in names
            for significant in [_significant(name)]
            for length in range(1, len(significant))
            if len("".join(significant[:length])) >= _MIN_PART_LENGTH
        ),
        own_words=frozenset(
            {word.key for form in forms for word in read_words(form)}
            | {token for form in forms for token in form}
        ),
    )


def brand_key(brand: str | None) -> str:
    """Return the letters by which a brand is known, without filler words; "": unknown."""
    return read_brand(brand).key


def brand_block(brand: str | None) -> str:
    """Return the blocking key of a brand, its first significant word; "": unknown."""
    words = read_brand(brand).words
    return singular(words[0])[:_BLOCK_LENGTH] if words else ""


_BLOCK_LENGTH = 5
"""Letters of a blocking key: "purple" and "purplebees", "kullu" and "kullukush" share theirs."""


class BrandMentions:
    """
    Known brands, to be found in names, as those of products listed under a distributor.

    A brand of one word that names have of their own accord ("Gold") is none to be found.
    """

    def __init__(self, brands: Iterable[str | None]) -> None:
        """Index the forms of brands by their first word; unknown brands are left out."""
        self._forms: dict[str, set[tuple[tuple[str, ...], str]]] = defaultdict(set)
        for text in set(brands):
            for form in mentioned_forms(text):
                self._forms[form[0]].add((form, brand_block(text)))

    def find_blocks(self, tokens: frozenset[str]) -> set[str]:
        """Return the blocking keys of the brands of which the words contain a whole form."""
        return {
            block
            for token in tokens & self._forms.keys()
            for form, block in self._forms[token]
            if tokens.issuperset(form)
        }


def mentioned_forms(brand: str | None) -> tuple[tuple[str, ...], ...]:
    """Return the forms by which a name mentions a brand beyond doubt."""
    forms = read_brand(brand).forms
    return tuple(form for form in forms if len(form) > 1 or not is_product_word(form[0]))


def remove_brand(tokens: tuple[str, ...], brand: Brand) -> tuple[str, ...]:
    """
    Remove a brand from a name in all its forms, also glued, broken or possessive.

    A name that consists of nothing else keeps its words.
    """
    remaining = list(tokens)
    spelled = "".join(map(singular, tokens))
    for form in brand.forms:
        letters = "".join(map(singular, form))
        if letters not in spelled:
            continue
        index = 0
        while index < len(remaining):
            length = _length_of_form(remaining[index:], letters)
            if length:
                del remaining[index : index + length]
            else:
                index += 1
    remaining = [token for token in remaining if token not in brand.initials]
    return tuple(remaining) or tokens


def remove_leading_part(tokens: tuple[str, ...], brand: Brand) -> tuple[str, ...]:
    """
    Remove the first words of a brand from the start of a name: "Ripple Revive" of Ripple Wellness.

    A word that names have of their own accord stays: "Purple Haze" of Purple Bees.
    """
    for length in range(len(brand.words) - 1, 0, -1):
        part = brand.words[:length]
        is_distinct = length > 1 or not is_product_word(part[0])
        if is_distinct and part in brand.parts and tokens[:length] == part:
            return tokens[length:] or tokens
    return tokens


def _length_of_form(tokens: list[str], letters: str) -> int:
    """Return how many tokens at the start spell the letters; 0: none."""
    spelled = ""
    for length, token in enumerate(tokens, start=1):
        spelled += singular(token)
        # A plural is known at the end of one word, not at that of its broken parts: "Shred'ems".
        if spelled in (letters, f"{letters}s"):
            return length
        if not letters.startswith(spelled):
            # A plural inside of what is written as one word: "phyto" + "remedies".
            return 0
    return 0


@lru_cache(maxsize=65_536)
def relate_brands(left: Brand, right: Brand) -> BrandRelation:
    """Return how two known brands relate."""
    if left.key == right.key:
        return "same"
    shorter, longer = sorted((left, right), key=lambda brand: len(brand.key))
    if len(shorter.key) >= _MIN_PART_LENGTH and longer.key.startswith(shorter.key):
        return "part"
    if (
        len(shorter.key) >= _MIN_TYPO_LENGTH
        and left.key[0] == right.key[0]
        and OSA.distance(left.key, right.key, score_cutoff=1) <= 1
    ):
        return "typo"
    if shorter.key in longer.initials:
        return "initials"
    return "other"


def _significant(tokens: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(token for token in tokens if token not in _FILLER_WORDS) or tokens


def _forms(tokens: tuple[str, ...]) -> set[tuple[str, ...]]:
    significant = _significant(tokens)
    forms = {tokens, significant, ("".join(tokens),), ("".join(significant),)}
    return {form for form in forms if form and len("".join(form)) >= _MIN_INITIALS}


def _initials(tokens: tuple[str, ...]) -> set[str]:
    """Return "mve" for Mesilla Valley Extracts, "p37" for Prohibition 37."""
    found = set()
    for words in (tokens, _significant(tokens)):
        letters = "".join(word if word.isdigit() else word[0] for word in words)
        if len(words) >= _MIN_INITIALS:
            found.add(letters)
    return found


def _known_forms(canonical: str) -> list[tuple[str, ...]]:
    return [brand_tokens(name) for name in _names_of(canonical)]


@cache
def _alias_rows() -> dict[str, tuple[str, ...]]:
    with ALIASES.open(newline="", encoding="utf-8") as file:
        return {row["brand"]: tuple(row["aliases"].split("|")) for row in csv.DictReader(file)}


def _names_of(canonical: str) -> tuple[str, ...]:
    return (canonical, *_alias_rows().get(canonical, ()))


@cache
def _alias_table() -> dict[str, str]:
    """Return the registered name by the letters of each of its aliases."""
    return {
        "".join(brand_tokens(name)): brand for brand in _alias_rows() for name in _names_of(brand)
    }
