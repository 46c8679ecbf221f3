"""
One wording for what queries say in several: numbers, units, comparisons and negations. Pure.

Runs on normalized text, before any rule reads it: "twenty bucks" becomes "20 bucks", "250 mg/g"
"25%", "aren't infused" "not infused", "sans sucre" "sugar free".
"""

import re
from collections.abc import Callable

_UNITS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "fifteen": 15, "full": 1, "whole": 1, "un": 1, "une": 1,
    "deux": 2, "trois": 3, "quatre": 4, "cinq": 5, "sept": 7, "huit": 8, "neuf": 9, "dix": 10,
    "douze": 12, "quinze": 15,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90, "hundred": 100, "vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50,
    "soixante": 60, "cent": 100,
}  # fmt: skip
_NUMBER = r"\d{1,5}(?:[.,]\d{1,2})?"
_MONEY = r"(?:\$|(?:dollars?|bucks|piasses?|piastres?|cad)\b)"
_GRAM = r"(?:g|gr|grams?|grammes?|mg|milligrams?|milligrammes?)\b"
_PER = r" ?(?:/|\bper |\bpar |\ban? |\ble |\bdu |\bthe ) ?"
_WORD = r"[a-z][a-z'&]+"
_COMPARISON = r"(?= ?\$? ?\d)"


def _in_digits(match: re.Match[str]) -> str:
    tens, unit = match["tens"], match["unit"]
    return str(_TENS.get(tens or "", 0) + _UNITS.get(unit or "", 0))


def _as_percent(match: re.Match[str]) -> str:
    numbers = [
        f"{float(text.replace(',', '.')) / 10:g}" for text in (match["low"], match["high"]) if text
    ]
    return "-".join(numbers) + "%"


_Replacement = str | Callable[[re.Match[str]], str]
_COUNTED = (
    r"(?:\$|%|percent|pour ?cent|dollars?|bucks|piasses?|piastres?|mg|milligram|g\b|gram|ounce"
    r"|onces?|oz|packs?|joints|pre-?rolls)"
)
_REWRITES: tuple[tuple[re.Pattern[str], _Replacement], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (
            rf"\b(?:an? (?=hundred))?(?:(?P<tens>{'|'.join(_TENS)})[ -]?)?"
            rf"(?P<unit>{'|'.join(_UNITS)})?(?<=[a-z])(?= ?-?{_COUNTED})",
            lambda match: _in_digits(match) if match[0].strip() else match[0],
        ),
        (r"(?<=\d) ?(?:percent|per cent|pct|pour ?cents?)\b", "%"),
        (r"(?<=\d) ?(?:milligrams?|milligrammes?)\b", " mg"),
        # "thc20", "thc=20" and "20+ thc".
        (r"\b(thc|cbd) ?[=:]? ?(?=\d)", r"\1 "),
        (r"(?<![\w.,])(\d{1,2})\+ ?%? ?(thc|cbd)\b", r"\2 \1+"),
        # "10x.35g" and ".5g".
        (r"(?<!\w)(\d{1,3}) ?x ?(?=[.,]?\d)", r"\1 x "),
        (r"(?<![\w.,])[.,](?=\d)", "0."),
        (
            rf"(?<![\w.,])(?P<low>{_NUMBER})(?: ?(?:-|\bto\b|\ba\b) ?(?P<high>{_NUMBER}))?"
            r" ?mg ?(?:/|per|par) ?(?:g|gram|gramme)\b",
            _as_percent,
        ),
        # The price of a gram bounds no package's; who states one looks for a low one.
        (
            r"(?:\b(?:under|below|less than|max(?:imum)?|up to|moins de|jusqu'?a|around|environ) )?"
            rf"(?:\$ ?{_NUMBER}(?: ?{_MONEY})?|{_NUMBER} ?{_MONEY}){_PER}{_GRAM}"
            r"(?: (?:or less|ou moins|et moins|max))?",
            " cheap ",
        ),
        (r"\b\d{1,2} ?% ?(?:off|discount|de rabais|rabais)\b", " cheap "),
        (
            r"\b(?:nothing|none|rien)(?: de?)? "
            r"(?=(?:over|above|more|under|below|less|plus|moins)\b)",
            "not ",
        ),
        (
            r"\b(?:stronger|higher|bigger|larger|heavier) than\b"
            + _COMPARISON
            + r"|\bplus (?:fort|gros|grand|haut|eleve)(?:se|e)?s? que\b"
            + _COMPARISON,
            "more than",
        ),
        (
            r"\b(?:weaker|milder|lower|smaller|lighter) than\b"
            + _COMPARISON
            + r"|\b(?:moins (?:fort|gros)(?:se|e)?s?|plus petite?s?) que\b"
            + _COMPARISON,
            "less than",
        ),
        (
            r"\b(?:(?:are|is|do|does|did|was|were)(?:n'?t| not))"
            r"(?: (?:want|like|need|contain|have|include|be))*\b",
            "not",
        ),
        (r"\b(?:other|another|any other) brands? than\b|\bautres? marques? que\b", "not"),
        (
            r"\b(?:sans|no|without(?: any)?|zero|pas de)[ -](?:added )?"
            r"(?:(?P<sugar>sugar|sucre(?: ajoute)?)|gluten)\b",
            lambda match: "sugar free" if match["sugar"] else "gluten free",
        ),
        (r"\b(?:twin|double|duo)[ -]packs?\b|\b(?:paquet|emballage) (?:double|duo)\b", "2 pack"),
        # A negation covers both of two alternatives.
        (
            r"\b(?P<not>not|no|without|except|excluding|sans|sauf|aucune?|pas d[e'])(?P<space> ?)"
            rf"(?P<one>(?!(?:more|less|over|under|plus|moins)\b){_WORD}) (?:or|nor|ou|ni)"
            rf"(?: (?:d[e']|no|any))? ?(?P<other>{_WORD})",
            r"\g<not>\g<space>\g<one> \g<not>\g<space>\g<other>",
        ),
    )
)


def normalize_wording(text: str) -> str:
    """Return a normalized query in the one wording that the rules read."""
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text
