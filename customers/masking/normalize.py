"""Text normalization for masking, with the offset of each character in the original text."""

import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

HIDDEN = "\ue000"
"""Replaces each character of a detected span, so that no pattern matches across it."""


class EntitySpan(NamedTuple):
    """A span of text, end exclusive, and the type of the personal data in it."""

    start: int
    end: int
    entity_type: str


@dataclass(frozen=True, slots=True)
class AlignedText:
    """A normalized text, its original, and the index of each normalized character in it."""

    original: str
    text: str
    offsets: tuple[int, ...]

    def original_index(self, index: int) -> int:
        """Return the index in the original of a character of the normalized text."""
        return self.offsets[index]


def normalize_text(text: str) -> AlignedText:
    """
    Normalize digits, spaces, dashes and quotes to ASCII and remove invisible characters.

    The original is the text in Unicode form NFC.
    """
    original = unicodedata.normalize("NFC", text)
    characters: list[str] = []
    offsets: list[int] = []
    for index, character in enumerate(original):
        normalized = _normalize_character(character)
        if normalized:
            characters.append(normalized)
            offsets.append(index)
    return AlignedText(original, "".join(characters), tuple(offsets))


def _normalize_character(character: str) -> str:
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if character == HIDDEN:
        normalized = "?"
    elif category == "Cf":
        normalized = ""
    elif category == "Zs":
        normalized = " "
    elif category == "Pd" or character == "−":
        normalized = "-"
    elif character in "‘’ʼ´`":
        normalized = "'"
    elif category == "Nd":
        normalized = str(unicodedata.digit(character))
    else:
        compatible = unicodedata.normalize("NFKC", character)
        normalized = compatible if len(compatible) == 1 else character
    return normalized
