"""Highlights: matched words of names and brands, marked in escaped HTML."""

import html
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from catalog.reference.synonyms import group_by_phrase
from catalog.search.normalize import words_of

HIGHLIGHTED_FIELDS = ("name", "name_fr", "brand")
_MIN_STEM_LENGTH = 4
_MAX_SUFFIX_LENGTH = 2
# A captured group: words are at odd indexes of the parts, separators at even ones.
_WORD = re.compile(r"([\w'’]+)")
_SPECIAL = re.compile(r"[&<>\"']")
"""Characters that HTML escapes."""


def highlights(product: Any, query_words: Collection[str]) -> dict[str, str]:
    """
    Return the fields with a match, `<mark>` around its words.

    product: has the HIGHLIGHTED_FIELDS.
    """
    matcher = _matcher_of(tuple(query_words))
    marked = {}
    for field in HIGHLIGHTED_FIELDS:
        text = getattr(product, field)
        if text and (html_text := matcher.mark(text)):
            marked[field] = html_text
    return marked


class _Matcher:
    """Marks the words of a query, and remembers which words of products are among them."""

    def __init__(self, query_words: Collection[str]) -> None:
        self._query_words = frozenset(" ".join(query_words).split())
        self._groups = {
            group_by_phrase()[word] for word in query_words if word in group_by_phrase()
        }
        self._is_match: dict[str, bool] = {}

    def mark(self, text: str) -> str:
        """Return a text as HTML with its matches marked; empty without a match."""
        parts = _WORD.split(text)
        words = parts[1::2]
        known = self._is_match
        for word in words:
            if word not in known:
                known[word] = self._matches(word)
        if not any(known[word] for word in words):
            return ""
        if _SPECIAL.search(text):
            parts[:] = map(html.escape, parts)
        parts[1::2] = [
            f"<mark>{part}</mark>" if known[word] else part
            for word, part in zip(words, parts[1::2], strict=True)
        ]
        return "".join(parts)

    def _matches(self, part: str) -> bool:
        return any(
            word in self._query_words
            or group_by_phrase().get(word) in self._groups
            or any(_differ_by_suffix(word, query_word) for query_word in self._query_words)
            for word in words_of(part)
        )


@lru_cache(100)
def _matcher_of(query_words: tuple[str, ...]) -> _Matcher:
    """Return the matcher of a query, which twenty products of a page share."""
    return _Matcher(query_words)


def _differ_by_suffix(a: str, b: str) -> bool:
    """Return whether two words differ only by a short ending, as a plural does."""
    shorter, longer = sorted((a, b), key=len)
    return (
        len(shorter) >= _MIN_STEM_LENGTH
        and longer.startswith(shorter)
        and len(longer) - len(shorter) <= _MAX_SUFFIX_LENGTH
    )
