"""Where somebody lives: postal codes and addresses, English and French."""

import re
from collections.abc import Iterator

from customers.masking.normalize import Found

_POSTAL = re.compile(
    r"(?<![\w-])[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ -]?\d[ABCEGHJ-NPRSTV-Z]\d(?![\w-])",
    re.IGNORECASE,
)
_ZIP = re.compile(r"\bzip(?: code)?\W{1,3}(?P<told>\d{5}(?:-\d{4})?)\b", re.IGNORECASE)

# Words that stand in no name of a street: "2 questions about your street" is no address.
_NO_NAME = (
    r"(?:the|a|an|of|about|your|my|our|in|on|at|to|for|and|or|with|by|this|that|is|are|was|from|per|than|least|most|best"
    r"|mg|g|kg|ml|oz|grams?|grammes?|pack|packs|pre-?rolls?|gummies|units?|days?|hours?|minutes?|years?|people|of|"
    r"le|la|les|un|une|et|ou|est|sont|pour|avec|dans|chez|votre|mon|ma|mes|jours?|heures?|ans)\b"
)
_NUMBER = r"(?<![\w$.,-])\d{1,6}[A-Za-z]?(?:-\d{1,6})?"
_POINT = r"(?:[NSEWO]|NE|NW|SE|SW|NO|SO|north|south|east|west|nord|sud|est|ouest)\b\.?"
_ROOM = r"(?:,?\s+(?:apt|app|apartment|appartement|suite|unit|unité|bureau|#)\.?\s*#?\s*\w{1,6}\b)?"
_WORD = rf"(?!{_NO_NAME})[\w'.-]+"
_NAMED = r"[A-ZÀ-Þ0-9][\w'.-]*"

_SURE = r"(?:street|str|avenue|ave|road|rd|boulevard|blvd|crescent|cres|highway|hwy|parkway|pkwy|sideroad|concession|lane)"
_UNSURE = (
    r"(?:St|Dr|Drive|Way|Place|Pl|Court|Crt|Ct|Terrace|Terr|Trail|Square|Sq|Circle|Cir|Close|Gate|Grove|Heights|Line|Row"
    r"|Ln|Park|Mews|Path|Common|Landing|Quay)"
)
_ENGLISH = re.compile(
    rf"{_NUMBER}\s+(?:{_POINT}\s+)?(?:{_WORD}\s+){{1,3}}?{_SURE}\b\.?(?:\s+{_POINT})?{_ROOM}",
    re.IGNORECASE,
)
# These words have other uses: the name before them must be written as one.
_CAPITAL = re.compile(
    rf"{_NUMBER}\s+(?:{_NAMED}\s+){{1,3}}?(?:{_UNSURE}|{_UNSURE.upper()})\b\.?(?:\s+{_POINT})?{_ROOM}"
)
_OF = r"(?:(?:de la|de l'|de|du|des|d'|la|le|les|l'|à la|aux?)\s*)*"
_REST = rf"[\w'.-]+(?:\s+(?:{_OF}{_NAMED}|(?i:{_POINT})))*(?i:{_ROOM})"
_FRENCH = re.compile(
    rf"{_NUMBER}\s*,?\s*(?i:rue|avenue|av\.|boulevard|boul\.?|bd|chemin|ch\.|rang|impasse|croissant|ruelle|promenade"
    rf"|mont[ée]e|quai)\s+(?i:{_OF}){_REST}"
)
_FRENCH_UNSURE = re.compile(
    rf"{_NUMBER}\s*,?\s*(?i:place|route|c[ôo]te|cours|carr[ée]|square|all[ée]e|terrasse)\s+"
    rf"(?:(?i:de la|de l'|du|des|d')\s*)?{_NAMED}(?:\s+(?:{_OF}{_NAMED}|(?i:{_POINT})))*(?i:{_ROOM})"
)
_BOX = re.compile(
    r"(?:\bp\.?\s?o\.?\s?box|\bc\.\s?p\.|\bcase postale|\bbo[iî]te postale)\s*#?\s*\d+",
    re.IGNORECASE,
)
_TOLD = re.compile(
    rf"\b(?:i live (?:at|on)|my address is|deliver (?:it |this )?to|ship (?:it |this )?to|mon adresse est|j'habite(?: au| à)?"
    rf"|je demeure(?: au)?|livrez[ -](?:le |la |moi )?au)\s*:?\s+(?P<told>\d{{1,6}}\w?\s*,?\s+{_WORD}(?:\s+{_WORD}){{0,2}})",
    re.IGNORECASE,
)


def postal_codes(text: str) -> Iterator[Found]:
    """Find Canadian postal codes; American ones where they are named."""
    for match in _POSTAL.finditer(text):
        yield Found(match.start(), match.end(), "POSTAL-CODE")
    for match in _ZIP.finditer(text):
        yield Found(match.start("told"), match.end("told"), "POSTAL-CODE")


def addresses(text: str) -> Iterator[Found]:
    """Find a number with the name of a street, a post box, and what is told as an address."""
    for pattern in (_ENGLISH, _CAPITAL, _FRENCH, _FRENCH_UNSURE, _BOX):
        for match in pattern.finditer(text):
            yield Found(match.start(), match.end(), "ADDRESS")
    for match in _TOLD.finditer(text):
        yield Found(match.start("told"), match.end("told"), "ADDRESS")
