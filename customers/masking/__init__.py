"""
Masking of personal data in chat messages: the redacted copy is the one that may be searched.

Patterns of English and French are both applied, whatever the language of a message. A name that no
introducing words precede is not detected; docs/decisions/0019-masking.md has the reasons and the
measurements.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from customers.masking import addresses, names, numbers, spoken_numbers
from customers.masking.normalize import HIDDEN, EntitySpan, normalize_text

ENTITY_TYPES = (
    "EMAIL",
    "PHONE",
    "CARD",
    "SIN",
    "HEALTH-CARD",
    "LICENSE",
    "PASSPORT",
    "ACCOUNT",
    "DATE-OF-BIRTH",
    "POSTAL-CODE",
    "ADDRESS",
    "NAME",
    "HANDLE",
    "NUMBER",
)

_MIN_IDENTIFIER_LENGTH = 3
_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(ENTITY_TYPES)})\]")

# Earlier detectors take precedence: sixteen digits are a card before they are a phone number.
_DETECTORS: Sequence[Callable[[str], Iterable[EntitySpan]]] = (
    names.detect_emails,
    names.detect_handles,
    numbers.detect_cards,
    numbers.detect_health_cards,
    numbers.detect_licenses,
    numbers.detect_passports,
    numbers.detect_social_insurance_numbers,
    numbers.detect_phones,
    spoken_numbers.detect_spoken_numbers,
    numbers.detect_accounts,
    numbers.detect_birth_dates,
    addresses.detect_postal_codes,
    addresses.detect_addresses,
    names.detect_names,
    numbers.detect_spelled_numbers,
)


def mask(text: str, *, known: Sequence[str] = ()) -> str:
    """
    Replace personal data by its type in brackets: [EMAIL], [PHONE] and the others of ENTITY_TYPES.

    known: identifiers of the customer, such as a loyalty number; replaced by [ACCOUNT]. Masking a
    masked text changes nothing.
    """
    aligned = normalize_text(text)
    remaining = aligned.text
    for placeholder in _detect_placeholders(remaining):
        remaining = _hide(remaining, placeholder)
    spans: list[EntitySpan] = []
    previous_count = -1
    while previous_count < len(spans):  # a hidden span may let another pattern match
        previous_count = len(spans)
        for span in _detect_known(remaining, known):
            remaining = _add_span(span, spans, remaining)
        for detect in _DETECTORS:
            detected = sorted(detect(remaining), key=lambda span: (span.start, -span.end))
            for span in detected:
                remaining = _add_span(span, spans, remaining)
    masked: list[str] = []
    position = 0
    for span in sorted(spans):
        masked.append(aligned.original[position : aligned.original_index(span.start)])
        masked.append(f"[{span.entity_type}]")
        position = aligned.original_index(span.end - 1) + 1
    masked.append(aligned.original[position:])
    return "".join(masked)


def _add_span(span: EntitySpan, spans: list[EntitySpan], text: str) -> str:
    """Add a span that overlaps no earlier one; return the text with the span hidden."""
    if HIDDEN in text[span.start : span.end]:
        return text
    spans.append(span)
    return _hide(text, span)


def _detect_placeholders(text: str) -> Iterator[EntitySpan]:
    for match in _PLACEHOLDER.finditer(text):
        yield EntitySpan(match.start(), match.end(), "")


def _detect_known(text: str, known: Sequence[str]) -> list[EntitySpan]:
    spans = [
        EntitySpan(match.start(), match.end(), "ACCOUNT")
        for identifier in known
        if len(identifier) >= _MIN_IDENTIFIER_LENGTH
        for match in _whole_word(identifier).finditer(text)
    ]
    return sorted(spans, key=lambda span: (span.start, -span.end))


def _whole_word(identifier: str) -> re.Pattern[str]:
    pattern = re.escape(normalize_text(identifier).text)
    return re.compile(rf"(?<!\w){pattern}(?!\w)", re.IGNORECASE)


def _hide(text: str, span: EntitySpan) -> str:
    return text[: span.start] + HIDDEN * (span.end - span.start) + text[span.end :]
