"""
Product name cleaner: removes brand, sizes, pack counts and marks; title case for capitals.

Accents and words for the product's form ("Pre-Roll") stay.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from catalog.ingest.cleaning.numbers import (
    FULLWIDTH_FORMS,
    NUMBER,
    is_blank_value,
    is_sheet_error,
    normalize_text,
    strip_markup,
)
from catalog.ingest.vocabulary import find_category
from catalog.reference.strains import alias_groups, name_key, strains
from mlops.pipelines.errors import RecordRejected

_FIELD = "name"
_MAX_LENGTH = 255
# Longer texts are not names; they are refused before any pattern reads them.
_MAX_RAW_LENGTH = 2_000
_UNIT = r"(?:mg|g|gr|gms?|grams?|grammes?|kg|ml|cl|fl\.? ?oz\.?|oz\.?|ounces?)"
_SIZE = rf"(?:{NUMBER}|(?:\d\s?)?[½¼¾⅛])\s*-?\s*{_UNIT}"
_COUNT = r"\d{1,3}\s*-?\s*(?:packs?|pk|pcs?|pieces?|pi[eè]ces?|ct|count|caps|units?|unit[ée]s)"
_TIMES = (
    rf"{_COUNT}\s*[x×]\s*{_SIZE}|\d{{1,3}}\s*(?:pk|packs?)?\s*[x×]\s*{_SIZE}"
    rf"|{_SIZE}\s*[x×]\s*\d{{1,3}}|{_SIZE}\s*ea\.?"
)
_MEASURE = rf"(?:{_TIMES}|{_SIZE}|{_COUNT}|1/[248]\s*(?:oz|ounce)|pack of \d+|paquet de \d+)"
_CANNABINOID = r"(?:thc[av]?|cbd[av]?|cbn|cbga?|cbc)"
# "500mg THC", "500mg THC + 500 CBD", "(100MG Total)".
_OF_CANNABINOID = (
    rf"(?:\s*(?:total|tot\.?|de|of)?\s*{_CANNABINOID}(?:\s*[+/&]\s*{NUMBER}\s*(?:mg)?\s*{_CANNABINOID})*"
    r"|\s*total)?(?:\s*(?:per|/)\s*(?:pc|piece|unit|serving))?"
)
_BRACKETED = re.compile(
    rf"\s*[\[(]\s*{_MEASURE}(?:\s*[,/|x×-]\s*{_MEASURE})*{_OF_CANNABINOID}\s*[\])]", re.I
)
_UNBRACKETED = re.compile(
    rf"(?<![\w.$#/:+]){_MEASURE}{_OF_CANNABINOID}(?:\s*/\s*{_MEASURE}{_OF_CANNABINOID})*"
    r"(?:\s+(?:bags?|bottles?|jars?|each)\b)?(?![\w/:])",
    re.I,
)
# "HiFi 4G" names a mobile network, not four grams.
_NETWORK_GENERATION = re.compile(r"(?<!\S)[345]G(?!\S)")
_STRAY_SEPARATORS = re.compile(r"\s*([|/–-])(?:\s+[|/–-](?=\s|$))+|\s+([|/–-])\s*$")
_STRAY_COMMAS = re.compile(r"\s*,(?:\s*,)+")
_ACRONYMS = frozenset({
    "OG", "THC", "CBD", "CBN", "CBG", "CBC", "THCV", "AAA", "AAAA", "MAC", "GMO", "GSC", "GG", "BC",
    "UK", "US", "USA", "LA", "NYC", "SFV", "LSD", "ICC", "RSO", "PHO", "FSE", "CO2", "AK", "DNA",
    "JD", "HTFSE", "AIO", "LLC", "INC", "LTD", "NDC", "PR", "DC", "II", "III", "IV", "VI", "XL",
    "XXL", "SLH", "DJ", "PB", "BHO", "MK", "GDP",
})  # fmt: skip
_MAX_ACRONYM_LENGTH = 4
_VOWEL = re.compile(r"[AEIOUYÀÂÄÉÈÊËÎÏÔÖÙÛÜŒÆ]")
_SHORT_WORDS = frozenset({"MR", "MRS", "MS", "DR", "ST", "JR", "SR", "MT", "FT"})
# A French article before a vowel: "L'HUILE D'ÉRABLE" is "L'huile d'érable".
_ELISION = re.compile(r"((?:L|D|QU|JUSQU)['’])(?=[AEIOUYHÀÂÄÉÈÊËÎÏÔÖÙÛÜŒÆ])")
_LOWERCASE_WORDS = frozenset({
    "and", "the", "of", "de", "du", "la", "le", "les", "et", "à", "au", "aux", "en", "x", "by",
    "with", "des",
})  # fmt: skip


_PRICE = r"(?:\$ ?\d{1,3}(?:\.\d\d)?|\d{1,3}(?:,\d\d)? \$)"
# Marks of a shop, not part of a name: "NEW!!", "*SUPER FRESH!", "*Medical only", "(REC)", "$25 ".
_MARKS = re.compile(
    r"(?<!\w)\**\s*(?:new|nouveaut[ée]|nouveau|(?:super )?fresh|sale|hot|limited(?: time)?|promo"
    r"|exclusive|exclusif|back in stock|just in|last chance|staff pick|solde)(?: arrival| drop)?"
    r"\s*(?:!+\**|\*+)"
    r"|\*+\s*(?:new|medical|rec|recreational|sale|discontinued|clearance|(?:super )?fresh)"
    r"(?: only)?\s*!*\**(?!\w)"
    r"|[\[(]\s*(?:rec|med|medical|recreational)(?: only)?\s*[\])]"
    r"|[\[(]\s*(?:new|sale|promo|clearance|solde|nouveau(?:t[ée])?)\s*[\])]"
    r"|[\[(]\s*(?:buy \d,? get \d(?: free)?|bogo|\d{1,2} ?% (?:off|de rabais))\s*[\])]"
    r"|\s[-–|]\s*(?:buy \d,? get \d(?: free)?|bogo|\d{1,2} ?% (?:off|de rabais))$"
    rf"|^{_PRICE}\s|(?:[-–|]\s*(?:sale\s*)?|(?<=[a-z])\s){_PRICE}$|[\[(]\s*{_PRICE}\s*[\])]"
    r"|(?<=\s)\*+(?=\s|$)|^\*+\s+",
    re.I,
)
_PLACEHOLDERS = frozenset({
    "unknown producer", "undefined", "[object object]", "(blank)", "(vide)", "(empty)",
})  # fmt: skip
# "\ufffd" stands for a letter that is lost: it is kept, so that the damage is seen.
_KEPT_SYMBOLS = frozenset("™®©°№\ufffd")
_EMOJI_PARTS = frozenset({"\ufe0e", "\ufe0f"})
# UTF-8 that was read as cp1252: "TIVAâ„¢", "CrÃ¨me".
_MOJIBAKE = re.compile(r"[ÂÃ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â(?:€|„)")
# A potency is a lot's, not a part of a name: "THC: 20-25 %", "(22% THC)".
_SHARE = rf"[<>~]?\s*{NUMBER}\s*(?:%?\s*[-–]\s*{NUMBER}\s*)?%"
_POTENCY = re.compile(
    rf"[\[(]?\s*(?<!\w)(?:total\s+)?(?:{_CANNABINOID}\s*:?\s*{_SHARE}|{_SHARE}\s*{_CANNABINOID})"
    r"(?!\w)\s*[\])]?",
    re.I,
)
_BRAND_SEPARATOR = re.compile(r"\s*\|\s*")
_FORM_WORDS = frozenset({
    "live", "cured", "resin", "rosin", "cart", "disposable", "infused", "outdoor", "indoor",
    "smalls", "popcorn", "mini", "big", "little", "pod", "aio", "badder", "budder", "sugar",
    "sauce",
})  # fmt: skip
# "Wana - Mango Gummies" is by "Wana Edibles".
_COMPANY_WORDS = re.compile(
    r"\s+(?:co\.?|company|inc\.?|llc|ltd\.?|rx|brands?|cannabis|edibles|extracts|farms?|labs?)$"
)
_TYPE_WORDS = re.compile(r"\b(?:indica|sativa|hybride?|thc|cbd)\b", re.I)


@dataclass(frozen=True, slots=True)
class NameReading:
    """
    The brand, if known, and the name without it.

    flags: "brand_from_name" when the brand is the first part of "Brand | Name", "brand_unclear"
    when one of the parts may be the brand, "name_is_measure" for a size without words,
    "text_garbled" when letters were lost.
    """

    brand: str | None
    name: str
    flags: tuple[str, ...] = ()


def read_name(text: str, *, brand: str = "") -> NameReading:
    """
    Remove the brand (at either end or between separators), sizes, pack counts, marks and capitals.

    brand: as the source states it; "": taken from "Brand | Name". Entities, tags, emoji and
    invisible characters are removed. Idempotent for a stated brand. A name that consists of nothing
    else keeps its words. Raises RecordRejected: empty, a placeholder ("N/A", "#REF!"), longer than
    255 characters.
    """
    whole = clean_text(text, field=_FIELD)
    if not re.search(r"\w", whole):
        raise RecordRejected("is missing", _FIELD)
    if len(whole) > _MAX_LENGTH:
        raise RecordRejected(f"is longer than {_MAX_LENGTH} characters", _FIELD)
    if _is_placeholder(whole):
        raise RecordRejected(f"{whole!r} is no name", _FIELD)
    brand = read_brand(brand)
    whole = whole.strip('"') if whole.count('"') == 2 and whole[0] == whole[-1] == '"' else whole
    if " " not in whole:
        whole = whole.replace("_", " ").strip() or whole
    name = _without_marks(whole)
    flags: tuple[str, ...] = ()
    is_marked = name.split(maxsplit=1)[0] != text.split(maxsplit=1)[0]
    if not brand and (found := _leading_brand(name, is_marked=is_marked)):
        brand = found
        flags = ("brand_from_name",)
    elif not brand and _may_contain_brand(name):
        flags = ("brand_unclear",)
    previous = ""
    while name != previous:
        previous = name
        name = _without_measures(_without_brand(name, brand))
    if "\ufffd" in name:
        flags = (*flags, "text_garbled")
    if not re.search(r"[^\W\d_]{2}", _UNBRACKETED.sub(" ", name)) and _UNBRACKETED.search(name):
        flags = (*flags, "name_is_measure")
    return NameReading(title_case(brand) or None, title_case(name), flags)


def read_brand(text: str, *, field: str = "brand") -> str:
    """Return a brand or producer as written; "" for placeholders ("N/A", "-", "#REF!")."""
    brand = clean_text(text, field=field)
    return "" if _is_placeholder(brand) else brand


def _is_placeholder(text: str) -> bool:
    normalized = normalize_text(text)
    return is_blank_value(normalized) or is_sheet_error(normalized) or normalized in _PLACEHOLDERS


def clean_text(text: str, *, field: str) -> str:
    """
    Return a name or brand without markup, emoji, invisible characters and repeated spaces.

    Repairs UTF-8 that was read as cp1252. Raises RecordRejected: far too long.
    """
    if len(text) > _MAX_RAW_LENGTH:
        raise RecordRejected(f"is longer than {_MAX_LENGTH} characters", field)
    if text.isascii() and text.isprintable() and "&" not in text and "<" not in text:
        return " ".join(text.split())
    text = _repair_encoding(strip_markup(text.replace("\u00a0", " "))).translate(FULLWIDTH_FORMS)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        text = "".join(" " if _is_symbol(letter) else letter for letter in text)
    return " ".join(text.split())


def _is_symbol(letter: str) -> bool:
    is_symbol = unicodedata.category(letter) == "So" and letter not in _KEPT_SYMBOLS
    return is_symbol or letter in _EMOJI_PARTS


def _repair_encoding(text: str) -> str:
    if not _MOJIBAKE.search(text):
        return text
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return text


def _without_marks(name: str) -> str:
    if not any(sign in name for sign in "!*([$%") and "bogo" not in name.lower():
        return name
    shorter = " ".join(_MARKS.sub(" ", name).split())
    shorter = re.sub(r"^[-–|,/:• ]+|[-–|,/:• ]+$", "", shorter)
    return shorter if _is_name(shorter) else name


def _leading_brand(name: str, *, is_marked: bool) -> str:
    """
    Return the brand of "Brand | Name"; "" when the first part may be the name itself.

    Another part must name a strain, and the first none: half of all names with a bar begin with the
    product ("Mimosa Live | Pharmers", "Apples | 1 g Cart"). is_marked: the name began with a mark
    of the shop, as those do that begin with the brand.
    """
    first, *others = _BRAND_SEPARATOR.split(name)
    if not others or not _is_name(first) or any(letter.isdigit() for letter in first):
        return ""
    if find_category(first) or _TYPE_WORDS.search(first) or _names_strain(first):
        return ""
    is_plain_pair = len(others) == 1 and _is_name(others[0]) and not find_category(others[0])
    names_strain = any(_names_strain(part) for part in others)
    return first if names_strain or (is_marked and is_plain_pair) else ""


def _may_contain_brand(name: str) -> bool:
    """Return whether a part of "Grape Ape | 1 g | Acme" is no strain, form, type or size."""
    if "|" not in name:
        return False
    parts = [
        part
        for part in _BRAND_SEPARATOR.split(_BRACKETED.sub(" ", _UNBRACKETED.sub(" ", name)))
        if _is_name(part)
    ]
    return len(parts) > 1 and not all(
        find_category(part)
        or _TYPE_WORDS.search(part)
        or _names_strain(part)
        or set(re.findall(r"\w+", part.lower())) <= _FORM_WORDS
        for part in parts
    )


def _names_strain(text: str) -> bool:
    """Return whether two words or more of a text, or all but words of a form, are a strain."""
    words = re.findall(r"[\w'’]+", text)
    known = _strain_keys()
    spans = [
        "".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 2, len(words) + 1)
    ]
    others = "".join(word for word in words if word.lower() not in _FORM_WORDS)
    return any(name_key(span) in known for span in (*spans, others))


@lru_cache(maxsize=1)
def _strain_keys() -> frozenset[str]:
    return frozenset(strains()) | {key for group in alias_groups() for key in group}


def name_measures(text: str) -> tuple[str, ...]:
    """
    Return the sizes, doses and counts that `read_name` removes: ("100mg",), ("3x0.5g",).

    Raises RecordRejected: far too long.
    """
    whole = clean_text(text, field=_FIELD)
    if not any(c.isnumeric() for c in whole):
        return ()
    matches = (
        part
        for pattern in (_BRACKETED, _UNBRACKETED)
        for text in pattern.findall(whole)
        if not _NETWORK_GENERATION.search(text)
        for part in re.split(r"(?<!\b1)/", text)  # "1/8 oz" is one measure
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


def _is_acronym(letters: str) -> bool:
    """Return whether capitals are no word: up to four without a vowel, except "MR" and "DR"."""
    return (
        1 < len(letters) <= _MAX_ACRONYM_LENGTH
        and not _VOWEL.search(letters)
        and letters not in _SHORT_WORDS
    )


def _title_case_word(word: str, *, is_first: bool) -> str:
    letters = re.sub(r"\W", "", word)
    if (
        letters in _ACRONYMS
        or _is_acronym(letters)
        or any(c.isdigit() for c in letters)
        or re.search(r"\w\.\w", word)
    ):
        return word
    if letters.lower() in _LOWERCASE_WORDS and not is_first:
        return word.lower()
    if elision := _ELISION.match(word):
        article = elision[1].capitalize() if is_first else elision[1].lower()
        return article + word[elision.end() :].lower()
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
            if _is_name(_BRACKETED.sub(" ", _UNBRACKETED.sub(" ", shorter))):
                return shorter
    return name


def _is_name(text: str) -> bool:
    return re.search(r"[^\W\d_]{2}|\d{2}", text) is not None


@lru_cache(maxsize=4096)
def _brand_patterns(brand: str) -> list[re.Pattern[str]]:
    name = re.escape(brand).replace(r"\ ", r"\s+") + "[®™]*"
    short_brand = _COMPANY_WORDS.sub("", brand)
    short_name = re.escape(short_brand).replace(r"\ ", r"\s+") + "[®™]*"
    return [
        re.compile(pattern)
        for pattern in (
            *((rf"^{short_name}\s*(?:\||\s[-–:])\s*(?=\S)",) if short_brand != brand else ()),
            # "Tweed x Houseplant" is of two brands, and named so.
            rf"^{name}(?:'s)?(?:\s*[-–:|•]+\s*|\s+)(?!(?:x|&|\+)\s)(?:by\s+)?(?=\S)",
            rf"\s*[-–:|•,]\s*{name}\s*$",
            rf"\s+(?:by|par|de|from)\s+{name}\s*$",
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
    if not any(letter.isnumeric() for letter in name):
        return _without_stray_separators(name)
    patterns = (_POTENCY, _BRACKETED, _UNBRACKETED) if "%" in name else (_BRACKETED, _UNBRACKETED)
    for pattern in patterns:
        name = _without_stray_separators(pattern.sub(_remove_measure, name), otherwise=name)
    return name


def _without_stray_separators(name: str, *, otherwise: str = "") -> str:
    """Return the name without separators of nothing; `otherwise` when no name is left."""
    shorter = _STRAY_SEPARATORS.sub(_keep_first_separator, " ".join(name.split()))
    shorter = _STRAY_COMMAS.sub(",", " ".join(shorter.split())).strip("-–|,/:• ")
    shorter = shorter.rstrip("&—-–|,/:• ")
    return shorter if _is_name(shorter) else otherwise or name


def _remove_measure(match: re.Match[str]) -> str:
    return match[0] if _NETWORK_GENERATION.search(match[0]) else " "


def _keep_first_separator(match: re.Match[str]) -> str:
    return f" {match[1]}" if match[1] else ""
