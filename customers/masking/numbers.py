"""
Detection of personal numbers: payment and health cards, phones, licenses, dates of birth.

Product codes and amounts are not detected.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from phonenumbers import Leniency, PhoneNumberMatcher, is_valid_number, parse
from stdnum import ean, luhn

from customers.masking.normalize import EntitySpan

_GAP = r"[^\d\ue000]"
_CODE_BEFORE = re.compile(
    r"\b(?:sku|gtin|upc|ean|cup|lot|item|article|product|produit|code)\b\W{0,3}"
    r"(?:(?:is|no|number|num[ée]ro|est)\W{0,3})?$",
    re.IGNORECASE,
)
_AMOUNT_AFTER = re.compile(
    r"\s?(?:%|\$(?!\s?\d)|¢|(?:k?g|mg|ml|grams?|grammes?|oz|ounces?|onces?|pack|thc|cbd)\b)",
    re.IGNORECASE,
)


def _is_product_code(text: str, start: int) -> bool:
    return bool(_CODE_BEFORE.search(text[max(0, start - 30) : start]))


def _is_amount(text: str, end: int) -> bool:
    return bool(_AMOUNT_AFTER.match(text, end))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _introduced_by(words: str, number: str) -> re.Pattern[str]:
    """Return a pattern for a number that follows introducing words within 25 characters."""
    return re.compile(rf"(?:{words}){_GAP}{{0,25}}?(?P<value>{number})", re.IGNORECASE)


def _detect_introduced(
    text: str, pattern: re.Pattern[str], entity_type: str
) -> Iterator[EntitySpan]:
    for match in pattern.finditer(text):
        yield EntitySpan(match.start("value"), match.end("value"), entity_type)


# --- payment cards ---
_LONG_NUMBER = re.compile(r"(?<![\w$])\d(?:[ -]?\d){11,}(?![A-Za-z_])")
_CARD_BEFORE = re.compile(
    r"\b(?:card|carte|visa|master ?card|amex|interac|d[ée]bit|cr[ée]dit)\b[^\n\ue000]{0,25}$",
    re.IGNORECASE,
)
_CARD_GROUPS = [4, 4, 4, 4]
_MIN_CARD_DIGITS = 12
_MAX_CARD_DIGITS = 19
_MIN_CHECKED_CARD_DIGITS = 13
_SECURITY_CODE = _introduced_by(r"\b(?:cvv2?|cvc2?|cvn)\b", r"\d{3,4}\b")


def detect_cards(text: str) -> Iterator[EntitySpan]:
    """
    Detect payment card numbers and their security codes; GTINs are left out.

    A card number has 13 to 19 digits and a valid Luhn check digit, or is grouped like a card, or
    follows a word for card.
    """
    for number in _LONG_NUMBER.finditer(text):
        if not _is_product_code(text, number.start()):
            groups = [match.span() for match in re.finditer(r"\d+", number[0])]
            yield from _cards_in_groups(text, number.start(), groups)
    yield from _detect_introduced(text, _SECURITY_CODE, "CARD")


def _cards_in_groups(
    text: str, offset: int, groups: Sequence[tuple[int, int]]
) -> Iterator[EntitySpan]:
    """Detect cards in a sequence of digit groups; the first group may be a quantity instead."""
    first = 0
    while first < len(groups):
        lengths = (stop - start for start, stop in groups[first : first + _MAX_CARD_DIGITS])
        group_counts = [
            count
            for count, total in enumerate(accumulate(lengths), 1)
            if _MIN_CARD_DIGITS <= total <= _MAX_CARD_DIGITS
        ]
        for count in reversed(group_counts):  # the longest candidate first
            candidate = groups[first : first + count]
            start = offset + candidate[0][0]
            end = offset + candidate[-1][1]
            if _is_card(text, start, end, [stop - begin for begin, stop in candidate]):
                yield EntitySpan(start, end, "CARD")
                first += count - 1
                break
        first += 1


def _is_card(text: str, start: int, end: int, group_lengths: Sequence[int]) -> bool:
    number = _digits(text[start:end])
    if _CARD_BEFORE.search(text[max(0, start - 40) : start]):
        return True
    is_gtin = len(group_lengths) == 1 and len(number) in (13, 14) and ean.is_valid(number)
    if len(number) < _MIN_CHECKED_CARD_DIGITS or is_gtin:
        return False
    return luhn.is_valid(number) or list(group_lengths) == _CARD_GROUPS


# --- health cards, licenses, passports, accounts ---
_RAMQ = re.compile(r"\b[A-Z]{4}[ -]?\d{4}[ -]?\d{4}\b", re.IGNORECASE)
_ONTARIO_HEALTH_CARD = re.compile(r"\b\d{4}([ -]?)\d{3}\1\d{3}(?:[ -]?[A-Z]{2})?\b")
_INTRODUCED_HEALTH_CARD = _introduced_by(
    r"\bhealth (?:card|number|insurance)"
    r"|\bcarte (?:d'assurance[ -]maladie|(?:de )?sant[ée]|soleil)"
    r"|assurance[ -]maladie|\b(?:ohip|ramq|phn|ahcip|mcp|msi)\b",
    r"(?:[A-Z]{4}[ -]?)?\d(?:[ -]?\d){5,11}(?:[ -]?[A-Z]{2}\b)?",
)
_LICENSE = re.compile(
    r"\b[A-Z](?:\d{4}[ -]?\d{5}[ -]?\d{5}|\d{4}[ -]?\d{6}[ -]?\d{2})\b", re.IGNORECASE
)
_INTRODUCED_LICENSE = _introduced_by(
    r"\b(?:driver'?s?'?|driving) licen[cs]e|\bpermis(?: de conduire)?\b|\blicen[cs]e plate"
    r"|\bplaque\b",
    r"(?:[A-Z]{1,4}[ -]?)?\d(?:[ -]?\w){3,16}\b",
)
_INTRODUCED_PASSPORT = _introduced_by(
    r"\bpass(?:port|eport)\b", r"[A-Z]{1,2}[ -]?\d{6,7}\b|\d{8,9}\b"
)
_INTRODUCED_ACCOUNT = _introduced_by(
    r"\b(?:account|compte|loyalty|fid[ée]lit[ée]|member(?:ship)?|membre"
    r"|customer (?:number|id|no)|num[ée]ro de client)\b",
    r"(?:[A-Z]{1,4}-?)?\d(?:[ -]?\d){5,17}\b",
)


def detect_health_cards(text: str) -> Iterator[EntitySpan]:
    """
    Detect health card numbers.

    Quebec by its form, Ontario by its check digit, every province where words introduce the number.
    """
    yield from _detect_introduced(text, _INTRODUCED_HEALTH_CARD, "HEALTH-CARD")
    for match in _RAMQ.finditer(text):
        if _is_ramq_date(_digits(match[0])) and not _is_product_code(text, match.start()):
            yield EntitySpan(match.start(), match.end(), "HEALTH-CARD")
    for match in _ONTARIO_HEALTH_CARD.finditer(text):
        has_card_form = bool(match[1]) or match[0][-1].isalpha()
        is_valid = has_card_form and luhn.is_valid(_digits(match[0]))
        if is_valid and not _is_amount(text, match.end()):
            yield EntitySpan(match.start(), match.end(), "HEALTH-CARD")


def _is_ramq_date(digits: str) -> bool:
    """Return whether digits 3 to 6 are month and day of birth; 50 is added to a woman's month."""
    month = int(digits[2:4]) % 50
    day = int(digits[4:6])
    return 1 <= month <= 12 and 1 <= day <= 31


def detect_licenses(text: str) -> Iterator[EntitySpan]:
    """Detect driver's licenses: Ontario and Quebec by their form, any where words introduce it."""
    yield from _detect_introduced(text, _INTRODUCED_LICENSE, "LICENSE")
    for match in _LICENSE.finditer(text):
        if not _is_product_code(text, match.start()):
            yield EntitySpan(match.start(), match.end(), "LICENSE")


def detect_passports(text: str) -> Iterator[EntitySpan]:
    """Detect passport numbers that words introduce."""
    return _detect_introduced(text, _INTRODUCED_PASSPORT, "PASSPORT")


def detect_accounts(text: str) -> Iterator[EntitySpan]:
    """Detect account and loyalty card numbers that words introduce."""
    return _detect_introduced(text, _INTRODUCED_ACCOUNT, "ACCOUNT")


# --- social insurance numbers ---
_NINE_DIGITS = re.compile(r"(?<![\d$])\d{3}([ .-]?)\d{3}\1\d{3}(?!\d|[.,]\d)")
_INTRODUCED_SIN = _introduced_by(
    r"\b(?:sin|nas)\b|\bsocial insurance|\bassurance[ -]sociale", r"\d{3}[ .-]?\d{3}[ .-]?\d{3}\b"
)


def detect_social_insurance_numbers(text: str) -> Iterator[EntitySpan]:
    """Detect nine digits with a valid Luhn check digit, or that words introduce."""
    yield from _detect_introduced(text, _INTRODUCED_SIN, "SIN")
    for match in _NINE_DIGITS.finditer(text):
        if (
            luhn.is_valid(_digits(match[0]))
            and not _is_product_code(text, match.start())
            and not _is_amount(text, match.end())
        ):
            yield EntitySpan(match.start(), match.end(), "SIN")


# --- phone numbers ---
_EXTENSION = re.compile(r"[ ,]*(?:x|ext\.?|extension|poste)\s?\d{1,6}\b", re.IGNORECASE)
# Any area code, because example numbers are invented and digits are mistyped: the form is enough.
_GROUPED_PHONE = re.compile(
    r"(?<![\w$.,-])(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\)[ .-]?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]?\d{4}"
    r"(?!\w|[.,-]?\d)"
)
_UNGROUPED_PHONE = re.compile(r"(?<![\w$.,-])1?[2-9]\d{2}[2-9]\d{6}(?!\w|[.,-]?\d)")
# phonenumbers reads a leading 1 twice in twelve or more digits without groups; those are product
# numbers.
_TOO_LONG = re.compile(r"(?!011)\d{12,}")
_FOREIGN_PHONE = re.compile(r"(?<!\w)(?:\+|\b011[ -])\d(?:[ ().-]{0,2}\d){6,14}(?!\d)")
_INTRODUCED_LOCAL_PHONE = _introduced_by(
    r"\b(?:phone|tel|telephone|t[ée]l[ée]phone|cell(?:ulaire)?|mobile|text me|call me|appelez"
    r"|rappelez|joindre|num[ée]ro)\b",
    r"\b[2-9]\d{2}[ .-]\d{4}\b",
)


def detect_phones(text: str) -> Iterator[EntitySpan]:
    """Detect phone numbers: valid ones, those of North American form, and foreign ones."""
    spans = [
        match.span()
        for pattern in (_GROUPED_PHONE, _FOREIGN_PHONE)
        for match in pattern.finditer(text)
    ]
    # PhoneNumberMatcher takes adjacent digits for part of a number, so ungrouped numbers are
    # checked one by one.
    spans += [
        match.span()
        for match in _UNGROUPED_PHONE.finditer(text)
        if is_valid_number(parse(match[0], "CA"))
    ]
    if re.search(r"\d{3}", text):
        matches = PhoneNumberMatcher(text, "CA", leniency=Leniency.VALID)
        spans += [
            (match.start, match.end)
            for match in matches
            if not _TOO_LONG.fullmatch(match.raw_string)
        ]
    spans += [match.span("value") for match in _INTRODUCED_LOCAL_PHONE.finditer(text)]
    for start, end in spans:
        if not _is_product_code(text, start) and not _is_amount(text, end):
            extension = _EXTENSION.match(text, end)
            yield EntitySpan(start, extension.end() if extension else end, "PHONE")


# --- dates of birth ---
_MONTH = (
    r"(?:jan(?:uary|vier|v)?|feb(?:ruary)?|f[ée]v(?:rier)?|mar(?:ch|s)?|apr(?:il)?|avr(?:il)?|may|mai"
    r"|june?|juin|july?|juil(?:let)?|aug(?:ust)?|ao[uû]t|sept?(?:ember|embre)?|oct(?:ober|obre)?"
    r"|nov(?:ember|embre)?|d[eé]c(?:ember|embre)?)\.?"
)
_YEAR = r"(?P<year>(?:19|20)\d{2})"
_DATE = (
    rf"(?:{_YEAR}[-/. ]\d{{1,2}}[-/. ]\d{{1,2}}"
    rf"|\d{{1,2}}[-/. ]\d{{1,2}}[-/. ]{_YEAR.replace('year', 'year2')}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR.replace('year', 'year3')}"
    rf"|\d{{1,2}}(?:er|st|nd|rd|th)? (?:of )?{_MONTH},? {_YEAR.replace('year', 'year4')})"
)
_FULL_DATE = re.compile(rf"(?<![\w-]){_DATE}(?![\w-])", re.IGNORECASE)
_INTRODUCED_BIRTH_DATE = _introduced_by(
    r"\b(?:born|birth ?da(?:y|te)|date of birth|d\.?o\.?b\.?|n[ée]e? (?:le|en)|date de naissance"
    r"|naissance)(?!\w)",
    rf"(?:\d{{1,4}}[-/. ]\d{{1,2}}[-/. ]\d{{1,4}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? (?:19|20)?\d{{2}})?"
    rf"|\d{{1,2}}(?:er|st|nd|rd|th)? (?:of )?{_MONTH}(?:,? (?:19|20)?\d{{2}})?"
    r"|(?:19|20)\d{2})(?!\w)",
)
_MAX_BIRTH_YEAR = 2010
"""A full date up to this year is taken for a date of birth: no order is that old."""


def detect_birth_dates(text: str) -> Iterator[EntitySpan]:
    """Detect dates of birth: dates that words introduce, and full dates up to 2010."""
    yield from _detect_introduced(text, _INTRODUCED_BIRTH_DATE, "DATE-OF-BIRTH")
    for match in _FULL_DATE.finditer(text):
        year = int(next(filter(None, match.groups())))
        if year <= _MAX_BIRTH_YEAR:
            yield EntitySpan(match.start(), match.end(), "DATE-OF-BIRTH")


# --- numbers spelled digit by digit ---
_SPELLED_NUMBER = re.compile(r"(?<![\w.,-])\d(?:[ .-]\d){8,18}(?![\w.,-])")


def detect_spelled_numbers(text: str) -> Iterator[EntitySpan]:
    """Detect numbers written digit by digit."""
    for match in _SPELLED_NUMBER.finditer(text):
        yield EntitySpan(match.start(), match.end(), "NUMBER")
