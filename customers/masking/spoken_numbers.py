"""Detection of telephone and other long numbers that are written in words, in English or French."""

import re
from collections.abc import Iterator, Sequence

from customers.masking.normalize import EntitySpan

_UNITS = {
    "zero": 0, "oh": 0, "o": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "nine": 9,
    "zéro": 0, "un": 1, "une": 1, "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "sept": 7,
    "huit": 8, "neuf": 9,
}  # fmt: skip
_TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
    "dix": 10, "onze": 11, "douze": 12, "treize": 13, "quatorze": 14, "quinze": 15, "seize": 16,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90,
    "vingt": 20, "vingts": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60,
}  # fmt: skip
_HUNDREDS = {"hundred", "cent", "cents"}
_REPEATS = {"double": 2, "triple": 3}
_VALUES = _UNITS | _TEENS | _TENS
_WORD = "|".join(sorted((*_VALUES, *_HUNDREDS, *_REPEATS), key=len, reverse=True))
_TOKEN = rf"(?:\b(?:{_WORD})\b|(?<![\w.,$])\d{{1,10}}(?!\w))"
_RUN = re.compile(rf"{_TOKEN}(?:[ ,.()/-]{{1,3}}(?:(?:and|et) )?{_TOKEN})+", re.IGNORECASE)
_MIN_DIGITS = 7
_MAX_DIGITS = 19
_PHONE = re.compile(r"1?[2-9]\d{2}[2-9]\d{6}|[2-9]\d{6}")


def detect_spoken_numbers(text: str) -> Iterator[EntitySpan]:
    """
    Detect numbers of 7 to 19 digits of which at least one is a word: telephone numbers, and others.

    "four one six, five five five, twelve thirty-four" and "cinq cent quatorze, …" are read, and
    "double five". Shorter numbers are quantities.
    """
    for run in _RUN.finditer(text):
        tokens = [token.lower() for token in re.findall(_TOKEN, run[0], re.IGNORECASE)]
        if all(token.isdigit() for token in tokens):
            continue
        digits = _digits_of(tokens)
        if _MIN_DIGITS <= len(digits) <= _MAX_DIGITS:
            entity_type = "PHONE" if _PHONE.fullmatch(digits) else "NUMBER"
            yield EntitySpan(run.start(), run.end(), entity_type)


def _digits_of(tokens: Sequence[str]) -> str:
    """Return the digits of number words: each group of words is written as one number."""
    digits: list[str] = []
    position = 0
    repeat = 1
    while position < len(tokens):
        token = tokens[position]
        if token in _REPEATS:
            repeat = _REPEATS[token]
            position += 1
            continue
        if token.isdigit():
            group, position = token, position + 1
        else:
            group, position = _read_group(tokens, position)
        digits.append(group * repeat)
        repeat = 1
    return "".join(digits)


def _read_group(tokens: Sequence[str], position: int) -> tuple[str, int]:
    """Return the digits of one number below a thousand, and the position after it."""
    hundreds = 0
    if tokens[position] in _HUNDREDS:
        hundreds, position = 100, position + 1
    elif tokens[position] in _UNITS and _at(tokens, position + 1) in _HUNDREDS:
        hundreds, position = 100 * _UNITS[tokens[position]], position + 2
    rest, position = _read_below_hundred(tokens, position) if hundreds else (0, position)
    if hundreds:
        return str(hundreds + rest), position
    value, position = _read_below_hundred(tokens, position)
    return str(value), position


def _read_below_hundred(tokens: Sequence[str], position: int) -> tuple[int, int]:
    """Return a number below a hundred, 0 where there is none, and the position after it."""
    word = _at(tokens, position)
    if word == "quatre" and _at(tokens, position + 1) in ("vingt", "vingts"):
        return _add_below_twenty(tokens, position + 2, 80)
    if word in _TENS:
        if word == "soixante":
            return _add_below_twenty(tokens, position + 1, 60)
        unit = _UNITS.get(_at(tokens, position + 1), 0)
        return _TENS[word] + unit, position + (2 if unit else 1)
    if word == "dix" and _at(tokens, position + 1) in ("sept", "huit", "neuf"):
        return 10 + _UNITS[_at(tokens, position + 1)], position + 2
    if word in _VALUES:
        return _VALUES[word], position + 1
    return 0, position


def _add_below_twenty(tokens: Sequence[str], position: int, tens: int) -> tuple[int, int]:
    word = _at(tokens, position)
    if word in _TENS or word not in _VALUES or _VALUES[word] == 0:
        return tens, position
    value, position = _read_below_hundred(tokens, position)
    return tens + value, position


def _at(tokens: Sequence[str], position: int) -> str:
    return tokens[position] if position < len(tokens) else ""
