"""Categories, strain types and provinces in the language of the user: labels, choices."""

from collections.abc import Iterable
from typing import Any

from django.utils.functional import lazystr
from django.utils.translation import get_language

from catalog.reference.labels import label
from catalog.reference.provinces import PROVINCES, Province


def word_label(word: str | None) -> str:
    """Return the label of a category, strain type or terpene; of others, the word."""
    if not word:
        return ""
    return label(word, (get_language() or "en")[:2]).replace("_", " ")


class _Label:
    """Label of a word, found when it is shown."""

    def __init__(self, word: str) -> None:
        self._word = word

    def __str__(self) -> str:
        return word_label(self._word)


def word_choices(words: Iterable[str]) -> list[tuple[str, Any]]:
    """Return distinct words, sorted, with labels that follow the language of the user."""
    return [(word, lazystr(_Label(word))) for word in sorted(set(words))]


class _ProvinceName:
    """Name of a province, found when it is shown."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def __str__(self) -> str:
        is_french = (get_language() or "en").startswith("fr")
        return self._province.name_fr if is_french else self._province.name_en


def province_choices() -> list[tuple[str, Any]]:
    """Return codes and names of the provinces; names follow the language of the user."""
    return [(code, lazystr(_ProvinceName(province))) for code, province in PROVINCES.items()]
