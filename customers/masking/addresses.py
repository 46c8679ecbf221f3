"""Detection of postal codes and street addresses in English and French."""

import re
from collections.abc import Iterator

from customers.masking.normalize import EntitySpan

_POSTAL = re.compile(
    r"(?<![\w-])[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ -]?\d[ABCEGHJ-NPRSTV-Z]\d(?![\w-])",
    re.IGNORECASE,
)
_ZIP = re.compile(r"\bzip(?: code)?\W{1,3}(?P<value>\d{5}(?:-\d{4})?)\b", re.IGNORECASE)

# Words that are part of no street name: "2 questions about your street" is not an address.
_NOT_STREET_WORDS = (
    r"(?:the|a|an|of|about|your|my|our|in|on|at|to|for|and|or|with|by|this|that|is|are|was|from"
    r"|per|than|least|most|best|mg|g|kg|ml|oz|grams?|grammes?|pack|packs|pre-?rolls?|gummies"
    r"|units?|days?|hours?|minutes?|years?|people|of"
    r"|le|la|les|un|une|et|ou|est|sont|pour|avec|dans|chez|votre|mon|ma|mes|jours?|heures?|ans)\b"
)
_NUMBER = r"(?<![\w$.,-])\d{1,6}[A-Za-z]?(?:-\d{1,6})?"
_DIRECTION = r"(?:[NSEWO]|NE|NW|SE|SW|NO|SO|north|south|east|west|nord|sud|est|ouest)\b\.?"
_UNIT = r"(?:,?\s+(?:apt|app|apartment|appartement|suite|unit|unité|bureau|#)\.?\s*#?\s*\w{1,6}\b)?"
_WORD = rf"(?!{_NOT_STREET_WORDS})[\w'.-]+"
_CAPITALIZED = r"[A-ZÀ-Þ0-9][\w'.-]*"

_STREET_TYPES = (
    r"(?:street|str|avenue|ave|road|rd|boulevard|blvd|crescent|cres|highway|hwy|parkway|pkwy"
    r"|sideroad|concession|lane)"
)
# These words have other meanings as well: the name before them must be capitalized.
_AMBIGUOUS_STREET_TYPES = (
    r"(?:St|Dr|Drive|Way|Place|Pl|Court|Crt|Ct|Terrace|Terr|Trail|Square|Sq|Circle|Cir|Close|Gate"
    r"|Grove|Heights|Line|Row|Ln|Park|Mews|Path|Common|Landing|Quay)"
)
_ENGLISH = re.compile(
    rf"{_NUMBER}\s+(?:{_DIRECTION}\s+)?(?:{_WORD}\s+){{1,3}}?{_STREET_TYPES}\b\.?"
    rf"(?:\s+{_DIRECTION})?{_UNIT}",
    re.IGNORECASE,
)
_ENGLISH_AMBIGUOUS = re.compile(
    rf"{_NUMBER}\s+(?:{_CAPITALIZED}\s+){{1,3}}?"
    rf"(?:{_AMBIGUOUS_STREET_TYPES}|{_AMBIGUOUS_STREET_TYPES.upper()})\b\.?"
    rf"(?:\s+{_DIRECTION})?{_UNIT}"
)
_FRENCH_PARTICLES = r"(?:(?:de la|de l'|de|du|des|d'|la|le|les|l'|à la|aux?)\s*)*"
_FRENCH_STREET_NAME = (
    rf"[\w'.-]+(?:\s+(?:{_FRENCH_PARTICLES}{_CAPITALIZED}|(?i:{_DIRECTION})))*(?i:{_UNIT})"
)
_FRENCH = re.compile(
    rf"{_NUMBER}\s*,?\s*"
    r"(?i:rue|avenue|av\.|boulevard|boul\.?|bd|chemin|ch\.|rang|impasse|croissant|ruelle|promenade"
    rf"|mont[ée]e|quai)\s+(?i:{_FRENCH_PARTICLES}){_FRENCH_STREET_NAME}"
)
_FRENCH_AMBIGUOUS = re.compile(
    rf"{_NUMBER}\s*,?\s*(?i:place|route|c[ôo]te|cours|carr[ée]|square|all[ée]e|terrasse)\s+"
    rf"(?:(?i:de la|de l'|du|des|d')\s*)?{_CAPITALIZED}"
    rf"(?:\s+(?:{_FRENCH_PARTICLES}{_CAPITALIZED}|(?i:{_DIRECTION})))*(?i:{_UNIT})"
)
_POST_OFFICE_BOX = re.compile(
    r"(?:\bp\.?\s?o\.?\s?box|\bc\.\s?p\.|\bcase postale|\bbo[iî]te postale)\s*#?\s*\d+",
    re.IGNORECASE,
)
_INTRODUCED = re.compile(
    r"\b(?:i live (?:at|on)|my address is|deliver (?:it |this )?to|ship (?:it |this )?to"
    r"|mon adresse est|j'habite(?: au| à)?|je demeure(?: au)?|livrez[ -](?:le |la |moi )?au)"
    rf"\s*:?\s+(?P<value>\d{{1,6}}\w?\s*,?\s+{_WORD}(?:\s+{_WORD}){{0,2}})",
    re.IGNORECASE,
)


def detect_postal_codes(text: str) -> Iterator[EntitySpan]:
    """Detect Canadian postal codes, and US ZIP codes after the word "zip"."""
    for match in _POSTAL.finditer(text):
        yield EntitySpan(match.start(), match.end(), "POSTAL-CODE")
    for match in _ZIP.finditer(text):
        yield EntitySpan(match.start("value"), match.end("value"), "POSTAL-CODE")


def detect_addresses(text: str) -> Iterator[EntitySpan]:
    """Detect street addresses, post office boxes, and addresses that words introduce."""
    for pattern in (_ENGLISH, _ENGLISH_AMBIGUOUS, _FRENCH, _FRENCH_AMBIGUOUS, _POST_OFFICE_BOX):
        for match in pattern.finditer(text):
            yield EntitySpan(match.start(), match.end(), "ADDRESS")
    for match in _INTRODUCED.finditer(text):
        yield EntitySpan(match.start("value"), match.end("value"), "ADDRESS")
