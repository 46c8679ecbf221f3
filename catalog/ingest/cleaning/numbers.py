"""Numbers as people type them, in English and French."""

import re
from decimal import Decimal

from mlops.pipelines.errors import RecordRejected

_SPACES = "\u00a0\u202f\u2009"
_DASHES = "−–—‒‑‐"
NUMBER = r"(?:\d{1,3}(?:[ ]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*|[.,]\d+)"
"""A number in text that `plain` has been through."""
_NOTHING = re.compile(
    r"(?:n\.?/?a\.?|none|null|nil|tbd|tba|unknown|inconnue?|varies|variable|(?:may|peu(?:t|vent)) var(?:y|ier)|"
    r"not applicable|not_applicable|ne s.applique pas|sans objet|s\.?o\.?|not tested|non test[ée]e?|pending|à venir|[-. ]*)"
)


def plain(text: str) -> str:
    """Make spaces, dashes and apostrophes of one kind each, and all letters small."""
    for sign, fraction in (("½", "1/2"), ("¼", "1/4"), ("⅛", "1/8")):
        text = text.replace(sign, fraction)
    text = text.translate(
        str.maketrans(_SPACES + _DASHES + "’", " " * len(_SPACES) + "-" * len(_DASHES) + "'")
    )
    return " ".join(text.lower().split())


def says_nothing(text: str) -> bool:
    """Tell whether plain text is one of the ways to leave a value open."""
    return _NOTHING.fullmatch(text.strip("()[]\"' ")) is not None


def read_number(
    text: str, *, field: str, language: str = "", may_have_thousands: bool = True
) -> Decimal:
    """
    Read one number: "18,5", "18.50", ".19", "1,000", "1 000", "1,234.5".

    A comma before three digits is a mark of thousands in English and a decimal comma in French; where neither is
    sure, the number is refused. may_have_thousands: False for percents, which never reach a thousand.
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
