"""
Product name cleaner: removes brand, sizes and pack counts, and turns capitals into title case.

Accents and words for the product's form ("Pre-Roll") stay.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from catalog.ingest.cleaning.numbers import NUMBER, is_blank_value, normalize_text
from mlops.pipelines.errors import RecordRejected

_FIELD = "name"
_UNIT = r"(?:mg|g|gr|grams?|grammes?|kg|ml|cl|fl\.? ?oz\.?|oz|ounces?)"
_SIZE = rf"{NUMBER}\s*-?\s*{_UNIT}"
_COUNT = r"\d{1,3}\s*-?\s*(?:packs?|pk|pcs?|pieces?|pi[eè]ces?|ct|count|caps|units?|unit[ée]s)"
_TIMES = rf"\d{{1,3}}\s*[x×]\s*{_SIZE}|{_SIZE}\s*[x×]\s*\d{{1,3}}|{_SIZE}\s*ea\.?"
_MEASURE = rf"(?:{_TIMES}|{_SIZE}|{_COUNT}|1/[248]\s*(?:oz|ounce)|pack of \d+|paquet de \d+)"
_OF_CANNABINOID = r"(?:\s*(?:thc|cbd))?"
_BRACKETED = re.compile(
    rf"\s*[\[(]\s*{_MEASURE}(?:\s*[,/|x×-]\s*{_MEASURE})*{_OF_CANNABINOID}\s*[\])]", re.I
)
_UNBRACKETED = re.compile(
    rf"(?<![\w.$#/:+]){_MEASURE}{_OF_CANNABINOID}(?:\s+(?:bags?|bottles?|jars?|each)\b)?(?![\w/:])",
    re.I,
)
# "HiFi 4G" names a mobile network, not four grams.
_NETWORK_GENERATION = re.compile(r"(?<!\S)[345]G(?!\S)")
_STRAY_SEPARATORS = re.compile(r"\s*([|/–-])(?:\s+[|/–-](?=\s|$))+|\s+([|/–-])\s*$")
_ACRONYMS = frozenset({
    "OG", "THC", "CBD", "CBN", "CBG", "CBC", "THCV", "AAA", "AAAA", "MAC", "GMO", "GSC", "GG", "BC",
    "UK", "US", "USA", "LA", "NYC", "SFV", "LSD", "ICC", "RSO", "PHO", "FSE", "CO2", "AK", "DNA",
    "JD", "HTFSE", "AIO", "LLC", "INC", "LTD", "NDC", "PR", "DC", "II", "III", "IV", "VI", "XL",
    "XXL", "SLH", "DJ", "PB", "BHO", "MK", "GDP",
})  # fmt: skip
_LOWERCASE_WORDS = frozenset({
    "and", "the", "of", "de", "du", "la", "le", "les", "et", "à", "au", "aux", "en", "x", "by",
    "with", "des",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class NameReading:
    """The brand, if known, and the name without it."""

    brand: str | None
    name: str


def read_name(text: str, *, brand: str = "") -> NameReading:
    """
    Remove the brand (at either end or between separators), sizes, pack counts and capitals.

    Idempotent. A name that consists of nothing else keeps its words. Raises RecordRejected: empty
    or longer than 255 characters.
    """
    whole = " ".join(text.replace("\u00a0", " ").split())
    if not re.search(r"\w", whole):
        raise RecordRejected("is missing", _FIELD)
    if len(whole) > 255:
        raise RecordRejected("is longer than 255 characters", _FIELD)
    normalized_brand = normalize_text(brand)
    is_unknown = is_blank_value(normalized_brand) or normalized_brand == "unknown producer"
    brand = "" if is_unknown else " ".join(brand.split())
    name = whole
    previous = ""
    while name != previous:
        previous = name
        name = _without_measures(_without_brand(name, brand))
    return NameReading(title_case(brand) or None, title_case(name))


def name_measures(text: str) -> tuple[str, ...]:
    """Return the sizes, doses and counts that `read_name` removes: ("100mg",), ("3x0.5g",)."""
    whole = " ".join(text.replace("\u00a0", " ").split())
    if not any(c.isdigit() for c in whole):
        return ()
    matches = (
        text
        for pattern in (_BRACKETED, _UNBRACKETED)
        for text in pattern.findall(whole)
        if not _NETWORK_GENERATION.search(text)
    )
    measures = {
        re.sub(r"[^a-z0-9./]", "", text.lower().replace("×", "x").replace(",", "."))[:20]
        for text in matches
    }
    return tuple(sorted(measures - {""}))


def title_case(text: str) -> str:
    """
    Return a name in capitals in title case: "PINK KUSH OG" → "Pink Kush OG".

    A single word of up to four capitals may be an acronym and stays.
    """
    letters = [c for c in text if c.isalpha()]
    if (
        not letters
        or not all(c.isupper() for c in letters)
        or (" " not in text and len(letters) <= 4)
    ):
        return text
    first, *others = text.split(" ")
    return " ".join(
        [
            _title_case_word(first, is_first=True),
            *(_title_case_word(word, is_first=False) for word in others),
        ]
    )


def _title_case_word(word: str, *, is_first: bool) -> str:
    letters = re.sub(r"\W", "", word)
    if letters in _ACRONYMS or any(c.isdigit() for c in letters) or re.search(r"\w\.\w", word):
        return word
    if letters.lower() in _LOWERCASE_WORDS and not is_first:
        return word.lower()
    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)?", lambda match: match[0].capitalize(), word)


def _without_brand(name: str, brand: str) -> str:
    """Find the brand in the name without accents, and cut it from the name as written."""
    searched = _without_accents(name)
    brand = _without_accents(brand.strip("®™ "))
    # Most names do not contain their brand, and compiling patterns for every brand is slow.
    if not brand or brand.split()[0] not in searched:
        return name
    for pattern in _brand_patterns(brand):
        if match := pattern.search(searched):
            shorter = f"{name[: match.start()]}{name[match.end() :]}".strip()
            if _is_name(shorter):
                return shorter
    return name


def _is_name(text: str) -> bool:
    return re.search(r"[^\W\d_]{2}|\d{2}", text) is not None


@lru_cache(maxsize=4096)
def _brand_patterns(brand: str) -> list[re.Pattern[str]]:
    name = re.escape(brand).replace(r"\ ", r"\s+")
    return [
        re.compile(pattern)
        for pattern in (
            rf"^{name}(?:\s*[-–:|•]+\s*|\s+)(?:by\s+)?(?=\S)",
            rf"\s*[-–:|•,]\s*{name}\s*$",
            rf"\s+(?:by|par)\s+{name}\s*$",
            rf"(?<=\|)\s*{name}\s*\|",
            rf"(?<=\| ){name}\s+",
            rf"\s*[\[(]{name}[\])]",
        )
    ]


def _without_accents(text: str) -> str:
    """Return lower-case text without accents, of the same length as the given text."""
    if text.isascii():
        return text.lower()
    return "".join(
        unicodedata.normalize("NFD", letter)[0].lower() for letter in text.replace("’", "'")
    )


def _without_measures(name: str) -> str:
    for pattern in (_BRACKETED, _UNBRACKETED):
        shorter = pattern.sub(_remove_measure, name)
        shorter = _STRAY_SEPARATORS.sub(_keep_first_separator, " ".join(shorter.split()))
        shorter = re.sub(r"^[-–|,/:• ]+|[-–|,/:• ]+$", "", " ".join(shorter.split()))
        if _is_name(shorter):
            name = shorter
    return name


def _remove_measure(match: re.Match[str]) -> str:
    return match[0] if _NETWORK_GENERATION.search(match[0]) else " "


def _keep_first_separator(match: re.Match[str]) -> str:
    return f" {match[1]}" if match[1] else ""
