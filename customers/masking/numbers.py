"""Numbers that are somebody's: cards, telephones, insurance, licenses, dates of birth. Not codes of products, not amounts."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from phonenumbers import Leniency, PhoneNumberMatcher, is_valid_number, parse
from stdnum import ean, luhn

from customers.masking.normalize import Found

_GAP = r"[^\d\ue000]"
_CODE_BEFORE = re.compile(
    r"\b(?:sku|gtin|upc|ean|cup|lot|item|article|product|produit|code)\b\W{0,3}(?:(?:is|no|number|num[ée]ro|est)\W{0,3})?$",
    re.IGNORECASE,
)
_AMOUNT_AFTER = re.compile(
    r"\s?(?:%|\$(?!\s?\d)|¢|(?:k?g|mg|ml|grams?|grammes?|oz|ounces?|onces?|pack|thc|cbd)\b)",
    re.IGNORECASE,
)


def _is_code(text: str, start: int) -> bool:
    return bool(_CODE_BEFORE.search(text[max(0, start - 30) : start]))


def _is_amount(text: str, end: int) -> bool:
    return bool(_AMOUNT_AFTER.match(text, end))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _after(words: str, number: str, kind: str) -> tuple[re.Pattern[str], str]:
    """Return what finds a number that words announce, at most 25 characters before it."""
    return re.compile(rf"(?:{words}){_GAP}{{0,25}}?(?P<told>{number})", re.IGNORECASE), kind


def _announced(text: str, patterns: Iterable[tuple[re.Pattern[str], str]]) -> Iterator[Found]:
    for pattern, kind in patterns:
        for match in pattern.finditer(text):
            yield Found(match.start("told"), match.end("told"), kind)


# --- payment cards ---------------------------------------------------------------------------------------------------
_LONG = re.compile(r"(?<![\w$])\d(?:[ -]?\d){11,}(?![A-Za-z_])")
_CARD_BEFORE = re.compile(
    r"\b(?:card|carte|visa|master ?card|amex|interac|d[ée]bit|cr[ée]dit)\b[^\n\ue000]{0,25}$",
    re.IGNORECASE,
)
_LEAST_DIGITS, _MOST_DIGITS = 12, 19
_SECRETS = (_after(r"\b(?:cvv2?|cvc2?|cvn)\b", r"\d{3,4}\b", "CARD"),)


def cards(text: str) -> Iterator[Found]:
    """Find 13 to 19 digits that pass Luhn's check, are grouped like a card's, or follow the word; not GTINs."""
    for run in _LONG.finditer(text):
        if not _is_code(text, run.start()):
            yield from _cards_in(
                text, run.start(), [match.span() for match in re.finditer(r"\d+", run[0])]
            )
    yield from _announced(text, _SECRETS)


def _cards_in(text: str, base: int, groups: Sequence[tuple[int, int]]) -> Iterator[Found]:
    """Look for cards among groups of digits; the longest first, as what stands before one may be a quantity."""
    first = 0
    while first < len(groups):
        totals = accumulate(stop - begin for begin, stop in groups[first : first + _MOST_DIGITS])
        fitting = [
            last
            for last, total in enumerate(totals, first + 1)
            if _LEAST_DIGITS <= total <= _MOST_DIGITS
        ]
        for last in reversed(fitting):
            start, end = base + groups[first][0], base + groups[last - 1][1]
            if _is_card(text, start, end, [stop - begin for begin, stop in groups[first:last]]):
                yield Found(start, end, "CARD")
                first = last - 1
                break
        first += 1


def _is_card(text: str, start: int, end: int, sizes: Sequence[int]) -> bool:
    number = _digits(text[start:end])
    if _CARD_BEFORE.search(text[max(0, start - 40) : start]):
        return True
    if len(number) < 13 or (len(sizes) == 1 and len(number) in (13, 14) and ean.is_valid(number)):
        return False
    return luhn.is_valid(number) or list(sizes) == [4, 4, 4, 4]


# --- health cards, licenses, passports, accounts ---------------------------------------------------------------------
_RAMQ = re.compile(r"\b[A-Z]{4}[ -]?\d{4}[ -]?\d{4}\b", re.IGNORECASE)
_ONTARIO = re.compile(r"\b\d{4}([ -]?)\d{3}\1\d{3}(?:[ -]?[A-Z]{2})?\b")
_HEALTH = (
    _after(
        r"\bhealth (?:card|number|insurance)|\bcarte (?:d'assurance[ -]maladie|(?:de )?sant[ée]|soleil)"
        r"|assurance[ -]maladie|\b(?:ohip|ramq|phn|ahcip|mcp|msi)\b",
        r"(?:[A-Z]{4}[ -]?)?\d(?:[ -]?\d){5,11}(?:[ -]?[A-Z]{2}\b)?", "HEALTH-CARD",
    ),
)  # fmt: skip
_LICENSE = re.compile(
    r"\b[A-Z](?:\d{4}[ -]?\d{5}[ -]?\d{5}|\d{4}[ -]?\d{6}[ -]?\d{2})\b", re.IGNORECASE
)
_LICENSES = (
    _after(
        r"\b(?:driver'?s?'?|driving) licen[cs]e|\bpermis(?: de conduire)?\b|\blicen[cs]e plate|\bplaque\b",
        r"(?:[A-Z]{1,4}[ -]?)?\d(?:[ -]?\w){3,16}\b", "LICENSE",
    ),
)  # fmt: skip
_PASSPORTS = (_after(r"\bpass(?:port|eport)\b", r"[A-Z]{1,2}[ -]?\d{6,7}\b|\d{8,9}\b", "PASSPORT"),)
_ACCOUNTS = (
    _after(
        r"\b(?:account|compte|loyalty|fid[ée]lit[ée]|member(?:ship)?|membre|customer (?:number|id|no)|num[ée]ro de client)\b",
        r"(?:[A-Z]{1,4}-?)?\d(?:[ -]?\d){5,17}\b", "ACCOUNT",
    ),
)  # fmt: skip


def health_cards(text: str) -> Iterator[Found]:
    """Find Quebec's by its form, Ontario's by its check, every province's where words announce it."""
    yield from _announced(text, _HEALTH)
    for match in _RAMQ.finditer(text):
        number = _digits(match[0])
        month, day = int(number[2:4]) % 50, int(number[4:6])
        if 1 <= month <= 12 and 1 <= day <= 31 and not _is_code(text, match.start()):
            yield Found(match.start(), match.end(), "HEALTH-CARD")
    for match in _ONTARIO.finditer(text):
        has_form = bool(match[1]) or match[0][-1].isalpha()
        if has_form and luhn.is_valid(_digits(match[0])) and not _is_amount(text, match.end()):
            yield Found(match.start(), match.end(), "HEALTH-CARD")


def licenses(text: str) -> Iterator[Found]:
    """Find licenses to drive: of Ontario and Quebec by their form, any where words announce it."""
    yield from _announced(text, _LICENSES)
    for match in _LICENSE.finditer(text):
        if not _is_code(text, match.start()):
            yield Found(match.start(), match.end(), "LICENSE")


def passports(text: str) -> Iterator[Found]:
    """Find passports that words announce."""
    return _announced(text, _PASSPORTS)


def accounts(text: str) -> Iterator[Found]:
    """Find numbers of accounts and loyalty cards that words announce."""
    return _announced(text, _ACCOUNTS)


# --- social insurance ------------------------------------------------------------------------------------------------
_NINE = re.compile(r"(?<![\d$])\d{3}([ .-]?)\d{3}\1\d{3}(?!\d|[.,]\d)")
_SINS = (
    _after(
        r"\b(?:sin|nas)\b|\bsocial insurance|\bassurance[ -]sociale", r"\d{3}[ .-]?\d{3}[ .-]?\d{3}\b", "SIN",
    ),
)  # fmt: skip


def social_insurance(text: str) -> Iterator[Found]:
    """Find nine digits that pass Luhn's check, or that words announce."""
    yield from _announced(text, _SINS)
    for match in _NINE.finditer(text):
        if (
            luhn.is_valid(_digits(match[0]))
            and not _is_code(text, match.start())
            and not _is_amount(text, match.end())
        ):
            yield Found(match.start(), match.end(), "SIN")


# --- telephones ------------------------------------------------------------------------------------------------------
_EXTENSION = re.compile(r"[ ,]*(?:x|ext\.?|extension|poste)\s?\d{1,6}\b", re.IGNORECASE)
# Of any area, as numbers are made up for examples and misspelled: the form is enough.
_GROUPED = re.compile(
    r"(?<![\w$.,-])(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\)[ .-]?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]?\d{4}(?!\w|[.,-]?\d)"
)
_PLAIN = re.compile(r"(?<![\w$.,-])1?[2-9]\d{2}[2-9]\d{6}(?!\w|[.,-]?\d)")
# The library takes the 1 before an area twice where twelve digits or more stand bare; those are a product's.
_TOO_LONG = re.compile(r"(?!011)\d{12,}")
_ABROAD = re.compile(r"(?<!\w)(?:\+|\b011[ -])\d(?:[ ().-]{0,2}\d){6,14}(?!\d)")
_LOCAL = (
    _after(
        r"\b(?:phone|tel|telephone|t[ée]l[ée]phone|cell(?:ulaire)?|mobile|text me|call me|appelez|rappelez|joindre|num[ée]ro)\b",
        r"\b[2-9]\d{2}[ .-]\d{4}\b", "PHONE",
    ),
)  # fmt: skip


def phones(text: str) -> Iterator[Found]:
    """Find telephone numbers: those in use by their plan, those of North America's form, those from abroad."""
    spans = [match.span() for pattern in (_GROUPED, _ABROAD) for match in pattern.finditer(text)]
    # The library's matcher takes what stands beside a number for part of it, so that plain ones are asked about alone.
    spans += [
        match.span() for match in _PLAIN.finditer(text) if is_valid_number(parse(match[0], "CA"))
    ]
    if re.search(r"\d{3}", text):
        matches = PhoneNumberMatcher(text, "CA", leniency=Leniency.VALID)
        spans += [
            (match.start, match.end)
            for match in matches
            if not _TOO_LONG.fullmatch(match.raw_string)
        ]
    spans += [(found.start, found.end) for found in _announced(text, _LOCAL)]
    for start, end in spans:
        if not _is_code(text, start) and not _is_amount(text, end):
            extension = _EXTENSION.match(text, end)
            yield Found(start, extension.end() if extension else end, "PHONE")


# --- dates of birth --------------------------------------------------------------------------------------------------
_MONTH = (
    r"(?:jan(?:uary|vier|v)?|feb(?:ruary)?|f[ée]v(?:rier)?|mar(?:ch|s)?|apr(?:il)?|avr(?:il)?|may|mai|june?|juin|july?"
    r"|juil(?:let)?|aug(?:ust)?|ao[uû]t|sept?(?:ember|embre)?|oct(?:ober|obre)?|nov(?:ember|embre)?|d[eé]c(?:ember|embre)?)\.?"
)
_YEAR = r"(?P<year>(?:19|20)\d{2})"
_DATE = (
    rf"(?:{_YEAR}[-/. ]\d{{1,2}}[-/. ]\d{{1,2}}|\d{{1,2}}[-/. ]\d{{1,2}}[-/. ]{_YEAR.replace('year', 'year2')}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR.replace('year', 'year3')}"
    rf"|\d{{1,2}}(?:er|st|nd|rd|th)? (?:of )?{_MONTH},? {_YEAR.replace('year', 'year4')})"
)
_FULL = re.compile(rf"(?<![\w-]){_DATE}(?![\w-])", re.IGNORECASE)
_BORN = (
    _after(
        r"\b(?:born|birth ?da(?:y|te)|date of birth|d\.?o\.?b\.?|n[ée]e? (?:le|en)|date de naissance|naissance)(?!\w)",
        rf"(?:\d{{1,4}}[-/. ]\d{{1,2}}[-/. ]\d{{1,4}}|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? (?:19|20)?\d{{2}})?"
        rf"|\d{{1,2}}(?:er|st|nd|rd|th)? (?:of )?{_MONTH}(?:,? (?:19|20)?\d{{2}})?|(?:19|20)\d{{2}})(?!\w)",
        "DATE-OF-BIRTH",
    ),
)  # fmt: skip
_OF_AGE = 2010
"""A full date of this year or before is nobody's order; it is when somebody was born."""


def birth_dates(text: str) -> Iterator[Found]:
    """Find dates that words announce as of birth, and full dates of long ago."""
    yield from _announced(text, _BORN)
    for match in _FULL.finditer(text):
        if int(next(filter(None, match.groups()))) <= _OF_AGE:
            yield Found(match.start(), match.end(), "DATE-OF-BIRTH")


# --- digit by digit --------------------------------------------------------------------------------------------------
_SPELLED = re.compile(r"(?<![\w.,-])\d(?:[ .-]\d){8,18}(?![\w.,-])")


def spelled_out(text: str) -> Iterator[Found]:
    """Find numbers told digit by digit."""
    return (Found(match.start(), match.end(), "NUMBER") for match in _SPELLED.finditer(text))
