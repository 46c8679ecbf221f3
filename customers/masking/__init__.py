"""
What tells who a person is, replaced by what it is: the copy of a message that may be searched.

Whoever writes in Canada writes in both languages, so both are looked for whatever a message is in. A name said without
words that introduce it is not found; docs/decisions/0019-masking.md tells why, and what was measured.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from customers.masking import addresses, names, numbers
from customers.masking.normalize import HIDDEN, Found, flatten

KINDS = (
    "EMAIL", "PHONE", "CARD", "SIN", "HEALTH-CARD", "LICENSE", "PASSPORT", "ACCOUNT", "DATE-OF-BIRTH", "POSTAL-CODE",
    "ADDRESS", "NAME", "HANDLE", "NUMBER",
)  # fmt: skip

_MASKED = re.compile(rf"\[(?:{'|'.join(KINDS)})\]")

# What comes first takes its words from what comes after: sixteen digits are a card before they are a telephone number.
_FINDERS: Sequence[Callable[[str], Iterable[Found]]] = (
    names.emails, names.handles, numbers.cards, numbers.health_cards, numbers.licenses, numbers.passports,
    numbers.social_insurance, numbers.phones, numbers.accounts, numbers.birth_dates, addresses.postal_codes,
    addresses.addresses, names.names, numbers.spelled_out,
)  # fmt: skip


def mask(text: str, *, known: Sequence[str] = ()) -> str:
    """
    Replace what tells who a person is by its kind in brackets: [EMAIL], [PHONE], [NAME] and the others of `KINDS`.

    known: what we ourselves know the person by, such as a loyalty number; [ACCOUNT]. Masked text masks to itself.
    """
    flat = flatten(text)
    hidden, found = flat.text, list[Found]()
    for one in _kept(hidden):
        hidden = _hide(hidden, one)
    before = -1
    while before < len(found):  # what was found may have stood in the way of something else
        before = len(found)
        for finder in (lambda words: _known(words, known), *_FINDERS):
            for one in sorted(finder(hidden), key=lambda one: (one.start, -one.end)):
                if HIDDEN not in hidden[one.start : one.end]:
                    found.append(one)
                    hidden = _hide(hidden, one)
    masked, end = [], 0
    for one in sorted(found):
        start, stop = flat.place(one.start), flat.place(one.end - 1) + 1
        masked += [flat.original[end:start], f"[{one.kind}]"]
        end = stop
    return "".join([*masked, flat.original[end:]])


def _kept(text: str) -> Iterator[Found]:
    return (Found(match.start(), match.end(), "") for match in _MASKED.finditer(text))


def _known(text: str, known: Sequence[str]) -> Iterator[Found]:
    for told in known:
        if len(told) > 2:
            for match in re.finditer(
                rf"(?<!\w){re.escape(flatten(told).text)}(?!\w)", text, re.IGNORECASE
            ):
                yield Found(match.start(), match.end(), "ACCOUNT")


def _hide(text: str, one: Found) -> str:
    return text[: one.start] + HIDDEN * (one.end - one.start) + text[one.end :]
