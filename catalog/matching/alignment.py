"""Alignment of two names: words in common, misspelled words, and words that only one name has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz.distance import OSA

from catalog.matching.lexicon import Word

_MIN_MISSPELT_LENGTH = 5
_MIN_TWO_SLIPS_LENGTH = 9
_MIN_ABBREVIATION_LENGTH = 4
# Words that stand before or behind the name alike, in French mostly behind.
_MOVABLE_WORDS = frozenset({"infused", "live", "organic", "cured", "resin"})
_INTERCHANGED = str.maketrans("zck", "sss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """
    Words of two names by what became of them.

    common: in both names. misspelled: pairs that differ by one or two letters. abbreviated: pairs
    of which one begins the other. left, right: words that only that name has.
    """

    common: tuple[Word, ...]
    misspelled: tuple[tuple[str, str], ...]
    abbreviated: tuple[tuple[str, str], ...]
    left: tuple[Word, ...]
    right: tuple[Word, ...]
    is_same_order: bool

    @property
    def matched(self) -> int:
        """Number of words with a counterpart."""
        return len(self.common) + len(self.misspelled) + len(self.abbreviated)

    @property
    def leftover(self) -> tuple[Word, ...]:
        """The words that only one of the names has."""
        return (*self.left, *self.right)


def align(left: Sequence[Word], right: Sequence[Word]) -> Alignment:
    """Align two names; symmetric."""
    # "Mints" and "mint" are one word, whatever kind of word each is read as.
    known = {word.key: word for word in left}
    right = [known.get(word.key, word) for word in right]
    only_left, only_right = _only(left, right), _only(right, left)
    common = [word for word in dict.fromkeys(left) if word in right]
    only_left, only_right, joined = _join_broken(only_left, only_right)
    only_right, only_left, rejoined = _join_broken(only_right, only_left)
    common += [*joined, *rejoined]
    misspelled: list[tuple[str, str]] = []
    abbreviated: list[tuple[str, str]] = []
    for word in list(only_left):
        for other in list(only_right):
            pairs = misspelled if is_misspelling(word, other) else abbreviated
            if pairs is misspelled or _is_abbreviation(word, other):
                pairs.append((word.key, other.key))
                only_left.remove(word)
                only_right.remove(other)
                break
    shared = {word for word in common if word.key not in _MOVABLE_WORDS}
    return Alignment(
        common=tuple(common),
        misspelled=tuple(misspelled),
        abbreviated=tuple(abbreviated),
        left=tuple(only_left),
        right=tuple(only_right),
        is_same_order=_in(left, shared) == _in(right, shared),
    )


def is_misspelling(left: Word, right: Word) -> bool:
    """
    Return whether two words differ by a slip: a letter more, less, wrong, or two exchanged.

    Numbers and short words are exact, and so are two words that the lexicon knows apart.
    """
    one, other = left.key, right.key
    if any(character.isdigit() for character in one + other):
        return False
    if left.kind == right.kind == "flavor":
        return False
    shortest = min(len(one), len(other))
    if _sound(one) == _sound(other):
        return True  # "Zkittlez" and "Skittles"
    if shortest < _MIN_MISSPELT_LENGTH or one[0] != other[0]:
        return False
    slips = 2 if shortest >= _MIN_TWO_SLIPS_LENGTH else 1
    return OSA.distance(one, other, score_cutoff=slips) <= slips


def _sound(key: str) -> str:
    """Return a word with one letter for those that are interchanged, without a plural s or z."""
    return (key[:-1] if key[-1:] in ("s", "z") else key).translate(_INTERCHANGED)


def _is_abbreviation(left: Word, right: Word) -> bool:
    one, other = sorted((left.key, right.key), key=len)
    is_text = one.isalpha() and other.isalpha()
    return is_text and len(one) >= _MIN_ABBREVIATION_LENGTH and other.startswith(one)


def _only(words: Sequence[Word], others: Sequence[Word]) -> list[Word]:
    known = set(others)
    return [word for word in dict.fromkeys(words) if word not in known]


def _join_broken(
    whole: list[Word], broken: list[Word]
) -> tuple[list[Word], list[Word], list[Word]]:
    """Find a word that the other name writes as two: "bubblegum" and "bubble gum"."""
    joined: list[Word] = []
    for word in list(whole):
        for first, second in pairwise(list(broken)):
            if word.key == first.key + second.key and first in broken and second in broken:
                joined.append(word)
                whole.remove(word)
                broken.remove(first)
                broken.remove(second)
                break
    if not joined and whole and broken and _letters(whole) == _letters(broken):
        joined, whole, broken = whole, [], []
    return whole, broken, joined


def _letters(words: Iterable[Word]) -> str:
    return "".join(word.key for word in words)


def _in(words: Sequence[Word], shared: set[Word]) -> list[Word]:
    return [word for word in dict.fromkeys(words) if word in shared]
