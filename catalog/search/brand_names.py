"""Brand names in queries: names of several words as a whole, and their abbreviations."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from catalog.models import SearchWord
from catalog.search.lexical_retriever import MAX_NAME_WORDS, neighbor_words, phrases_of
from catalog.search.normalize import words_of
from catalog.search.parser import parse_query

_ABBREVIATION_LENGTHS = range(2, 6)
_MAX_BRANDS = 3
_MIN_DISTINCTIVE_LENGTH = 4
# Words that abbreviations leave out, and that names are also known without.
_OPTIONAL_WORDS_TEXT = "the cannabis co company inc ltd corp brand brands premium of and"
OPTIONAL_WORDS = frozenset(_OPTIONAL_WORDS_TEXT.split())


def name_forms(brand: str) -> list[str]:
    """
    Return the normalized forms of several words by which a brand is known.

    "Haven St. Premium Cannabis" is also "haven st"; "Redecan" has none.
    """
    words = words_of(brand)
    forms = [words]
    while words and words[-1] in OPTIONAL_WORDS:
        words = words[:-1]
    forms.append(words)
    if words and words[0] in OPTIONAL_WORDS:
        forms.append(words[1:])
    names = [" ".join(form) for form in forms if 1 < len(form) <= MAX_NAME_WORDS]
    return list(dict.fromkeys(names))


def brand_names_in(text: str, frequencies: Mapping[str, int]) -> list[str]:
    """
    Return the brand names of several words in a text, the longest first, without overlaps.

    frequencies: those of `document_frequencies` for the words of the text. A name whose words are
    all attributes, such as "THC Extracts", is read as attributes.
    """
    names: list[str] = []
    for words in neighbor_words(words_of(text)):
        taken: set[int] = set()
        for start, name in phrases_of(words):
            positions = set(range(start, start + len(name.split())))
            is_known = name in frequencies and name not in names
            if is_known and not positions & taken and _is_distinctive(name):
                names.append(name)
                taken |= positions
    return names


@lru_cache(10_000)
def _is_distinctive(name: str) -> bool:
    words = " ".join(parse_query(name).words).split()
    return any(
        len(word) >= _MIN_DISTINCTIVE_LENGTH or any(map(str.isdigit, word)) for word in words
    )


def brands_by_abbreviation(
    words: Sequence[str], frequencies: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    """
    Return the brand names that unknown short words abbreviate, those of most products first.

    frequencies: those of `document_frequencies` for the words. Initials precede looser
    abbreviations, such as "psf" of "pure sunfarms".
    """
    unknown = [
        word
        for word in words
        if len(word) in _ABBREVIATION_LENGTHS and word.isalnum() and not word.isdigit()
        if word not in frequencies
    ]
    if not unknown:
        return {}
    # An abbreviation begins with the first letter of one of the words.
    letters = "".join(sorted({word[0] for word in unknown}))
    names = SearchWord.objects.filter(word__contains=" ", word__regex=f"(^| )[{letters}]")
    known_names = list(names.order_by("-documents", "word").values_list("word", flat=True))
    found: dict[str, tuple[str, ...]] = {}
    for word in unknown:
        by_initials = [name for name in known_names if word in _initials(name)]
        brands = by_initials or [name for name in known_names if _abbreviates(word, name)]
        if brands:
            found[word] = tuple(brands[:_MAX_BRANDS])
    return found


def _initials(name: str) -> set[str]:
    """Return the initials of a name, numbers whole, with and without optional words: sr71."""
    words = name.split()
    significant = [word for word in words if word not in OPTIONAL_WORDS]
    return {
        "".join(word if word.isdigit() else word[0] for word in form)
        for form in (words, significant)
        if len(form) > 1
    }


def _abbreviates(abbreviation: str, name: str) -> bool:
    """Whether an abbreviation has the initial of each word and at most one more letter of each."""
    words = [word for word in name.split() if word not in OPTIONAL_WORDS]
    if not len(words) < len(abbreviation) <= 2 * len(words):
        return False
    return _spells(abbreviation, words)


def _spells(letters: str, words: Sequence[str]) -> bool:
    """Whether the letters are one or two of each word, its initial first."""
    if not words:
        return not letters
    first, *rest = words
    if letters[:1] != first[0]:
        return False
    if _spells(letters[1:], rest):
        return True
    return letters[1:2] in first[1:] and len(letters) > 1 and _spells(letters[2:], rest)
