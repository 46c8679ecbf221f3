"""Which words of a name answered: marked in HTML that is safe to show."""

import html
import re
from collections.abc import Collection

from catalog.models import Product
from catalog.reference.synonyms import group_of
from catalog.search.normalize import words_of

_SHORTEST_STEM = 4


def highlights(product: Product, words: Collection[str]) -> dict[str, str]:
    """Return name, name_fr and brand with `<mark>` around words that were asked for; only those that have any."""
    groups = {group_of()[word] for word in words if word in group_of()}
    marked = {
        field: _marked(getattr(product, field) or "", words, groups)
        for field in ("name", "name_fr", "brand")
    }
    return {field: text for field, text in marked.items() if "<mark>" in text}


def _marked(text: str, words: Collection[str], groups: set[str]) -> str:
    parts = re.split(r"([\w'’]+)", text)
    return "".join(
        f"<mark>{html.escape(part)}</mark>"
        if place % 2 and _answers(part, words, groups)
        else html.escape(part)
        for place, part in enumerate(parts)
    )


def _answers(part: str, words: Collection[str], groups: set[str]) -> bool:
    for own in words_of(part):
        if own in words or group_of().get(own) in groups:
            return True
        # A plural, or another ending.
        if any(
            len(w) >= _SHORTEST_STEM
            and (own.startswith(w) or w.startswith(own))
            and abs(len(own) - len(w)) <= 2
            and len(own) >= _SHORTEST_STEM
            for w in words
        ):
            return True
    return False
