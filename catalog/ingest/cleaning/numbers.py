"""
Numbers of suppliers' texts: the one reader for potencies, prices, sizes, counts and stock.

A number is read whole or not at all. `tokenize` cuts a text into numbers, words and signs and
marks those that touch their neighbor, so that rules account for everything beside a number.
Texts are normalized and limited in length first; all patterns are linear in it.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from mlops.pipelines.errors import RecordRejected

NO_VALUE = "has no value"
"""Rejection reason of a text that states no value."""
MAX_TEXT_LENGTH = 400
"""Longest text that is read for a potency, size, type, price or stock."""
_MAX_NUMBER_LENGTH = 24
# More decimals than anyone writes: 19.999999999999996 is a binary fraction.
_MAX_WRITTEN_DECIMALS = 9
_BINARY_NOISE = Decimal("1e-9")
# "&amp;#39;" was escaped twice, by a till and by a shop.
_MAX_ESCAPED = 2
_SPACES = "\u00a0\u202f\u2009\u2007\u3000"
_DASHES = "−–—‒‑‐"
FULLWIDTH_FORMS = {0xFF01 + offset: chr(0x21 + offset) for offset in range(94)}
"""Translation of letters, digits and signs of double width: "３．５ｇ"."""
_TRANSLATION = FULLWIDTH_FORMS | str.maketrans(
    {
        **dict.fromkeys(_SPACES, " "),
        **dict.fromkeys(_DASHES, "-"),
        "’": "'",
        "٪": "%",
        "∆": "δ",
        "δ": "δ",
        "≦": "≤",
        "≧": "≥",
    }
)
_FRACTIONS = {"½": ("1/2", "5"), "¼": ("1/4", "25"), "¾": ("3/4", "75"), "⅛": ("1/8", "125")}
_FRACTION = re.compile(r"((?<![\d.,])\d{1,3})? ?([½¼¾⅛])")
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,80}>")
_ENTITY = re.compile(r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
NUMBER = (
    r"(?:[1-9]\d{0,2}(?: \d{3})+(?:[.,]\d+)?(?![\d.,]*\d)|\d+(?:[.,]\d+)*|[.,]\d+)"
    r"(?:e[+-]?\d{1,3}(?![\w.]))?"
)
"""A number in normalized text, as long as it is written."""
_TOKEN = re.compile(
    rf"(?P<number>{NUMBER})|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<sign>\S)", re.UNICODE
)
_BLANK_VALUE = re.compile(
    r"(?:n\.?/?a\.?|none|null|nil|nan|tbd|tba|unknown|inconnue?|varies|variable|"
    r"(?:may|peu(?:t|vent)) var(?:y|ier)|not applicable|not_applicable|ne s.applique pas|"
    r"sans objet|s\.?o\.?|not tested|non test[ée]e?|pending|à venir|[-. ]*)"
)
# The quotes of a CSV field that another program quoted again.
_QUOTED = re.compile(r'"([^"]+)"')
# In English and French; "####" is a number that its column was too narrow to show.
_SHEET_ERROR = re.compile(
    r"#(?:div/0!|n/[ad](?!\w)|na(?:me)?\?|nom\s?\?|(?:null?|num|nombre|ref|value|valeur|spill"
    r"|propagation|calc|error|field|champ)[!?]|(?:ref|error)$|getting_data)|^#{3,}$"
)
TokenKind = Literal["number", "word", "sign"]


@dataclass(frozen=True, slots=True)
class Token:
    """A number, word or sign; `is_glued`: nothing stands between it and the token before it."""

    kind: TokenKind
    text: str
    is_glued: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """A number and its doubts: "leading_point" for ".5", whose whole part may be lost."""

    value: Decimal
    flags: tuple[str, ...] = ()


def strip_markup(text: str) -> str:
    """Return text with entities decoded, and without tags and invisible characters."""
    for _ in range(_MAX_ESCAPED):
        if "&" not in text:
            break
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if letter in "\t\n\r" or unicodedata.category(letter) not in _INVISIBLE else ""
        for letter in text
    )


_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co"})


def normalize_text(text: str) -> str:
    """Return lower-case text with spaces, dashes, apostrophes and fractions of one kind each."""
    text = strip_markup(text)
    if not text.isascii():
        text = _FRACTION.sub(_write_fraction, text).translate(_TRANSLATION)
    return " ".join(text.lower().split())


def _write_fraction(match: re.Match[str]) -> str:
    whole, (fraction, decimals) = match[1], _FRACTIONS[match[2]]
    return f"{whole}.{decimals}" if whole else f" {fraction}"


def normalize_value(text: str, *, field: str) -> str:
    """
    Return the normalized text of a value.

    Raises RecordRejected: longer than MAX_TEXT_LENGTH, no value, an error of a spreadsheet.
    """
    if len(text) > MAX_TEXT_LENGTH:
        raise RecordRejected(f"is longer than {MAX_TEXT_LENGTH} characters", field)
    normalized = normalize_text(text)
    if match := _QUOTED.fullmatch(normalized):
        normalized = match[1].strip()
    if is_blank_value(normalized):
        raise RecordRejected(NO_VALUE, field)
    if is_sheet_error(normalized):
        raise RecordRejected("is an error of a spreadsheet", field)
    return normalized


def is_blank_value(text: str) -> bool:
    """Return whether normalized text states no value: empty, a dash, "n/a", "may vary", "s.o."."""
    return _BLANK_VALUE.fullmatch(text.strip("()[]\"' ")) is not None


def is_sheet_error(text: str) -> bool:
    """Return whether normalized text contains the error of a cell: "#DIV/0!"."""
    return _SHEET_ERROR.search(text) is not None


def tokenize(text: str) -> list[Token]:
    """Return the tokens of normalized text; every character that is not a space is in one."""
    tokens: list[Token] = []
    end = -1
    for match in _TOKEN.finditer(text):
        kind: TokenKind = match.lastgroup  # type: ignore[assignment]  # the names of the groups
        tokens.append(Token(kind, match[0], match.start() == end))
        end = match.end()
    return tokens


def read_number(
    text: str, *, field: str, language: str = "", may_have_thousands: bool = True
) -> Reading:
    """
    Read one number: "18,5", "18.50", "1,000", "1 000", "1,234.5", "2.5e+01".

    A comma before three digits is a thousands separator in English and ambiguous in French, where
    the number is rejected. may_have_thousands: False for percents, which never reach a thousand.
    Binary noise is removed. Raises RecordRejected.
    """
    digits, _, exponent = text.replace(" ", "").rstrip(".,").partition("e")
    if len(text) > _MAX_NUMBER_LENGTH:
        raise RecordRejected("is a number that is too long", field)
    if "," in digits and "." in digits:
        thousands = "," if digits.rfind(".") > digits.rfind(",") else "."
        whole, _, decimals = digits.rpartition("." if thousands == "," else ",")
        if not re.fullmatch(rf"[1-9]\d{{0,2}}(?:[{thousands}]\d{{3}})+", whole):
            raise RecordRejected(f"{text!r} is not a number", field)
        digits = f"{whole.replace(thousands, '')}.{decimals}"
    elif re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits) and may_have_thousands:
        if language == "fr":
            raise RecordRejected(f"{text!r} may be a thousand or a decimal", field)
        digits = digits.replace(",", "")
    elif re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3}){2,}", digits):
        digits = digits.replace(",", "")
    if not re.fullmatch(r"\d*[.,]?\d+", digits):
        raise RecordRejected(f"{text!r} is not a number", field)
    flags = ("leading_point",) if digits[0] in ".," else ()
    try:
        value = Decimal(digits.replace(",", ".") + (f"e{exponent}" if exponent else ""))
    except InvalidOperation:
        raise RecordRejected(f"{text!r} is not a number", field) from None
    return Reading(_without_binary_noise(value), flags)


def add_unit(text: str, unit: str) -> str:
    """
    Return a bare number with its column's unit; other text as it is.

    unit: "fraction" for percentages that a workbook stores as 0.225; a number above 1 is none, and
    stays without a unit that could be read.
    """
    normalized = normalize_text(text) if len(text) <= _MAX_NUMBER_LENGTH else ""
    if not re.fullmatch(NUMBER, normalized):
        return text
    if unit != "fraction":
        return f"{text} {unit}"
    try:
        fraction = read_number(normalized, field="", may_have_thousands=False).value
    except RecordRejected:
        return text
    return f"{(fraction * 100).normalize():f}%" if fraction <= 1 else f"{text} of one"


def round_to(value: Decimal, decimals: int) -> tuple[Decimal, bool]:
    """Return the value at a column's precision, and whether that changes what is shown."""
    rounded = value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return rounded, rounded != value


def _without_binary_noise(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= -_MAX_WRITTEN_DECIMALS:
        # An exponent of "2.5e+01" is written out, so that 25 is not shown as 2.5E+1.
        return value if not isinstance(exponent, int) or exponent <= 0 else Decimal(f"{value:f}")
    rounded = value.quantize(Decimal("1e-6")).normalize()
    return Decimal(f"{rounded:f}") if abs(rounded - value) <= _BINARY_NOISE else value
