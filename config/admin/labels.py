"""Colored labels, which lists draw and pages of one row show as text."""

from typing import Any

from django.utils.html import conditional_escape


class ColoredLabel(tuple[str, str]):
    """
    A value and its text, for Unfold's `display(label=…)`.

    The theme draws a label in lists alone; on the page of a row, the text is shown.
    """

    __slots__ = ()

    def __new__(cls, value: str, text: Any) -> "ColoredLabel":
        """Return the label of a value."""
        return super().__new__(cls, (value, str(text)))

    def __html__(self) -> str:
        return conditional_escape(self[1])
