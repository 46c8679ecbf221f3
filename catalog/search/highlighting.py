"""Highlights: matched words of names and brands, marked in escaped HTML."""

import html
import re
from collections.abc import Collection
from typing import Any

from catalog.reference.synonyms import group_by_phrase
from catalog.search.normalize import words_of

HIGHLIGHTED_FIELDS = ("name", "name_fr", "brand")
_MIN_STEM_LENGTH = 4
_MAX_SUFFIX_LENGTH = 2
# A captured group: words are at odd indexes of the parts, separators at even ones.
_WORD = re.compile(r"([\w'’]+)")


def highlights(product: Any, query_words: Collection[str]) -> dict[str, str]:
    """
    Return the fields with a match, `<mark>` around its words.

    product: has the HIGHLIGHTED_FIELDS.
    """
    groups = {group_by_phrase()[word] for word in query_words if word in group_by_phrase()}
    single_words = set(" ".join(query_words).split())
    is_match: dict[str, bool] = {}
    marked = {}
    for field in HIGHLIGHTED_FIELDS:
        parts = _WORD.split(getattr(product, field) or "")
        for part in parts[1::2]:
            if part not in is_match:
                is_match[part] = _is_match(part, single_words, groups)
        if any(is_match[part] for part in parts[1::2]):
            marked[field] = _mark(parts, is_match)
    return marked


def _mark(parts: list[str], is_match: dict[str, bool]) -> str:
    return "".join(
        f"<mark>{html.escape(part)}</mark>" if index % 2 and is_match[part] else html.escape(part)
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
