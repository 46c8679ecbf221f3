"""
Items of a text about potency: amounts with units, labels, separators, counts, and other words.

A number is an amount only when everything that stands beside it is known: a number that touches a
letter or sign which no rule knows is a word, like "Gelato 41" or "l8%".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from catalog.ingest.cleaning.numbers import NUMBER, Token, read_number
from mlops.pipelines.errors import RecordRejected

_LABELS = {
    "thc": r"(?:δ|delta|d)[- ]?9[- ]?thc|tetrahydrocannabinol|thc",
    "cbd": r"cannabidiol|cbd",
}
_OTHER_LABELS = (
    r"(?:δ|delta|d)[- ]?(?:8|10)(?:[- ]?thc)?|thc-?a|thcv|thcp|thco|cbda|cbdv|cbga|cbg|cbna|cbn"
    r"|cbca|cbc|tac|hhcp?|cbt|cbl|cannabinoids?|cannabino[iï]des?|terp[eè]nes?|terps|flavono[iï]de?s?|moisture|humidit[yé]|sodium|m[eé]latonine?|caf+[eé]ine?"
)
_LABEL = re.compile(
    r"(?<![^\W\d_])(?:tot(?:al|\.)?[- ]+(?:active )?)?(?:"
    rf"(?P<other>{_OTHER_LABELS})|(?P<thc>{_LABELS['thc']})|(?P<cbd>{_LABELS['cbd']})"
    r")(?![^\W\d_])"
)
# Signs of a private use area of Unicode, which normalized texts do not contain.
_FIRST_LABEL_MARK = 0xE000
_RATIO_MARK = "\uf8f0"
_AT_LEAST_MARK = "\uf8f1"
_AT_MOST_MARK = "\uf8f2"
_RATIO = re.compile(rf"{NUMBER}(?:\s*:\s*{NUMBER})+(?:\s*%)?")
# "1 CBD: 1 THC" is a ratio as well; labels are signs by then.
_LABELED_RATIO = re.compile(rf"{NUMBER}\s*[\ue000-\uf8ef]\s*:\s*{NUMBER}\s*[\ue000-\uf8ef]")
# The labels of a ratio: "1:1 CBD:THC" names no amount.
_RATIO_OF_LABELS = re.compile(
    rf"{NUMBER}(?:\s*:\s*{NUMBER})+\s*[\ue000-\uf8ef](?:\s*[:/]\s*[\ue000-\uf8ef])+"
)
_NUMBER_AHEAD = r"\s*(?=[.,]?\d)"
_NOT = r"(?:no|not|never|non|pas|jamais|ne|n')\s?"
_LESS = (
    r"(?:less|lower|fewer) than(?: or equal to)?|under|below|up to|at most|as (?:high|much) as"
    r"|max(?:imum)?\.?|moins d[e']|jusqu'?[àa]|au plus|sous|pouvant atteindre"
    r"|(?:[ée]gale?s? ou )?inf[ée]rieure?s?(?: ou [ée]gale?s?)? [àa]"
)
_MORE = (
    r"(?:more|greater|higher) than(?: or equal to)?|over|above|at least|exceed(?:s|ing)"
    r"|min(?:imum)?\.?|plus d[e']|au moins|d[ée]pass(?:e|ant)|exc[èe]d(?:e|ant)"
    r"|(?:[ée]gale?s? ou )?sup[ée]rieure?s?(?: ou [ée]gale?s?)? [àa]"
)
_PHRASES = [
    (re.compile(r"<\s*=|≤|⩽"), "<"),
    (re.compile(r">\s*=|≥|⩾"), ">"),
    (re.compile(r"[≈∼]"), "~"),
    # "Min: 18 % Max: 22 %" is one range.
    (
        re.compile(
            rf"(?<![^\W_])min(?:imum)?\.?\s*:?\s*({NUMBER})\s*%?\s*[,;/-]?\s*max(?:imum)?\.?\s*:?\s*"
            rf"(?={NUMBER})"
        ),
        r"\1 - ",
    ),
    # "No more than 1 %" is an upper bound, "pas moins de 20 %" a lower one.
    (re.compile(rf"(?<![^\W_])(?:{_NOT}(?:{_MORE})(?: pas)?{_NUMBER_AHEAD})"), "<"),
    (re.compile(rf"(?<![^\W_])(?:{_NOT}(?:{_LESS}){_NUMBER_AHEAD})"), ">"),
    (re.compile(rf"(?<![^\W_])(?:{_LESS}){_NUMBER_AHEAD}"), "<"),
    (re.compile(rf"(?<![^\W_])(?:{_MORE}){_NUMBER_AHEAD}"), ">"),
    (
        re.compile(
            r"(?<![^\W_])(?:from|starting (?:at|from)|d[eè]s|[àa] partir d[e'])"
            rf"{_NUMBER_AHEAD}(?!\s*{NUMBER}\s*%?\s*(?:-|to\b|à|jusqu))"
        ),
        ">",
    ),
    (re.compile(rf"(?<![^\W_])(?:environ|approx\.?|approximately|about){_NUMBER_AHEAD}"), "~"),
    (re.compile(r"(?<=[\d% ])(?:per ?cent|pour ?cent|p\. ?cent|pct)(?!\w)"), "%"),
    (re.compile(r"%\s*[wmv]/[wmv](?!\w)"), "%"),
    (
        re.compile(
            r"(?<=[\d%\w]) (?:or (?:more|greater|higher|above)|and (?:up|over|above)"
            r"|ou plus|et (?:plus|\+)|min(?:imum)?)(?!\w)"
        ),
        "\uf8f1",
    ),
    (re.compile(r"(?<=[\d%\w]) (?:or less|ou moins|et moins|max(?:imum)?)(?!\w)"), "\uf8f2"),
    (re.compile(r"(?<=\dmg)(?=thc|cbd)"), " "),
    # "150 mg/g - 200 mg/g" is one range: the unit of its low end is left to the high one.
    (
        re.compile(rf"mg ?/ ?(?:g|ml)(?= ?(?:-|to|à) ?{NUMBER} ?mg ?/ ?(?:g|ml)(?!\w))"),
        "",
    ),
]
_MASS_UNITS = {
    "mg": Decimal(1), "mgs": Decimal(1), "milligram": Decimal(1), "milligrams": Decimal(1),
    "milligramme": Decimal(1), "milligrammes": Decimal(1), "mcg": Decimal("0.001"),
    "µg": Decimal("0.001"), "μg": Decimal("0.001"), "ug": Decimal("0.001"),
}  # fmt: skip
_GRAM_WORDS = frozenset({"g", "gr", "gm", "gram", "grams", "gramme", "grammes"})
_MILLILITER_WORDS = frozenset(
    {
        "ml",
        "milliliter",
        "milliliters",
        "millilitre",
        "millilitres",
    }
)
_UNIT_WORDS = frozenset({
    "unit", "units", "unité", "unités", "unite", "un", "each", "ea", "chacun", "chacune",
    "piece", "pieces", "pièce", "pièces", "pc", "pcs", "cap", "caps", "capsule", "capsules",
    "gélule", "gélules", "gelule", "gelules", "pill", "pills", "softgel", "softgels", "gummy",
    "gummies", "chew", "chews", "comprimé", "comprimés", "bonbon", "bonbons", "tablet", "tablets",
    "cookie", "cube", "square", "mint", "lozenge", "pearl", "drop", "jujube", "patch", "tab",
})  # fmt: skip
_SERVING_WORDS = frozenset({
    "serving", "servings", "portion", "portions", "dose", "doses", "spray", "sprays",
    "pulvérisation", "pulvérisations", "activation", "activations", "pump", "pumps", "swipe",
})  # fmt: skip
_PACKAGE_WORDS = frozenset({
    "package", "packages", "pkg", "pack", "packs", "pk", "paquet", "paquets", "emballage",
    "emballages", "container", "containers", "contenant", "contenants", "bottle", "bottles",
    "bouteille", "bouteilles", "can", "cans", "canette", "canettes", "bar", "bars", "tablette",
    "tablettes", "jar", "jars", "pot", "pots", "box", "boîte", "bag", "sachet", "total",
})  # fmt: skip
# Those that state the basis without "per".
_BARE_BASES = frozenset({
    "each", "ea", "chacun", "chacune", "un", "unit", "unité", "package", "pkg", "emballage",
    "total", "pack", "paquet",
})  # fmt: skip
_EACH_WORDS = frozenset({"each", "ea", "chacun", "chacune", "chaque"})
# Units of other quantities: a number with one is accounted for, but is no amount.
_COUNTED_WORDS = _UNIT_WORDS | _SERVING_WORDS | _PACKAGE_WORDS | _GRAM_WORDS | _MILLILITER_WORDS
_COUNTED_WORDS |= frozenset({
    "oz", "ounce", "ounces", "once", "onces", "kg", "lb", "lbs", "l", "cl", "liter", "litre", "ct",
    "count", "pck", "seed", "seeds", "graines", "mm", "cm", "inch", "preroll", "prerolls", "joint",
    "joints", "cone", "cones", "préroulés",
})  # fmt: skip
# A percentage before one of these is of something else: "60% sativa", "20% off", "70% cacao".
_OTHER_SHARES = frozenset({
    "sativa", "indica", "hybrid", "hybride", "off", "de rabais", "rabais", "cacao", "cocoa", "rh",
    "humidity", "dark", "cotton", "alcohol", "alcool", "organic", "hemp", "pure", "natural", "hash",
    "kief", "ice", "more", "terps",
})  # fmt: skip
# Words that may stand beside an amount without changing what it is of.
_NEUTRAL_WORDS = _EACH_WORDS | frozenset({
    "potency", "puissance", "content", "contents", "teneur", "taux", "contenu", "contient",
    "contains", "en", "de", "d", "of", "the", "le", "la", "les", "du", "is", "est", "average",
    "avg", "moyenne", "range", "plage", "from", "with", "avec", "w", "entre", "between", "level",
    "levels", "value", "valeur", "result", "résultat", "amount", "quantité", "percentage",
    "pourcentage", "strength", "total", "totale", "net", "label", "actual", "per", "par", "package",
    "unit", "unité", "emballage",
})  # fmt: skip
# Spreadsheets turn "3-24" into "Mar-24".
_MONTHS = frozenset({
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "janv", "févr", "mars", "avr", "mai", "juin", "juil", "août", "déc",
})  # fmt: skip
_SEPARATORS = frozenset("|;,/+&•·")
_SEPARATOR_WORDS = frozenset({"and", "et", "or", "ou", "plus"})
JOINING_SEPARATORS = frozenset({"/", "+", "&", "and", "et", ","})
_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_NEUTRAL_SIGNS = frozenset("()[]{}:=-.!?'*®™_")
# Signs that may touch a number, before it and after it.
_BEFORE_NUMBER = frozenset("([{:=|~<>,;/-+")
_AFTER_BARE_NUMBER = frozenset(")]},.;|") | {_AT_LEAST_MARK, _AT_MOST_MARK}
_BETWEEN_BARE_NUMBERS = frozenset("-/:+&([")
_AFTER_UNIT = frozenset(")]},.;|-:/+!?*&") | {_AT_LEAST_MARK, _AT_MOST_MARK, _RATIO_MARK}
_TIMES = frozenset({"x", "×", "*"})
_MAX_COUNT_DIGITS = 3
# Quantities that a rate is stated for with a slash: "66.7 mg/0.1 ml", "10 mg/100 ml".
_RATE_SIZES = frozenset(map(Decimal, ("0.1", "0.5", "1", "100")))
ItemKind = Literal["amount", "label", "separator", "word", "count"]


@dataclass(frozen=True, slots=True)
class Amount:
    """
    Both ends of a range, in `unit` ("": none stated), with flags of bounds and counts.

    count: the pieces of "50 x 10 mg"; None: not stated.
    """

    ends: tuple[Decimal, Decimal]
    unit: str
    flags: tuple[str, ...] = ()
    count: int | None = None

    def scaled(self, factor: Decimal) -> "Amount":
        """Return the same amount in another unit."""
        return replace(self, ends=(self.ends[0] * factor, self.ends[1] * factor))

    def flagged(self, flag: str) -> "Amount":
        """Return the same amount with one more flag."""
        return replace(self, flags=tuple(dict.fromkeys((*self.flags, flag))))


@dataclass(frozen=True, slots=True)
class Item:
    """A label with its name, an amount, a separator with its sign, a count, or another word."""

    kind: ItemKind
    text: str = ""
    amount: Amount | None = None


_WORD = Item("word")
_COUNT = Item("count")


def mark_text(text: str) -> tuple[str, list[str]]:
    """Return the text with a sign for each label, ratio and phrase, and the labels in order."""
    for pattern, sign in _PHRASES:
        text = pattern.sub(sign, text)
    labels: list[str] = []
    totals: list[bool] = []

    def mark_label(match: re.Match[str]) -> str:
        name = match.lastgroup or ""
        labels.append(match["other"].replace("-", "") if name == "other" else name)
        totals.append(match[0].startswith("tot"))
        return chr(_FIRST_LABEL_MARK + len(labels) - 1)

    marked = _LABELED_RATIO.sub(_RATIO_MARK, _LABEL.sub(mark_label, text))
    marked = _RATIO_OF_LABELS.sub(_RATIO_MARK, marked)
    return _RATIO.sub(_RATIO_MARK, marked), _with_totals(labels, totals)


def _with_totals(labels: list[str], totals: list[bool]) -> list[str]:
    """Name labels apart from the total of the same cannabinoid: "THC 1 %, total THC 22 %"."""
    of_totals = {label for label, is_total in zip(labels, totals, strict=True) if is_total}
    return [
        f"{label} before heating" if label in of_totals and not is_total else label
        for label, is_total in zip(labels, totals, strict=True)
    ]


class Scanner:
    """Cuts the tokens of a marked text into items."""

    def __init__(
        self, tokens: Sequence[Token], labels: Sequence[str], field: str, language: str
    ) -> None:
        self._tokens = tokens
        self._labels = labels
        self._field = field
        self._language = language
        words = {token.text for token in tokens if token.kind == "word"}
        # "each with 5 mg of THC", "per unit: 5 mg": the words stand apart from the amounts.
        self.has_each = self._has_basis_before_amount()
        self._has_between = not words.isdisjoint({"between", "entre"})

    def items(self) -> Iterator[Item]:
        """Yield the items in their order; neutral words and signs are left out."""
        at = 0
        while at < len(self._tokens):
            token = self._tokens[at]
            if token.kind == "number" or self._is_bound(at):
                is_of_other = self._is_of_unknown_label(at)
                found, at = self._read_amount(at)
                yield from ([_COUNT] if is_of_other else found)
                continue
            if item := self._item(at):
                yield item
            at += 1

    def _is_of_unknown_label(self, at: int) -> bool:
        """Return whether a word with a colon stands before a number: "Sugar: 3 %"."""
        word = self._text(at - 2)
        return (
            bool(self._labels)
            and self._text(at - 1) == ":"
            and self._is_glued(at - 1)
            and self._kind(at - 2) == "word"
            and word not in _NEUTRAL_WORDS
        )

    def _has_basis_before_amount(self) -> bool:
        for at, token in enumerate(self._tokens[:-2]):
            if token.text in ("per", "par") and self._text(at + 1) in _UNIT_WORDS:
                follows = at + 2 + (self._text(at + 2) == ":")
                if self._kind(follows) == "number":
                    return True
        return False

    def _item(self, at: int) -> Item | None:
        token = self._tokens[at]
        if label := self._label(at):
            return Item("label", label)
        if token.kind == "word":
            if token.text in _SEPARATOR_WORDS:
                return Item("separator", token.text)
            self.has_each |= token.text in _EACH_WORDS
            return None if token.text in _NEUTRAL_WORDS else _WORD
        if token.text == "±":
            raise RecordRejected("is a tolerance, not an amount", self._field)
        is_spaced_dash = token.text == "-" and not token.is_glued and not self._is_glued(at + 1)
        if token.text in _SEPARATORS or is_spaced_dash:
            return Item("separator", token.text)
        return None if token.text in _NEUTRAL_SIGNS else _WORD

    def _read_amount(self, at: int) -> tuple[list[Item], int]:  # noqa: PLR0911  # one return per outcome
        """Read the amount, count or other number that starts here; return the next position."""
        bound = ""
        start = at
        if self._tokens[at].kind == "sign":
            bound = self._tokens[at].text
            at += 1
        is_readable, may_be_bare = self._check_before(start)
        if not is_readable:
            return [_WORD], at + 1
        flags: list[str] = []
        multiplier, at = self._read_multiplier(at)
        if multiplier is not None:
            flags.append("multipack")
            if not multiplier:
                return [_WORD], at + 1
        low_text = self._tokens[at].text
        at += 1
        has_plus, at = self._skip_plus(at)
        unit, at = self._read_unit(at)
        if unit == "count":
            return [_COUNT], at
        high_text, high_unit, at = self._read_high(at, unit, may_be_bare=may_be_bare)
        if high_unit == "count":
            return [_COUNT], at
        if high_text and not unit:
            unit = high_unit
        if not self._check_after(at, unit):
            return [_WORD], at
        if unit and not has_plus:
            has_plus, at = self._skip_plus(at)
        if not unit and not may_be_bare:
            return [_WORD], at
        amount = replace(
            self._amount(low_text, high_text or low_text, unit, flags), count=multiplier
        )
        return self._finish(amount, at, bound=bound, has_plus=has_plus)

    def _amount(self, low_text: str, high_text: str, unit: str, flags: list[str]) -> Amount:
        readings = [
            read_number(
                text, field=self._field, language=self._language, may_have_thousands=unit != "%"
            )
            for text in (low_text, high_text)
        ]
        low, high = (reading.value for reading in readings)
        flags += [flag for reading in readings for flag in reading.flags]
        if low > high:
            low, high = high, low
            flags.append("ends_reversed")
        factor = _MASS_UNITS.get(unit)
        amount = Amount((low, high), unit, tuple(dict.fromkeys(flags)))
        return replace(amount.scaled(factor), unit="mg") if factor else amount

    def _finish(
        self, amount: Amount, at: int, *, bound: str, has_plus: bool
    ) -> tuple[list[Item], int]:
        """Read what follows the amount: its basis, a label, "x 2", "or more"."""
        label_items: list[Item] = []
        if amount.unit == "%" and self._text(at) in _OTHER_SHARES:
            return [_COUNT], at + 1
        if amount.unit == "mg":
            amount_or_none, label_items, at = self._read_basis(amount, at)
            if amount_or_none is None:
                return [_WORD, *label_items], at
            amount = amount_or_none
        if amount.unit:
            amount, at = self._read_times(amount, at)
        mark = self._text(at)
        if mark in (_AT_LEAST_MARK, _AT_MOST_MARK):
            at += 1
        if bound == "<" or mark == _AT_MOST_MARK:
            amount = amount.flagged("upper_bound")
        elif bound == ">" or has_plus or mark == _AT_LEAST_MARK:
            amount = amount.flagged("lower_bound")
        elif bound:
            amount = amount.flagged("approximate")
        if "multipack" in amount.flags and amount.unit == "mg":
            amount = replace(amount, unit="mg/unit")
        return [Item("amount", amount=amount), *label_items], at

    def _check_before(self, at: int) -> tuple[bool, bool]:  # noqa: PLR0911  # one return per kind of neighbor
        """Return whether a number may start here, and whether it may do so without a unit."""
        if not at:
            return True, True
        before = self._tokens[at - 1]
        is_glued = self._tokens[at].is_glued
        if self._label(at - 1):
            return True, True
        if before.kind == "word":
            is_neutral = before.text in _NEUTRAL_WORDS or before.text in _SEPARATOR_WORDS
            return not is_glued, is_neutral
        if before.kind == "number":
            # "GG#4 91.9 %": the number of a name, not a second amount.
            is_in_name = at > 1 and before.is_glued and self._is_name_part(at - 2)
            return is_in_name and not is_glued, False
        if before.text == "-":
            return self._check_dash_before(at - 1)
        if before.text == "'" and at == 1:
            return True, True
        if is_glued and self._is_stray(at - 1):
            return False, False
        if before.text == "+" and (
            self._kind(at - 2) == "number" or (is_glued and not self._is_after_something(at - 1))
        ):
            return False, False
        if before.text in _AFTER_UNIT and not is_glued:
            return True, True
        if before.text not in _BEFORE_NUMBER:
            return before.text == "%" and not is_glued, False
        if before.text in ":/" and before.is_glued and at > 1:
            is_label = bool(self._label(at - 2))
            is_neutral = is_label or self._text(at - 2) in _NEUTRAL_WORDS
            is_number = self._tokens[at - 2].kind == "number"
            return not is_number, is_neutral
        return True, True

    def _check_dash_before(self, dash_at: int) -> tuple[bool, bool]:
        dash = self._tokens[dash_at]
        if not dash_at or (not dash.is_glued and not self._is_after_something(dash_at)):
            raise RecordRejected("is negative", self._field)
        if self._label(dash_at - 1):
            return True, True
        before = self._tokens[dash_at - 1]
        if before.kind == "number" or before.text in _MONTHS:
            return False, False
        is_spaced = not dash.is_glued and not self._is_glued(dash_at + 1)
        if before.kind == "sign" and before.text in "<>~-(":
            raise RecordRejected("is negative", self._field)
        return True, is_spaced or before.text in _NEUTRAL_WORDS

    def _is_name_part(self, at: int) -> bool:
        """Return whether what a number is glued to makes it a part of a name: "GG#4", "F3"."""
        token = self._tokens[at]
        is_word = token.kind == "word" and len(token.text) > 1 and not self._label(at)
        return is_word or token.text == "#"

    def _is_stray(self, at: int) -> bool:
        """Return whether a sign is a bracket that is not closed, or a separator of nothing."""
        sign = self._tokens[at].text
        if sign in _BRACKETS:
            return all(token.text != _BRACKETS[sign] for token in self._tokens[at:])
        return not at and sign in _SEPARATORS

    def _is_after_something(self, at: int) -> bool:
        """Return whether a word, number or label stands before a sign, not another sign."""
        if not at:
            return False
        before = self._tokens[at - 1]
        is_closed = before.text in "%)]" or before.text == _RATIO_MARK
        return before.kind != "sign" or is_closed or bool(self._label(at - 1))

    def _read_multiplier(self, at: int) -> tuple[int | None, int]:
        """Return the count of "2 x 10 mg" (0: not a count), and the position of the amount."""
        counted, times_at = self._read_unit(at + 1)
        if counted != "count":
            times_at = at + 1
        if self._text(times_at) not in _TIMES or self._kind(times_at + 1) != "number":
            return None, at
        unit, _ = self._read_unit(times_at + 2)
        if not unit or unit == "%":
            return None, at
        count = self._tokens[at].text
        is_count = count.isdecimal() and len(count) <= _MAX_COUNT_DIGITS
        return int(count) if is_count else 0, times_at + 1

    def _read_times(self, amount: Amount, at: int) -> tuple[Amount, int]:
        """Read the count behind an amount: "10 mg x 2"."""
        if self._text(at) not in _TIMES or self._kind(at + 1) != "number":
            return amount, at
        count = self._tokens[at + 1].text
        unit, _ = self._read_unit(at + 2)
        if unit in ("%", "") or unit == "count":
            is_count = count.isdecimal() and len(count) <= _MAX_COUNT_DIGITS and int(count) > 0
            is_whole = not self._is_glued(at + 2) or self._text(at + 2) in ")],;|"
            if is_count and unit != "%" and is_whole:
                return replace(amount.flagged("multipack"), count=int(count)), at + 2
        return amount, at

    def _read_unit(self, at: int) -> tuple[str, int]:
        """Return "%", a mass unit, "count" for another quantity, or "" for none."""
        is_hyphen = self._text(at) == "-" and self._is_glued(at) and self._is_glued(at + 1)
        if is_hyphen and self._text(at + 1) in _COUNTED_WORDS | _MASS_UNITS.keys():
            at += 1
        text = self._text(at)
        if text == "%" or text in _MASS_UNITS:
            return text, at + 1
        if text in _COUNTED_WORDS and self._kind(at) == "word":
            return "count", at + 1
        return "", at

    def _read_high(  # noqa: PLR0911  # one return per outcome
        self, at: int, unit: str, *, may_be_bare: bool
    ) -> tuple[str, str, int]:
        """Read the high end of a range; "" when there is none."""
        sign = self._text(at)
        is_range_sign = sign in ("-", "to", "à") or (self._has_between and sign in ("and", "et"))
        if not is_range_sign:
            return "", "", at
        high_at = at + 1
        if sign == "-" and self._text(high_at) == "-" and self._kind(high_at + 1) == "number":
            raise RecordRejected("is negative", self._field)
        if self._text(high_at) == "~":
            high_at += 1
        if self._kind(high_at) != "number":
            return "", "", at
        is_spaced = not self._is_glued(at) and not self._is_glued(at + 1)
        high_unit, after = self._read_unit(high_at + 1)
        if high_unit == "count":
            return ("", "", at) if unit else (self._text(high_at), "count", after)
        if unit and high_unit and unit != high_unit:
            if is_spaced and sign == "-":
                return "", "", at
            raise RecordRejected("contains two different units", self._field)
        if unit and not high_unit and (unit != "%" or not self._is_end(after)):
            return "", "", at
        if not unit and not may_be_bare and is_spaced:
            return "", "", at
        if self._text(after) == "-" and self._kind(after + 1) == "number" and not high_unit:
            return "", "", at
        return self._text(high_at), high_unit, after

    def _read_basis(  # noqa: PLR0911  # one return per basis
        self, amount: Amount, at: int
    ) -> tuple[Amount | None, list[Item], int]:
        """
        Read what milligrams are counted per: "/g", "per 100 ml", "THC each", "/ serving".

        Returns no amount when the basis is unknown, and the label that stands before the basis.
        """
        ahead = at
        while self._text(ahead) in ("of", "de", "d"):
            ahead += 1
        label = self._label(ahead)
        items = [Item("label", label)] if label else []
        ahead += bool(label)
        has_per = self._text(ahead) in ("per", "par") or (
            self._text(ahead) == "pour" and self._kind(ahead + 1) == "number"
        )
        if not has_per and self._text(ahead) != "/":
            if self._text(ahead) in _BARE_BASES and not self._is_glued(ahead):
                return self._with_basis(amount, self._text(ahead)), items, ahead + 1
            return amount, items, ahead if label else at
        ahead += 1
        size = Decimal(1)
        while self._text(ahead) in ("a", "la", "le", "une"):
            ahead += 1
        has_size = self._kind(ahead) == "number"
        if has_size:
            size = read_number(self._text(ahead), field=self._field).value
            ahead += 1
        based = self._with_basis(amount, self._text(ahead))
        is_rate = based is not None and based.unit in ("mg/g", "mg/ml")
        if is_rate and not has_per and size not in _RATE_SIZES:
            # "1000 mg / 30 ml" states the contents of a bottle, not a rate.
            return amount.flagged("basis_unclear"), items, ahead + 1
        if is_rate and has_size and self._text(ahead + 1) in _PACKAGE_WORDS:
            # "10 mg per 355 ml can" is what a package contains.
            return self._with_basis(amount, self._text(ahead + 1)), items, ahead + 2
        if based is not None and (not has_size or (is_rate and size)):
            return based.scaled(1 / size), items, ahead + 1
        if has_per:
            return None, items, ahead
        if has_size and self._text(ahead) not in _MASS_UNITS and not label:
            return None, items, ahead  # "10 mg/10": what the second number counts is unknown
        return amount, items, (at + bool(label) if label else at)

    def _with_basis(self, amount: Amount, word: str) -> Amount | None:
        if word in _GRAM_WORDS:
            return replace(amount, unit="mg/g")
        if word in _MILLILITER_WORDS:
            return replace(amount, unit="mg/ml")
        if word in _SERVING_WORDS:
            return replace(amount, unit="mg/unit").flagged("per_serving")
        if word in _PACKAGE_WORDS:
            return replace(amount, unit="mg/package")
        return replace(amount, unit="mg/unit") if word in _UNIT_WORDS else None

    def _check_after(self, at: int, unit: str) -> bool:  # noqa: PLR0911  # one return per kind of neighbor
        """Return whether what follows a number leaves it whole."""
        text = self._text(at)
        if not text or self._label(at):
            return True
        if text == "%" or text in _MASS_UNITS:
            return False  # a second unit
        if not unit and self._text(at) in _TIMES:
            return False
        if not self._is_glued(at):
            if unit:
                return True
            if self._kind(at) != "word":
                is_cut_off = text in ("-", "/", ":") and not self._text(at + 1)
                return not is_cut_off and text in _AFTER_BARE_NUMBER | _BETWEEN_BARE_NUMBERS
            return text in _NEUTRAL_WORDS or text in _SEPARATOR_WORDS
        if self._kind(at) != "sign":
            return False
        if unit:
            return text in _AFTER_UNIT or text in ("×", _AT_LEAST_MARK)
        if text not in _AFTER_BARE_NUMBER:
            return False
        return not self._is_glued(at + 1) or text in ")]},;|" or text in (_AT_LEAST_MARK,)

    def _skip_plus(self, at: int) -> tuple[bool, int]:
        """Read the plus of "60 %+"; one before another amount or label only separates them."""
        if self._text(at) != "+" or not self._is_glued(at):
            return False, at
        follows = at + 1
        is_sum = self._kind(follows) == "number" or (
            self._is_glued(follows) and bool(self._label(follows))
        )
        return (False, at) if is_sum else (True, at + 1)

    def _is_end(self, at: int) -> bool:
        text = self._text(at)
        return not text or text in _SEPARATORS or text in ")]" or bool(self._label(at))

    def _is_bound(self, at: int) -> bool:
        return self._text(at) in ("<", ">", "~") and self._kind(at + 1) == "number"

    def _label(self, at: int) -> str:
        text = self._text(at)
        if len(text) != 1:
            return ""
        index = ord(text) - _FIRST_LABEL_MARK
        return self._labels[index] if 0 <= index < len(self._labels) else ""

    def _kind(self, at: int) -> str:
        return self._tokens[at].kind if 0 <= at < len(self._tokens) else ""

    def _text(self, at: int) -> str:
        return self._tokens[at].text if 0 <= at < len(self._tokens) else ""

    def _is_glued(self, at: int) -> bool:
        return 0 <= at < len(self._tokens) and self._tokens[at].is_glued
