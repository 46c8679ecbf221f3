"""Text as masking reads it: one kind of space, dash and digit, nothing invisible; and where each letter was."""

import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

HIDDEN = "\ue000"
"""Stands where something was found already; no pattern matches over it."""


class Found(NamedTuple):
    """Where something begins and ends, and what it is."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Flat:
    """A text, as it was and as it is read."""

    original: str
    text: str
    places: tuple[int, ...]

    def place(self, index: int) -> int:
        """Return where in the original a letter of the flat text was."""
        return self.places[index]


def flatten(text: str) -> Flat:
    """Make full-width and other scripts' digits, kinds of space and dash, curly quotes plain; leave out what is unseen."""
    original = unicodedata.normalize("NFC", text)
    letters, places = [], []
    for place, letter in enumerate(original):
        flat = _plain(letter)
        if flat:
            letters.append(flat)
            places.append(place)
    return Flat(original, "".join(letters), tuple(places))


def _plain(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter == HIDDEN:
        return "?"
    kind = unicodedata.category(letter)
    if kind == "Cf":
        return ""
    if kind == "Zs":
        return " "
    if kind == "Pd" or letter == "−":
        return "-"
    if letter in "‘’ʼ´`":
        return "'"
    if kind == "Nd":
        return str(unicodedata.digit(letter))
    plain = unicodedata.normalize("NFKC", letter)
    return plain if len(plain) == 1 else letter
