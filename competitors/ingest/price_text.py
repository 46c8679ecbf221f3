"""
Reader of price texts: the text of a page where a price is expected, in English or French.

A text is cut into figures with a known meaning (weights, counts, dates), amounts of money, words
that say what an amount is, and the rest. Every number must be accounted for. One candidate is the
price; several, or a number whose meaning is not certain, reject the text: a wrong price is worse
than none.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from catalog.ingest.cleaning.numbers import (
    MAX_TEXT_LENGTH,
    NO_VALUE,
    Reading,
    is_blank_value,
    normalize_text,
    read_number,
)
from competitors.ingest.offers import Promotion
from competitors.ingest.price_words import (
    ADDED_TAX,
    CURRENCIES,
    EACH,
    FIGURES,
    PER,
    UNITS,
    WORDS,
)
from mlops.pipelines.errors import RecordRejected

_FIELD = "price"
SEVERAL = "has more than one candidate price"
"""Rejection reason of ranges, lists and texts whose price is one of several numbers."""
_MAX_PRICE = Decimal(100_000)
_MIN_MULTI_BUY = 2
_DEFAULT_CURRENCY = "CAD"

_TAG_WORDS = (
    (re.compile(r"<(?:del|s|strike)\b[^<>]{0,200}>", re.IGNORECASE), " was "),
    (re.compile(r"<ins\b[^<>]{0,200}>", re.IGNORECASE), " now "),
)
_RAISED_CENTS = re.compile(
    r"(?<=\d)(?:\s*</\w{1,10}>){0,3}\s*[.,]?\s*<sup\b[^<>]{0,200}>\s*[.,]?\s*(\d\d)\s*</sup\s*>",
    re.IGNORECASE,
)
_RAISED_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_RAISED = re.compile(r"(?<=\d)[.,]?([⁰¹²³⁴⁵⁶⁷⁸⁹]{2})(?![⁰¹²³⁴⁵⁶⁷⁸⁹])")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {ord("﹩"): "$"}
# Groups of thousands: a space that does not break a line, or a plain one in an amount with cents
# that begins the text or follows a sign or a word of prices.
_NARROW_GROUP = re.compile(r"(?<![\d.,])([1-9]\d{0,2})((?:[\u00a0\u202f\u2009]\d{3})+)(?!\d)")
_PLAIN_GROUP = re.compile(
    r"((?:^|[$€£:(]|(?:^|\s)(?:price|prix|was|now|reg\.|rég\.|régulier|spécial|special)) ?)"
    r"([1-9]\d{0,2})((?: \d{3})+)(?=[.,]\d\d(?!\d))",
    re.IGNORECASE,
)
_FROM_IN_FRENCH = re.compile(r"(?<![\w'])dès(?![\w'])")
_UNIT_IN_FRENCH = re.compile(r"(?<![\w'])l['’](?=onces?(?!\w))", re.IGNORECASE)
_CURRENCY = (
    r"(?<![\w$])(?:(?:usd|cad|cdn|us|ca|u\.s\.) ?|(?:c|au|nz|hk|mx))\$"
    r"|\$(?: ?(?:cad|cdn|can|ca|usd|us|u\.s\.)(?![\w'$]))?|[€£]"
    r"|(?<![^\W\d])(?:cad|cdn|usd|aud|eur|euros?|gbp|dollars?)(?![^\W\d]|['$])"
)
_NUMBER = r"[1-9]\d{0,2}(?:['_]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)*|[.,]\d+"
_KINDS = (
    *FIGURES,
    ("tax_out", ADDED_TAX),
    ("currency", _CURRENCY),
    ("number", _NUMBER),
    *((kind, rf"(?<![\w'])(?:{pattern})(?![\w'])") for kind, pattern in WORDS),
    ("word", r"[^\W\d_]+(?:['-][^\W\d_]+)*"),
    ("sign", r"\S"),
)
_TOKENS = re.compile(
    "|".join(f"(?P<k{index}>{pattern})" for index, (_, pattern) in enumerate(_KINDS))
)
_LETTERS = frozenset({kind for kind, _ in WORDS} | {"word"})
_SIDE_KINDS = ("fee", "payment", "discount", "discount_left", "discount_right")
_LABELS = frozenset({"regular", "former", "sale", "member"})
_BETWEEN = frozenset({"neutral", "price", "sign", "tax_in", "tax_out", "discount"}) | _LABELS
_SEPARATORS = frozenset({*"+,;|().", "or", "and", "ou", "et"})
_AFTER_SLASH = frozenset({"neutral", "price", "amount"}) | _LABELS
_MONEY = frozenset({"number", "currency", "amount"})
_PUNCTUATION = frozenset("()[].,;:!?*/|-\"'=…•·>")
_NEVER_BEFORE = frozenset("-~≈<>≤≥±")
_UNIT_NUMBER = re.compile(rf"({_NUMBER}) ?([a-z-]+)")
_CENT = Decimal("0.01")
_SHORT_PRICE_DIGITS = 3

DecimalSeparator = Literal[".", ","]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPrice:
    """A price of a quantity: 12.14 for 1 "g"; unit: "g", "mg", "kg", "ml", "l", "oz" or "unit"."""

    price: Decimal
    quantity: Decimal
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReading:
    """
    The prices that a text states for one unit as sold; None: not stated.

    sale: only if below `regular`, or stated without it. currency: ISO code; CAD if the text names
    none. tax_included: None where the text does not say. confidence: 0 to 1; 1 only for one amount
    with a currency, known words and nothing else.
    """

    regular: Decimal | None = None
    sale: Decimal | None = None
    member: Decimal | None = None
    promotions: tuple[Promotion, ...] = ()
    per_unit: UnitPrice | None = None
    currency: str = _DEFAULT_CURRENCY
    tax_included: bool | None = None
    confidence: Decimal = Decimal(1)


def read_price_text(text: str, *, decimal_hint: DecimalSeparator | None = None) -> PriceReading:
    """
    Read the prices of a text; tags <del>, <ins> and <sup> are understood.

    decimal_hint: decimal separator of the site; it decides numbers such as 1.299 and 1,299. Raises
    RecordRejected: no price, several candidates, a number of uncertain meaning, zero, negative.
    """
    tokens = _tokenize(_normalize(text))
    items = _find_amounts(tokens, decimal_hint)
    return _Reader(items).read()


@dataclass(slots=True)
class _Item:
    """A token, or an amount with its currency signs; `is_glued`: no space before it."""

    kind: str
    text: str
    is_glued: bool
    quantity: int = 0
    value: Decimal = Decimal(0)
    currencies: tuple[str, ...] = ()
    doubts: list[Decimal] = field(default_factory=list)
    reason: str = ""


def _normalize(text: str) -> str:
    if len(text) > 4 * MAX_TEXT_LENGTH:
        raise RecordRejected(f"is longer than {4 * MAX_TEXT_LENGTH} characters", _FIELD)
    for tag, word in _TAG_WORDS:
        text = tag.sub(word, text)
    text = _RAISED_CENTS.sub(r".\1", text)
    text = _RAISED.sub(lambda match: f".{match[1].translate(_RAISED_DIGITS)}", text)
    text = text.translate(_FULL_WIDTH).replace("&nbsp;", "\u00a0").replace("&#160;", "\u00a0")
    text = _NARROW_GROUP.sub(_join_group, text)
    text = normalize_text(text)
    text = _PLAIN_GROUP.sub(lambda match: match[1] + match[2] + match[3].replace(" ", "_"), text)
    if len(text) > MAX_TEXT_LENGTH:
        raise RecordRejected(f"is longer than {MAX_TEXT_LENGTH} characters", _FIELD)
    if is_blank_value(text):
        raise RecordRejected(NO_VALUE, _FIELD)
    text = _FROM_IN_FRENCH.sub("a partir de", text)
    text = _UNIT_IN_FRENCH.sub("/ ", text)
    decomposed = unicodedata.normalize("NFD", text)
    text = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    if any(letter.isdigit() and not letter.isascii() for letter in text):
        raise RecordRejected("has digits of another script", _FIELD)
    return text


def _join_group(match: re.Match[str]) -> str:
    return match[1] + re.sub(r"\s", "'", match[2])


def _tokenize(text: str) -> list[_Item]:
    items: list[_Item] = []
    end = -1
    for match in _TOKENS.finditer(text):
        kind = _KINDS[int((match.lastgroup or "k0").removeprefix("k"))][0]
        item = _Item(kind, match[0].strip(), match.start() == end)
        if kind == "multi_buy":
            item.quantity = int(match["quantity"])
        elif kind == "sign" and unicodedata.category(item.text) == "Sc":
            raise RecordRejected(f"has the currency sign {item.text!r}", _FIELD)
        items.append(item)
        end = match.end()
    return items


def _find_amounts(tokens: list[_Item], decimal_hint: DecimalSeparator | None) -> list[_Item]:
    """Return the tokens with each number and its currency signs as one amount."""
    owners = _assign_currencies(tokens)
    items: list[_Item] = []
    for index, token in enumerate(tokens):
        if token.kind == "currency" and index in owners:
            continue
        if token.kind == "number":
            signs = [sign for sign, owner in owners.items() if owner == index]
            if signs:
                first, last = min(index, *signs), max(index, *signs)
                _check_neighbors(tokens, first, last)
                token.is_glued = tokens[first].is_glued
                token.kind = "amount"
                token.currencies = tuple(tokens[sign].text for sign in signs)
                is_sign_after = signs[0] > index
            else:
                is_sign_after = False
            _read_value(token, decimal_hint, is_sign_after=is_sign_after)
        items.append(token)
    return items


def _assign_currencies(tokens: list[_Item]) -> dict[int, int]:
    """Return the index of the number of each currency sign. Raises RecordRejected: unclear."""
    owners: dict[int, int] = {}
    unclear: dict[int, list[int]] = {}
    for index, token in enumerate(tokens):
        if token.kind != "currency":
            continue
        sides = [
            side
            for side in (index - 1, index + 1)
            if 0 <= side < len(tokens) and tokens[side].kind == "number"
        ]
        if len(sides) == 2 and token.is_glued != tokens[index + 1].is_glued:
            sides = [index - 1 if token.is_glued else index + 1]
        if len(sides) == 1:
            owners[index] = sides[0]
        elif sides:
            unclear[index] = sides
        elif not token.text.isalpha():
            raise RecordRejected("has a currency sign without a number", _FIELD)
    for index, sides in unclear.items():
        free = [side for side in sides if side not in owners.values()]
        if len(free) != 1:
            raise RecordRejected("has a currency sign between two numbers", _FIELD)
        owners[index] = free[0]
    return owners


def _check_neighbors(tokens: list[_Item], first: int, last: int) -> None:
    """Raise RecordRejected when letters, digits or uncommon signs touch an amount."""
    before = tokens[first - 1] if first and tokens[first].is_glued else None
    after = tokens[last + 1] if last + 1 < len(tokens) and tokens[last + 1].is_glued else None
    for neighbor in (before, after):
        if neighbor is None or neighbor.kind in {"multi_buy", "tax_out"}:
            continue
        if neighbor.kind == "sign" and neighbor.text in _PUNCTUATION:
            continue
        raise RecordRejected(f"has {neighbor.text!r} beside the amount", _FIELD)
    following = tokens[last + 2] if last + 2 < len(tokens) else None
    if after is not None and after.text in ".," and following is not None and following.is_glued:
        # "$10.a5": the cents are not readable.
        raise RecordRejected(f"has {following.text!r} beside the amount", _FIELD)
    if before is not None and before.text == "-":
        is_range = before.is_glued and first >= 2 and tokens[first - 2].kind in _MONEY
        raise RecordRejected(SEVERAL if is_range else "is negative", _FIELD)


def _read_value(
    token: _Item, decimal_hint: DecimalSeparator | None, *, is_sign_after: bool
) -> None:
    """Set value and doubts of a number. Raises RecordRejected for amounts alone."""
    try:
        token.value = _read_amount(token, decimal_hint, is_sign_after=is_sign_after)
    except RecordRejected as error:
        if token.kind == "amount":
            raise
        token.kind, token.reason = "unreadable", error.reason


def _read_amount(
    token: _Item, decimal_hint: DecimalSeparator | None, *, is_sign_after: bool
) -> Decimal:
    digits = re.sub(r"['_]", "", token.text)
    if "_" in token.text:
        token.doubts.append(Decimal("0.7"))
    if decimal_hint == "," and re.fullmatch(r"[1-9]\d{0,2}(?:\.\d{3})+", digits):
        digits = digits.replace(".", "")
    elif decimal_hint != "," and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):
        raise RecordRejected("may be a thousand or a decimal", _FIELD)
    # An amount before its sign is written in French, where a comma separates decimals; without a
    # sign the language is not known.
    is_unsure = decimal_hint is None and (is_sign_after or token.kind != "amount")
    is_french = decimal_hint == "," or is_unsure
    reading: Reading = read_number(digits, field=_FIELD, language="fr" if is_french else "")
    has_separator = digits != token.text or not digits.isdigit()
    if len(digits) > _SHORT_PRICE_DIGITS and not has_separator:
        raise RecordRejected("may have lost its decimal point", _FIELD)
    exponent = reading.value.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    if decimals == 1 or reading.flags:
        token.doubts.append(Decimal("0.8"))
    if decimals > 4 or reading.value > _MAX_PRICE:
        raise RecordRejected("is not a price", _FIELD)
    return reading.value


class _Reader:
    """Assigns a role to each amount of a text and assembles the reading."""

    def __init__(self, items: list[_Item]) -> None:
        self._items = items
        self._doubts: list[Decimal] = []
        self._roles: dict[int, str] = {}
        self._used: set[int] = set()
        self._per_unit: dict[int, UnitPrice] = {}

    def read(self) -> PriceReading:
        """Return the reading. Raises RecordRejected."""
        self._accept_bare_numbers()
        amounts = self._indexes("amount")
        if not amounts:
            raise RecordRejected("states no price", _FIELD)
        if self._is_sign(0, "(") and self._is_sign(len(self._items) - 1, ")") and len(amounts) == 1:
            raise RecordRejected("is in brackets and may be negative", _FIELD)
        if self._indexes("no_price"):
            raise RecordRejected("states something besides a price", _FIELD)
        if self._indexes("condition"):
            raise RecordRejected("states a price under a condition", _FIELD)
        for index in amounts:
            self._roles[index] = self._fixed_role(index)
        self._assign_fees()
        self._assign_labels()
        if any(index not in self._used for index in self._indexes("several")):
            raise RecordRejected(SEVERAL, _FIELD)
        for index in amounts:
            self._check(index)
        return self._assemble()

    def _indexes(self, *kinds: str) -> list[int]:
        return [index for index, item in enumerate(self._items) if item.kind in kinds]

    def _accept_bare_numbers(self) -> None:
        """Turn numbers without currency into amounts where words leave no doubt, else reject."""
        has_amount = bool(self._indexes("amount"))
        numbers = self._indexes("number", "unreadable")
        is_alone = not has_amount and len(numbers) == 1 and not self._indexes("word")
        for index in numbers:
            item = self._items[index]
            before = self._kind_beside(index, -1)
            is_total = before == "multi_buy" and not self._items[index - 1].text.endswith("/")
            is_labelled = before in _LABELS or (before == "price" and not has_amount)
            if not (is_total or is_labelled or is_alone):
                self._reject_bare(index, has_amount=has_amount)
                continue
            if item.kind == "unreadable":
                raise RecordRejected(item.reason, _FIELD)
            if self._touches_letters(index):
                raise RecordRejected(f"has letters or signs beside {item.text!r}", _FIELD)
            if self._is_sign(index - 1, "-") and item.is_glued:
                raise RecordRejected("is negative", _FIELD)
            item.kind = "amount"
            item.doubts.append(Decimal("0.9") if item.value % 1 else Decimal("0.7"))

    def _kind_beside(self, index: int, step: int) -> str:
        """Return the kind of the nearest token on one side, past signs and small words."""
        position = index + step
        while 0 <= position < len(self._items) and self._items[position].kind in {
            "neutral",
            "sign",
        }:
            position += step
        return self._items[position].kind if 0 <= position < len(self._items) else ""

    def _touches_letters(self, index: int) -> bool:
        after = self._items[index + 1] if index + 1 < len(self._items) else None
        neighbors = [
            self._items[index - 1] if index and self._items[index].is_glued else None,
            after if after is not None and after.is_glued else None,
        ]
        return any(
            neighbor is not None
            and not (neighbor.kind == "sign" and neighbor.text in _PUNCTUATION)
            and neighbor.kind != "multi_buy"
            for neighbor in neighbors
        )

    def _reject_bare(self, index: int, *, has_amount: bool) -> None:
        """Leave a number that belongs to a name. Raises RecordRejected: it may be a price."""
        item = self._items[index]
        if self._is_in_name(index):
            item.kind = "word"
            return
        if not has_amount:
            raise RecordRejected("has no currency beside its number", _FIELD)
        is_near = "amount" in {self._kind_beside(index, -1), self._kind_beside(index, 1)}
        if is_near or not item.text.isdigit():
            raise RecordRejected(SEVERAL, _FIELD)
        item.kind = "word"
        self._doubts.append(Decimal("0.7"))

    def _is_in_name(self, index: int) -> bool:
        """Return whether a number continues a word: "AK-47", "B12"."""
        position = index - 1
        if position > 0 and self._is_sign(position, "-") and self._items[index].is_glued:
            index, position = position, position - 1
        return (
            position >= 0
            and self._items[position].kind == "word"
            and self._items[index].is_glued
            and self._items[position].text != "x"
        )

    def _fixed_role(self, index: int) -> str:
        """Return the role that the tokens beside an amount give it, or ""."""
        before = self._items[index - 1] if index else None
        if before is not None and before.kind == "multi_buy":
            after = self._items[index + 1] if index + 1 < len(self._items) else None
            if after is not None and after.text in EACH:  # "2 for $25 each"
                raise RecordRejected(SEVERAL, _FIELD)
            if before.quantity >= _MIN_MULTI_BUY:
                if before.text.endswith("/") and not self._items[index].currencies:
                    raise RecordRejected(SEVERAL, _FIELD)
                return "multi_buy"
            if before.quantity != 1 or before.text.endswith("/"):
                raise RecordRejected(SEVERAL, _FIELD)
        unit_price = self._read_unit_price(index)
        if unit_price is not None:
            self._per_unit[index] = unit_price
            return "per_unit"
        if self._kind_beside(index, -1) == "unit_price":
            raise RecordRejected("is the price of an unknown unit", _FIELD)
        return ""

    def _read_unit_price(self, index: int) -> UnitPrice | None:
        if unit_price := self._unit_before(index):
            return unit_price
        start = index + 1
        if self._is_sign(start, "/") and self._items[start + 1 : start + 2]:
            start += self._items[start + 1].text in {"per", "par"}  # "$8.57 / per g"
        rest = self._items[start : start + 2]
        if rest and rest[0].kind == "word" and rest[0].text in UNITS:
            raise RecordRejected(f"has {rest[0].text!r} beside the amount", _FIELD)
        if len(rest) < 2 or not re.fullmatch(PER, rest[0].text):
            return None
        unit, quantity = rest[1].text, Decimal(1)
        if rest[1].kind == "measure":
            match = _UNIT_NUMBER.fullmatch(unit)
            if match is None:
                raise RecordRejected(f"is a price per {unit!r}", _FIELD)
            unit, quantity = match[2], read_number(match[1], field=_FIELD).value
        if unit in UNITS and quantity > 0:
            self._used.update(range(index + 1, start + 2))
            return UnitPrice(price=self._items[index].value, quantity=quantity, unit=UNITS[unit])
        if rest[0].text in {"/", "per", "par"} and rest[1].kind not in _AFTER_SLASH:
            raise RecordRejected(f"is a price per {unit!r}", _FIELD)
        return None

    def _unit_before(self, index: int) -> UnitPrice | None:
        """Return the price of "price per gram: $12.14"."""
        end = index - 1 if self._is_sign(index - 1, ":=") else index
        if end < 2 or not re.fullmatch(PER, self._items[end - 2].text):
            return None
        unit = UNITS.get(self._items[end - 1].text)
        if unit is None:
            return None
        self._used.update((end - 2, end - 1))
        return UnitPrice(price=self._items[index].value, quantity=Decimal(1), unit=unit)

    def _assign_fees(self) -> None:
        """Give fees, deposits and discounts their amounts."""
        for index in self._indexes(*_SIDE_KINDS):
            item = self._items[index]
            role = "fee" if item.kind in {"fee", "payment"} else "discount"
            is_leading = item.kind in {"discount_left", "payment"}
            before = None if is_leading else self._amount_beside(index, -1)
            after = self._amount_beside(index, 1) if item.kind != "discount_right" else None
            if item.kind == "discount" and "%" in item.text:
                self._check_percentage_base(index)
                continue
            if before is not None and after is not None:
                before, after = self._separate(before, index, after)
            target = after if before is None else before
            if target is not None:
                self._roles[target] = role
                low, high = sorted((index, target))
                self._used.update(range(low, high + 1))

    def _check_percentage_base(self, index: int) -> None:
        """Raise RecordRejected for "20% off $40": the price is neither."""
        following = self._items[index + 1] if index + 1 < len(self._items) else None
        if following is not None and following.kind == "amount":
            raise RecordRejected("states a discount on an amount", _FIELD)

    def _amount_beside(self, index: int, step: int) -> int | None:
        """Return the amount next to a fee word, past signs and small words."""
        position = index + step
        while 0 <= position < len(self._items):
            item = self._items[position]
            if item.kind == "amount":
                return position if not self._roles[position] else None
            is_skipped = item.kind in {"neutral", "price"} or (
                item.kind == "sign" and item.text in ":(+=,-"
            )
            # "Free shipping over $50": only before the amount.
            if not is_skipped and not (step > 0 and item.kind == "several"):
                return None
            if step < 0:
                return None
            position += step
        return None

    def _separate(self, before: int, index: int, after: int) -> tuple[int | None, int | None]:
        """Return the one amount that a word between two belongs to, by the signs between."""
        is_cut_before = any(self._items[i].text in _SEPARATORS for i in range(before + 1, index))
        is_cut_after = any(self._items[i].text in _SEPARATORS for i in range(index + 1, after))
        following = self._items[index + 1]
        if following.kind == "several" or following.text == ":":
            return None, after  # "free shipping over $50", "deposit: $0.10"
        if is_cut_before == is_cut_after:
            raise RecordRejected("has a fee or discount between two amounts", _FIELD)
        return (None, after) if is_cut_before else (before, None)

    def _assign_labels(self) -> None:
        """Give regular, former, sale and member prices their amounts; the others are plain."""
        open_amounts = [index for index in self._indexes("amount") if not self._roles[index]]
        step = 1 if self._has_labels_after() else -1
        for index in open_amounts:
            label = self._label_beside(index, step)
            self._roles[index] = self._items[label].kind if label is not None else "plain"
            if label is not None:
                self._used.add(label)

    def _has_labels_after(self) -> bool:
        """Return whether labels follow their amounts: "$32 sale, $40 regular"."""
        ends = [
            item.kind
            for item in self._items
            if item.kind in {"amount", "word"} or item.kind in _LABELS
        ]
        return bool(ends) and ends[0] == "amount" and ends[-1] in _LABELS

    def _label_beside(self, index: int, step: int) -> int | None:
        """Return the nearest label of an amount; a member's price is one whatever else it is."""
        found: int | None = None
        position = index + step
        while 0 <= position < len(self._items) and self._items[position].kind in _BETWEEN:
            kind = self._items[position].kind
            if kind == "member":
                return position
            if kind in _LABELS and found is None:
                found = position
            position += step
        return found

    def _is_sign(self, index: int, texts: str) -> bool:
        return (
            0 <= index < len(self._items)
            and self._items[index].kind == "sign"
            and self._items[index].text in texts
        )

    def _check(self, index: int) -> None:
        """Raise RecordRejected for signs, decimals and values that no price has."""
        item, role = self._items[index], self._roles[index]
        if role == "fee":
            return
        before = self._items[index - 1] if index else None
        if (
            before is not None
            and before.text in _NEVER_BEFORE
            and (before.text != "-" or item.is_glued)
        ):
            raise RecordRejected(f"has {before.text!r} before the amount", _FIELD)
        for position in (index - 1, index + 1):
            is_calculation = self._is_sign(position, "×*@+&^x") or (
                0 <= position < len(self._items) and self._items[position].text == "x"
            )
            is_footnote = self._is_sign(position, "*") and position > index
            if is_calculation and not is_footnote and not self._adds_fee(position):
                raise RecordRejected("is part of a calculation", _FIELD)
        is_last = index == len(self._items) - 2 and self._items[-1].is_glued
        if (index == 1 and self._is_sign(0, "-")) or (is_last and self._is_sign(index + 1, "-")):
            raise RecordRejected("may be negative", _FIELD)
        if item.value <= 0:
            raise RecordRejected("is not above zero", _FIELD)
        if role != "per_unit" and item.value != item.value.quantize(_CENT):
            raise RecordRejected(f"{item.text!r} has too many decimals for a price", _FIELD)
        self._doubts.extend(item.doubts)

    def _adds_fee(self, position: int) -> bool:
        """Return whether a plus sign adds a fee: "$25 + $0.10 deposit"."""
        if not self._is_sign(position, "+"):
            return False
        following = self._items[position + 1 :]
        return bool(following) and (
            self._roles.get(position + 1) == "fee" or following[0].kind == "fee"
        )

    def _values(self, *roles: str) -> set[Decimal]:
        return {self._items[index].value for index, role in self._roles.items() if role in roles}

    def _only(self, *roles: str) -> Decimal | None:
        values = self._values(*roles)
        if len(values) > 1:
            raise RecordRejected(SEVERAL, _FIELD)
        return values.pop() if values else None

    def _assemble(self) -> PriceReading:
        regular, sale = self._regular_and_sale()
        member = self._only("member")
        if member is not None and any(
            price is not None and member > price for price in (regular, sale)
        ):
            raise RecordRejected("has a member price above the price", _FIELD)
        units = set(self._per_unit.values()) if self._per_unit else set()
        if len(units) > 1:
            raise RecordRejected(SEVERAL, _FIELD)
        promotions = tuple(self._promotions())
        if regular is None and sale is None and member is None and not units and not promotions:
            raise RecordRejected("states no price", _FIELD)
        if any(index not in self._used for index in self._indexes("word")):
            self._doubts.append(Decimal("0.9"))
        return PriceReading(
            regular=_cents(regular),
            sale=_cents(sale),
            member=_cents(member),
            promotions=promotions,
            per_unit=units.pop() if units else None,
            currency=self._currency(),
            tax_included=self._tax_included(),
            confidence=min(self._doubts, default=Decimal(1)),
        )

    def _regular_and_sale(self) -> tuple[Decimal | None, Decimal | None]:
        regular = self._only("regular", "former")
        sale = self._only("sale")
        plain = self._values("plain") - {regular, sale}
        if len(plain) > 1 or (plain and regular is not None and sale is not None):
            raise RecordRejected(SEVERAL, _FIELD)
        has_discount = bool(self._indexes("discount", "discount_left", "discount_right"))
        if plain:
            price = plain.pop()
            if regular is not None:
                sale = price
                self._doubts.append(Decimal("0.9"))
            elif sale is not None:
                regular = price
                self._doubts.append(Decimal("0.9"))
            else:
                regular = price
        if sale is None and self._values("former") and regular is not None:
            raise RecordRejected("states a former price only", _FIELD)
        if regular is not None and sale is not None and sale > regular:
            raise RecordRejected("has a sale price above the regular price", _FIELD)
        is_pair = regular is not None and sale is not None
        if has_discount and not is_pair and sale is None and regular is not None:
            raise RecordRejected("states a discount and one price, before or after it", _FIELD)
        return regular, None if sale == regular else sale

    def _promotions(self) -> Iterator[Promotion]:
        for index, role in self._roles.items():
            if role == "multi_buy":
                quantity, total = self._items[index - 1].quantity, self._items[index].value
                yield Promotion(
                    type="multi_buy",
                    text=f"{quantity} for {total:.2f}",
                    quantity=quantity,
                    total=_cents(total),
                )
        for index in self._indexes("promotion"):
            yield Promotion(type="other", text=self._items[index].text)

    def _currency(self) -> str:
        names = {
            _currency_of(text)
            for index, role in self._roles.items()
            if role != "fee"
            for text in [*self._items[index].currencies]
        }
        declared = {_currency_of(self._items[index].text) for index in self._indexes("currency")}
        specific = {name for name in names | declared if name != "$"}
        if len(specific) > 1:
            raise RecordRejected("has amounts in several currencies", _FIELD)
        return specific.pop() if specific else _DEFAULT_CURRENCY

    def _tax_included(self) -> bool | None:
        kinds = {self._items[index].kind for index in self._indexes("tax_in", "tax_out")}
        if len(kinds) > 1:
            raise RecordRejected("states prices with and without tax", _FIELD)
        return None if not kinds else kinds == {"tax_in"}


def _currency_of(text: str) -> str:
    """Return the code of a currency sign; "$" where it names no country."""
    if text == "$":
        return text
    name = text.replace("$", "").strip()
    return CURRENCIES[name]


def _cents(price: Decimal | None) -> Decimal | None:
    return None if price is None else price.quantize(_CENT)
