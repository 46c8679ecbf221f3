"""Names of products: without brand, size, pack count and shouting; accents and form stay."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from catalog.ingest.cleaning.numbers import NUMBER, plain, says_nothing
from mlops.pipelines.errors import RecordRejected

_FIELD = "name"
_UNIT = r"(?:mg|g|gr|grams?|grammes?|kg|ml|cl|fl\.? ?oz\.?|oz|ounces?)"
_SIZE = rf"{NUMBER}\s*-?\s*{_UNIT}"
_COUNT = r"\d{1,3}\s*-?\s*(?:packs?|pk|pcs?|pieces?|pi[eè]ces?|ct|count|caps|units?|unit[ée]s)"
_TIMES = rf"\d{{1,3}}\s*[x×]\s*{_SIZE}|{_SIZE}\s*[x×]\s*\d{{1,3}}|{_SIZE}\s*ea\.?"
_MEASURE = rf"(?:{_TIMES}|{_SIZE}|{_COUNT}|1/[248]\s*(?:oz|ounce)|pack of \d+|paquet de \d+)"
_WHOSE = r"(?:\s*(?:thc|cbd))?"
_BRACKETED = re.compile(
    rf"\s*[\[(]\s*{_MEASURE}(?:\s*[,/|x×-]\s*{_MEASURE})*{_WHOSE}\s*[\])]", re.I
)
_FREE = re.compile(
    rf"(?<![\w.$#/:+]){_MEASURE}{_WHOSE}(?:\s+(?:bags?|bottles?|jars?|each)\b)?(?![\w/:])", re.I
)
# "HiFi 4G": a name of a network, not four grams.
_NETWORK = re.compile(r"(?<!\S)[345]G(?!\S)")
_BREAKS = re.compile(r"\s*([|/–-])(?:\s+[|/–-](?=\s|$))+|\s+([|/–-])\s*$")
_ACRONYMS = frozenset({
    "OG", "THC", "CBD", "CBN", "CBG", "CBC", "THCV", "AAA", "AAAA", "MAC", "GMO", "GSC", "GG", "BC", "UK", "US",
    "USA", "LA", "NYC", "SFV", "LSD", "ICC", "RSO", "PHO", "FSE", "CO2", "AK", "DNA", "JD", "HTFSE", "AIO", "LLC",
    "INC", "LTD", "NDC", "PR", "DC", "II", "III", "IV", "VI", "XL", "XXL", "SLH", "DJ", "PB", "BHO", "MK", "GDP",
})  # fmt: skip
_SMALL = frozenset({
    "and", "the", "of", "de", "du", "la", "le", "les", "et", "à", "au", "aux", "en", "x", "by", "with", "des",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class NameReading:
    """The brand, where one is known, and the name without it."""

    brand: str | None
    name: str


def read_name(text: str, *, brand: str = "") -> NameReading:
    """
    Take off the brand where it stands at either end or between separators, sizes, pack counts and shouting.

    Twice is the same as once. A name that is nothing else keeps what it has. Raises RecordRejected: empty, too long.
    """
    whole = " ".join(text.replace("\u00a0", " ").split())
    if not re.search(r"\w", whole):
        raise RecordRejected("is missing", _FIELD)
    if len(whole) > 255:
        raise RecordRejected("is longer than 255 characters", _FIELD)
    brand = (
        ""
        if says_nothing(plain(brand)) or plain(brand) == "unknown producer"
        else " ".join(brand.split())
    )
    name, before = whole, ""
    while name != before:
        before = name
        name = _without_measures(_without_brand(name, brand))
    return NameReading(quiet(brand) or None, quiet(name))


def measures_of(text: str) -> tuple[str, ...]:
    """Return the sizes, doses and counts in a name, as `read_name` takes them off: ("100mg",), ("3x0.5g",)."""
    whole = " ".join(text.replace("\u00a0", " ").split())
    if not any(c.isdigit() for c in whole):
        return ()
    found = (
        part
        for pattern in (_BRACKETED, _FREE)
        for part in pattern.findall(whole)
        if not _NETWORK.search(part)
    )
    told = {
        re.sub(r"[^a-z0-9./]", "", part.lower().replace("×", "x").replace(",", "."))[:20]
        for part in found
    }
    return tuple(sorted(told - {""}))


def quiet(text: str) -> str:
    """Write shouted words as names are written: "PINK KUSH OG" → "Pink Kush OG". One shouted word may be an acronym."""
    letters = [c for c in text if c.isalpha()]
    if (
        not letters
        or not all(c.isupper() for c in letters)
        or (" " not in text and len(letters) <= 4)
    ):
        return text
    words = [_quiet_word(word, is_first=not place) for place, word in enumerate(text.split(" "))]
    return " ".join(words)


def _quiet_word(word: str, *, is_first: bool) -> str:
    bare = re.sub(r"\W", "", word)
    if bare in _ACRONYMS or any(c.isdigit() for c in bare) or re.search(r"\w\.\w", word):
        return word
    if bare.lower() in _SMALL and not is_first:
        return word.lower()
    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)?", lambda part: part[0].capitalize(), word)


def _without_brand(name: str, brand: str) -> str:
    """Compare without accents and apostrophes' kinds; cut from the name as it is written."""
    folded, wanted = _folded(name), _folded(brand.strip("®™ "))
    # Most names do not hold their brand, and a pattern for every brand costs more than all else.
    if not wanted or wanted.split()[0] not in folded:
        return name
    for pattern in _patterns_of_brand(wanted):
        if found := pattern.search(folded):
            shorter = f"{name[: found.start()]}{name[found.end() :]}".strip()
            if re.search(r"[^\W\d_]{2}|\d{2}", shorter):
                return shorter
    return name


@lru_cache(maxsize=4096)
def _patterns_of_brand(brand: str) -> list[re.Pattern[str]]:
    wanted = re.escape(brand).replace(r"\ ", r"\s+")
    return [
        re.compile(pattern)
        for pattern in (
            rf"^{wanted}(?:\s*[-–:|•]+\s*|\s+)(?:by\s+)?(?=\S)",
            rf"\s*[-–:|•,]\s*{wanted}\s*$",
            rf"\s+(?:by|par)\s+{wanted}\s*$",
            rf"(?<=\|)\s*{wanted}\s*\|",
            rf"(?<=\| ){wanted}\s+",
            rf"\s*[\[(]{wanted}[\])]",
        )
    ]


def _folded(text: str) -> str:
    """Return the text, letter by letter, in lower case without accents; as long as before."""
    if text.isascii():
        return text.lower()
    return "".join(
        unicodedata.normalize("NFD", letter)[0].lower() for letter in text.replace("’", "'")
    )


def _without_measures(name: str) -> str:
    for pattern in (_BRACKETED, _FREE):
        shorter = pattern.sub(lambda found: found[0] if _NETWORK.search(found[0]) else " ", name)
        shorter = " ".join(
            _BREAKS.sub(
                lambda found: f" {found[1]}" if found[1] else "", " ".join(shorter.split())
            ).split()
        )
        shorter = re.sub(r"^[-–|,/:• ]+|[-–|,/:• ]+$", "", shorter)
        if re.search(r"[^\W\d_]{2}|\d{2}", shorter):
            name = shorter
    return name
