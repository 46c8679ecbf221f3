"""Text normalization and numbers as written in English and French."""

import re
from decimal import Decimal

from mlops.pipelines.errors import RecordRejected

NO_VALUE = "has no value"
"""Rejection reason of a text that states no value."""
_SPACES = "\u00a0\u202f\u2009"
_DASHES = "−–—‒‑‐"
NUMBER = r"(?:\d{1,3}(?:[ ]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*|[.,]\d+)"
"""A number in normalized text (see `normalize_text`)."""
_BLANK_VALUE = re.compile(
    r"(?:n\.?/?a\.?|none|null|nil|tbd|tba|unknown|inconnue?|varies|variable|"
    r"(?:may|peu(?:t|vent)) var(?:y|ier)|not applicable|not_applicable|ne s.applique pas|"
    r"sans objet|s\.?o\.?|not tested|non test[ée]e?|pending|à venir|[-. ]*)"
)


def normalize_text(text: str) -> str:
    """Return lower-case text with spaces, dashes, apostrophes and fractions of one kind each."""
    for sign, fraction in (("½", "1/2"), ("¼", "1/4"), ("⅛", "1/8")):
        text = text.replace(sign, fraction)
    text = text.translate(
        str.maketrans(_SPACES + _DASHES + "’", " " * len(_SPACES) + "-" * len(_DASHES) + "'")
    )
    return " ".join(text.lower().split())


def is_blank_value(text: str) -> bool:
    """Return whether normalized text states no value: empty, a dash, "n/a", "may vary", "s.o."."""
    return _BLANK_VALUE.fullmatch(text.strip("()[]\"' ")) is not None


def read_number(
    text: str, *, field: str, language: str = "", may_have_thousands: bool = True
) -> Decimal:
    """
    Parse one number: "18,5", "18.50", ".19", "1,000", "1 000", "1,234.5".

    A comma before three digits is a thousands separator in English and ambiguous in French, where
    the number is rejected. may_have_thousands: False for percents, which never reach a thousand.
    Raises RecordRejected.
    """
    digits = text.replace(" ", "").rstrip(".,")
    if "," in digits and "." in digits:
        thousands = "," if digits.rfind(".") > digits.rfind(",") else "."
        digits = digits.replace(thousands, "").replace(",", ".")
    elif re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits) and may_have_thousands:
        if language == "fr":
            raise RecordRejected(f"{text!r} may be a thousand or a decimal", field)
        digits = digits.replace(",", "")
    elif re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3}){2,}", digits):
        digits = digits.replace(",", "")
    if not re.fullmatch(r"\d*[.,]?\d+", digits) or len(digits) > 15:
        raise RecordRejected(f"{text!r} is not a number", field)
    return Decimal(digits.replace(",", "."))
