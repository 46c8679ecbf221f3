"""
Identifiers, checked before they identify: GTIN, SKU and ids of rows.

The one place that decides whether a text identifies a product, for every source and for whatever
people and clients enter. A text that does not is kept as text with the reason; two rows with it are
two products.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from stdnum import ean

from catalog.ingest.cleaning.numbers import (
    FULLWIDTH_FORMS,
    is_blank_value,
    is_sheet_error,
    normalize_text,
)

MAX_SKU_LENGTH = 50
GTIN_LENGTH = 14
_GTIN_LENGTHS = (12, 13, 14)
# A UPC that begins with zero and was stored as a number has lost it.
_SHORTENED_UPC_LENGTH = 11
_MIN_REPEATED_DIGITS = 5
# A text of these words alone stands where an identifier is missing: "No SKU", "To come", "(vide)".
_PLACEHOLDER_WORDS = frozenset({
    "aucun", "aucune", "vide", "empty", "blank", "missing", "manquant", "manquante", "same", "idem",
    "ditto", "test", "sample", "échantillon", "sku", "upc", "ean", "gtin", "code", "codes",
    "barcode", "id", "no", "non", "nd", "n.d", "sans", "without", "none", "null", "undefined",
    "available", "disponible", "assigned", "attribué", "defined", "applicable", "come", "confirmed",
    "confirmer", "determined", "déterminer", "tbc", "tbd", "tba", "venir", "pending", "soon",
    "bientôt", "new", "nouveau", "nouvelle", "see", "voir", "above", "below", "default", "multiple",
    "multiples", "various", "varies", "mixed", "divers", "several", "other", "others", "autre",
    "autres", "unknown", "inconnu", "inconnue", "s/o", "n/a",
})  # fmt: skip
_WORDS_BESIDE_THEM = frozenset({
    "a", "à", "au", "be", "bas", "ci", "de", "dessous", "dessus", "du", "found", "haut", "item",
    "not", "number", "of", "on", "pas", "title", "to", "yet",
})  # fmt: skip
_ONLY_SIGNS = re.compile(r"[\W_xX]*")
# "UPC: 628…", and "(01)", by which GS1 bar codes introduce the number.
_LABEL_OF_GTIN = re.compile(
    r"(?:(?:upc|ean|gtin|cup|code[ -]barres)(?:[ -]?1[234](?=\D))?\s*[:#]?\s*|\(01\)\s*)(?=\d)",
    re.IGNORECASE,
)
_EXPONENT = re.compile(r"(?P<digits>\d(?:[.,]\d+)?)[eE]\+?(?P<exponent>\d{1,2})")
_WHOLE_NUMBER = re.compile(r"(\d{5,15})[.,]0+")
# Prefixes of the 13-digit number, by GS1: numbers that are unique within a region or a company
# only, coupons, and refund receipts.
_RESTRICTED_PREFIXES = re.compile(r"02|04|05|2|98[0-4]|99|0000000")
_SEQUENCE = "01234567890123456789"
_REASONS = {
    "placeholder": "is a placeholder, not an identifier",
    "lossy_number": "is a number that a spreadsheet has rounded, so digits are lost",
    "restricted": "is a code for use within a store or region (prefix 02, 04, 05, 20–29 or 98–99), "
    "not a GTIN",
    "not_digits": "contains other characters than digits",
    "wrong_length": "has the wrong length; a GTIN has 12, 13 or 14 digits",
    "wrong_check_digit": "has a wrong check digit",
    "completed": "has 11 digits; with the leading zero that it lost it is a UPC",
    "too_long": f"is longer than {MAX_SKU_LENGTH} characters",
}


@dataclass(frozen=True, slots=True)
class Identifier:
    """
    What a text identifies: `value`, in one spelling, or None with the problem.

    text: as written, without surrounding spaces. problem: a key for flags (see `reason`); "": none.
    A value may have a problem, too: it was completed.
    """

    value: str | None
    text: str
    problem: str = ""

    @property
    def reason(self) -> str:
        """The problem in words; "" without one."""
        return _REASONS.get(self.problem, "")


def read_gtin(text: str) -> Identifier:
    """
    Return the GTIN-14 of 12 to 14 digits with a correct check digit.

    Spaces, hyphens and a label ("UPC:", "(01)") are left out; numbers that spreadsheets stored
    without losing a digit ("628110000123.0", "6.28110000123E+11") are read, and a UPC of 11 digits
    is completed by its leading zero. No GTIN: zeros, one repeated digit, a run of digits, codes of
    restricted circulation, coupons.
    """
    written = text.strip().removeprefix("'")
    if not written or is_blank_value(normalize_text(written)):
        return Identifier(None, "")
    digits = _LABEL_OF_GTIN.sub("", written.translate(FULLWIDTH_FORMS))
    digits, problem = _without_notation(re.sub(r"(?<=\d)[\s-]+(?=\d)", "", digits))
    problem = problem or _gtin_problem(digits)
    if problem and problem != "completed":
        return Identifier(None, written, problem)
    return Identifier(digits.zfill(GTIN_LENGTH), written, problem)


def read_sku(text: str) -> Identifier:
    """
    Return the SKU without surrounding spaces and trailing underscores.

    No SKU: a blank word, signs alone, zero, one repeated digit, an error cell, a number that a
    spreadsheet has rounded, more than 50 characters.
    """
    reading = read_id(text.strip().rstrip("_ "))
    if reading.value is not None and not reading.value.strip("0.,"):
        return Identifier(None, reading.text, "placeholder")
    if reading.value is not None and len(reading.value) > MAX_SKU_LENGTH:
        return Identifier(None, reading.text, "too_long")
    return reading


def read_id(text: str) -> Identifier:
    """Return a source's own id without surrounding spaces, of any length; else the problem."""
    written = text.strip()
    if not written:
        return Identifier(None, "")
    value, problem = _without_notation(written)
    if problem:
        return Identifier(None, written, problem)
    if _is_placeholder(value):
        return Identifier(None, written, "placeholder")
    return Identifier(value, written)


def gtin_of_sku(text: str) -> str | None:
    """Return the GTIN that a SKU is, if it is a whole one."""
    if len(text) < min(_GTIN_LENGTHS) or not text.lstrip()[:1].isdigit():
        return None
    reading = read_gtin(text)
    return reading.value if not reading.problem else None


def gtin_query(text: str) -> str:
    """Return the GTIN-14 that a search for a number means, however wide; "" for other texts."""
    digits = re.sub(r"(?<=\d)[\s-]+(?=\d)", "", text.strip())
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= GTIN_LENGTH
    return digits.zfill(GTIN_LENGTH) if is_number else ""


def _gtin_problem(digits: str) -> str:
    """Return why a text is no GTIN, "completed" for a UPC of 11 digits, "" for a GTIN."""
    if not (digits.isascii() and digits.isdigit()):
        return "not_digits"
    if _is_placeholder_number(digits):
        return "placeholder"
    is_shortened = len(digits) == _SHORTENED_UPC_LENGTH
    gtin = digits.zfill(GTIN_LENGTH)
    if len(digits) not in _GTIN_LENGTHS and not (is_shortened and ean.is_valid(gtin)):
        return "wrong_length"
    if not ean.is_valid(gtin):
        return "wrong_check_digit"
    if _RESTRICTED_PREFIXES.match(gtin[1:]):
        return "restricted"
    return "completed" if is_shortened else ""


def _without_notation(text: str) -> tuple[str, str]:
    """Return the digits of a number as spreadsheets write it, and the problem of a rounded one."""
    if match := _WHOLE_NUMBER.fullmatch(text):
        return match[1], ""
    match = _EXPONENT.fullmatch(text)
    if not match or ("+" not in text and not re.search(r"[.,]", text)):
        return text, ""
    digits = match["digits"].replace(",", ".")
    exponent = int(match["exponent"])
    if len(digits.partition(".")[2]) < exponent:
        return text, "lossy_number"
    return f"{Decimal(f'{digits}E{exponent}'):f}".partition(".")[0], ""


def _is_placeholder(text: str) -> bool:
    normalized = normalize_text(text)
    return (
        is_blank_value(normalized)
        or _is_placeholder_words(normalized)
        or _ONLY_SIGNS.fullmatch(text) is not None
        or is_sheet_error(normalized)
        or (text.isdigit() and len(text) > 1 and not text.strip("0"))
        or (text.isdigit() and len(text) >= _MIN_REPEATED_DIGITS and len(set(text)) == 1)
    )


def _is_placeholder_words(normalized: str) -> bool:
    """Return whether a text consists of words that stand for a missing identifier."""
    words = {word.strip("()[]<>*\"'.,:") for word in re.split(r"[\s-]+", normalized)} - {""}
    return bool(words & _PLACEHOLDER_WORDS) and words <= _PLACEHOLDER_WORDS | _WORDS_BESIDE_THEM


def _is_placeholder_number(digits: str) -> bool:
    """Return whether digits are zeros, one repeated digit, or a run such as 123456789012."""
    significant = digits.lstrip("0")
    without_check_digit = digits[:-1].lstrip("0")
    is_run = len(without_check_digit) >= _MIN_REPEATED_DIGITS + 2 and (
        without_check_digit in _SEQUENCE or without_check_digit in _SEQUENCE[::-1]
    )
    return len(set(significant)) <= 1 or len(set(without_check_digit)) <= 1 or is_run
