"""Highlights: matched words of names and brands, marked in escaped HTML."""

import html
import re
from collections.abc import Collection

from catalog.models import Product
from catalog.reference.synonyms import group_by_phrase
from catalog.search.normalize import words_of

_MIN_STEM_LENGTH = 4
_MAX_SUFFIX_LENGTH = 2


def highlights(product: Product, query_words: Collection[str]) -> dict[str, str]:
    """Return the fields among name, name_fr and brand with a match, `<mark>` around its words."""
    groups = {group_by_phrase()[word] for word in query_words if word in group_by_phrase()}
    single_words = set(" ".join(query_words).split())
    marked = {
        field: _mark(getattr(product, field) or "", single_words, groups)
        for field in ("name", "name_fr", "brand")
    }
    return {field: text for field, text in marked.items() if "<mark>" in text}


def _mark(text: str, query_words: Collection[str], groups: set[str]) -> str:
    # Splitting by a captured group puts words at odd indexes, separators at even ones.
    parts = re.split(r"([\w'’]+)", text)
    return "".join(
        f"<mark>{html.escape(part)}</mark>"
        if index % 2 and _is_match(part, query_words, groups)
        else html.escape(part)
        for index, part in enumerate(parts)
    )


def _is_match(part: str, query_words: Collection[str], groups: set[str]) -> bool:
    return any(
        word in query_words
        or group_by_phrase().get(word) in groups
        or any(_differ_by_suffix(word, query_word) for query_word in query_words)
        for word in words_of(part)
    )


def _differ_by_suffix(a: str, b: str) -> bool:
    """Return whether two words differ only by a short ending, as a plural does."""
    shorter, longer = sorted((a, b), key=len)
    return (
        len(shorter) >= _MIN_STEM_LENGTH
        and longer.startswith(shorter)
        and len(longer) - len(shorter) <= _MAX_SUFFIX_LENGTH
    )
