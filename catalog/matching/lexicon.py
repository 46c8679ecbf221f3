"""
Words of product names in English and French: forms, flavors, colors, and words that say nothing.

`catalog/reference/product_words.csv` is the table; each phrase of a group stands for the group's
key. Kinds: "form:<family>", "flavor", "type", "cannabinoid", "word", "phrase" (read as the words of
its key) and "noise".
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import catalog.reference
from catalog.reference.strains import strains

TABLE = Path(catalog.reference.__file__).with_name("product_words.csv")
_FORM_PREFIX = "form:"
_MIN_PLURAL_LENGTH = 4
_LONGEST_PHRASE = 5
_ACCENTED = "àâäáãçéèêëîïíìôöóòõùûüúÿñ"
_PLAIN = "aaaaaceeeeiiiiooooouuuuyn"
_TRANSLATION = str.maketrans(
    _ACCENTED + "’‘`´–—−×\u00a0\u202f", _PLAIN + "'" * 4 + "-" * 3 + "x" + " " * 2
)
# Words that distinguish two products of one name: a lexicon word, a flavor or a number is one too.
DISTINCTIVE_WORDS = frozenset({
    "light", "strong", "mild", "small", "large", "max", "ultra", "king", "slim", "premium",
    "reserve", "limited", "original", "am", "pm", "extra", "strength", "double", "triple", "super",
    "xl", "under", "over", "vegan", "free", "sugar", "medium", "hot", "half", "full",
})  # fmt: skip
_TEA = re.compile(r"\bthés?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a name as compared: the key of its group, the kind, and the family of a form."""

    key: str
    kind: str
    family: str = ""


def fold(text: str) -> str:
    """Return lower-case text without accents; quotes, dashes, spaces and "×" in one form."""
    return _TEA.sub("tea", text).lower().translate(_TRANSLATION).replace("œ", "oe")


@cache
def _groups() -> dict[tuple[str, ...], tuple[Word, ...]]:
    """Return the words that each phrase, split at blanks, stands for."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    groups: dict[tuple[str, ...], tuple[Word, ...]] = {}
    for row in rows:
        if row["kind"] != "phrase":
            kind, _, family = row["kind"].partition(":")
            word = Word(row["key"], kind, family)
            groups |= {tuple(phrase.split()): (word,) for phrase in row["words"].split("|")}
    for row in rows:
        if row["kind"] == "phrase":
            words = classify(row["key"].split(), groups)
            groups |= {tuple(phrase.split()): words for phrase in row["words"].split("|")}
    return groups


@cache
def lexicon_words() -> frozenset[str]:
    """Return the keys of kind "word": colors, strengths, times of day."""
    words = {word for group in _groups().values() for word in group}
    return frozenset(word.key for word in words if word.kind == "word")


@cache
def strain_words() -> frozenset[str]:
    """Return the words of all strain names: one of them more is another strain."""
    names = [strain.name for strain in strains().values()]
    return frozenset(singular(word) for name in names for word in name_tokens(name))


def name_tokens(text: str) -> tuple[str, ...]:
    """Return the folded words of a strain's name."""
    return tuple(re.findall(r"[a-z0-9]+", re.sub(r"['.]", "", fold(text))))


def is_product_word(token: str) -> bool:
    """Return whether names of products have a word of their own accord: "gold", "gummies"."""
    return singular(token) in strain_words() or (token,) in _groups()


def read_words(tokens: Sequence[str]) -> tuple[Word, ...]:
    """Return the words of a name, the longest known phrase first; unknown tokens as they are."""
    return classify(tokens, _groups())


def classify(
    tokens: Sequence[str], groups: dict[tuple[str, ...], tuple[Word, ...]]
) -> tuple[Word, ...]:
    """Read tokens by the given groups."""
    words: list[Word] = []
    index = 0
    while index < len(tokens):
        for length in range(min(_LONGEST_PHRASE, len(tokens) - index), 0, -1):
            known = groups.get(tuple(tokens[index : index + length]))
            if known is not None:
                words.extend(known)
                index += length
                break
        else:
            words.append(Word(singular(tokens[index]), "word"))
            index += 1
    return tuple(words)


def singular(token: str) -> str:
    """Return a word without a plural s."""
    is_plural = len(token) >= _MIN_PLURAL_LENGTH and token.endswith("s") and token[-2] not in "su"
    return token[:-1] if is_plural else token
