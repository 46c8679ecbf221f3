"""Query parser for prices, potencies, sizes, types, formats and aromas, in both languages. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from string import ascii_lowercase

from catalog.reference.synonyms import group_by_phrase
from catalog.search.amount_rules import normalize_notation, potency_rules, price_rules, size_rules
from catalog.search.normalize import STOP_WORDS, normalize_text, words_of
from catalog.search.parsed_query import ParsedQuery, QueryTerm, TermRule
from catalog.search.preference_rules import (
    excluded_name_rule,
    is_form_phrase,
    name_rules,
    phrase_rule,
    strength_rules,
)
from catalog.search.wording import normalize_wording

__all__ = ["ParsedQuery", "QueryTerm", "parse_query"]

# Words of these terms are also matched as text: Lemon Haze is a name.
_TYPES_MATCHED_AS_TEXT = ("aroma",)
# Narrower rules first: a rule removes the text it matches before the next one runs.
_RULES: tuple[TermRule, ...] = (
    *name_rules(),
    *potency_rules(),
    *price_rules(),
    *size_rules(),
    *strength_rules(),
    phrase_rule,
    excluded_name_rule,
)


def parse_query(
    text: str, *, ignored_keys: Iterable[str] = (), names: Iterable[str] = ()
) -> ParsedQuery:
    """
    Parse a query. Never raises: text without an interpretation stays a word.

    ignored_keys: keys or types of terms to reject. The text of a rejected term with a value becomes
    words again; the text of a rejected number is dropped. names: normalized names of several words,
    such as brands, which are read as a whole: "Leaf & Flower" is no flower.
    """
    ignored = set(ignored_keys)
    normalized = normalize_text(normalize_notation(_translate_homographs(text)))
    normalized = normalize_wording(normalized)
    remaining = " " + re.sub(r"\s+", " ", normalized) + " "
    remaining, name_by_token = _hide_names(remaining, names)
    terms: list[QueryTerm] = []
    restored: list[str] = []
    for rule in _RULES:
        for start, end, found in reversed(list(rule(remaining))):
            term = _restore_names(found, name_by_token)
            is_ignored = term.key in ignored or term.type in ignored
            if not is_ignored:
                _add_term(terms, term)
            if is_ignored and term.value:
                restored.append(found.matched_text)
            if not _is_matched_as_text(term):
                remaining = f"{remaining[:start]} {remaining[end:]}"
    return ParsedQuery(
        text=text,
        terms=tuple(_without_contradictions(terms, normalized)),
        words=tuple(_words(" ".join([remaining, *restored]), name_by_token)),
    )


def _add_term(terms: list[QueryTerm], term: QueryTerm) -> None:
    """Add a term that is new; two bounds of one amount, from either side, are one range."""
    for index, other in enumerate(terms):
        if other.key != term.key:
            continue
        bounds = (other.min_value, other.max_value), (term.min_value, term.max_value)
        low, high = (
            [value for value in end if value is not None] for end in zip(*bounds, strict=True)
        )
        if len(low) == len(high) == 1 and low <= high:
            matched_text = f"{term.matched_text} {other.matched_text}"
            terms[index] = replace(
                other, matched_text=matched_text, min_value=low[0], max_value=high[0]
            )
        return
    terms.append(term)


_ALTERNATIVES = re.compile(r"[,+&/]|\b(?:and|et|or|ou)\b")


def _without_contradictions(terms: list[QueryTerm], text: str) -> list[QueryTerm]:
    """
    Return terms without an aroma that is a word of an excluded name: "not live resin".

    A device for products of a category is none of them: "battery for carts", "empty cones".
    Milligrams of a vape or extract that name no cannabinoid are its weight: "1000 mg cart".
    """
    asserted = {term.value for term in terms if term.type == "category" and not term.is_negated}
    is_device = "accessories" in asserted and not _ALTERNATIVES.search(text)
    excluded = {word for term in terms if term.type == "name" for word in term.value.split()}
    is_weighed = any(term.value in ("vapes", "extracts") for term in terms)
    return [
        _as_weight(term) if is_weighed and _may_be_weight(term) else term
        for term in terms
        if term.is_negated
        or (
            not (term.type == "aroma" and term.matched_text in excluded)
            and not (is_device and term.type == "category" and term.value != "accessories")
        )
    ]


_MIN_WEIGHT_MILLIGRAMS = 100


def _may_be_weight(term: QueryTerm) -> bool:
    has_amount = (term.target_value or 0) >= _MIN_WEIGHT_MILLIGRAMS
    return term.type == "thc_mg" and has_amount and "thc" not in term.matched_text


def _as_weight(term: QueryTerm) -> QueryTerm:
    milligrams = (term.min_value, term.max_value, term.target_value)
    low, high, target = (None if value is None else value / 1000 for value in milligrams)
    return replace(term, type="weight_grams", min_value=low, max_value=high, target_value=target)


# Tea and the English article look the same without an accent.
_TEA = re.compile(r"\bth[ée](?P<plural>s)?\b", re.IGNORECASE)
_BEHIND_TEA = re.compile(
    r"\s+(?:vert|noir|blanc|glac[ée]|matcha|aux?|[àa] l[ae]?|infus[ée])\b", re.IGNORECASE
)


def _translate_homographs(text: str) -> str:
    """Return the text with "thé" in English; without its accent, before French words only."""

    def translate(match: re.Match[str]) -> str:
        is_tea = "é" in match.group().lower() or _BEHIND_TEA.match(text, match.end())
        return "tea" if is_tea else match.group()

    return _TEA.sub(translate, unicodedata.normalize("NFC", text))


_BETWEEN_WORDS = r"[^a-z0-9]+(?:(?:and|et)[^a-z0-9]+)?"


def _hide_names(text: str, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Return the text with each name replaced by a token, and the names by token."""
    name_by_token: dict[str, str] = {}
    for name in sorted(names, key=len, reverse=True)[: len(ascii_lowercase)]:
        token = f"zz{ascii_lowercase[len(name_by_token)]}zz"
        pattern = r"(?<![a-z0-9])" + _BETWEEN_WORDS.join(map(_spelled, name.split()))
        text, count = re.subn(pattern + r"(?![a-z0-9])", token, text)
        if count:
            name_by_token[token] = name
    return text, name_by_token


def _spelled(word: str) -> str:
    """Return the pattern of a normalized word, which an apostrophe may divide: papa's."""
    return "'?".join(word)


def _restore_names(term: QueryTerm, name_by_token: Mapping[str, str]) -> QueryTerm:
    if not any(token in term.matched_text for token in name_by_token):
        return term
    value, matched_text = term.value, term.matched_text
    for token, name in name_by_token.items():
        value, matched_text = value.replace(token, name), matched_text.replace(token, name)
    return replace(term, value=value, matched_text=matched_text)


def _words(text: str, name_by_token: Mapping[str, str]) -> list[str]:
    """Return the words of a text without stop words; names and known phrases are one word each."""
    words: list[str] = []
    position = 0
    for match in _phrase_pattern().finditer(text):
        words += words_of(text[position : match.start()])
        words.append(" ".join(re.findall(r"[a-z0-9]+", match.group())))
        position = match.end()
    words += words_of(text[position:])
    named = [name_by_token.get(word, word) for word in words]
    return [word for word in dict.fromkeys(named) if word not in STOP_WORDS]


@cache
def _phrase_pattern() -> re.Pattern[str]:
    """Return the pattern of synonym phrases of several words: noix de coco, melon d'eau."""
    phrases = sorted((phrase for phrase in group_by_phrase() if " " in phrase), key=len)
    alternatives = "|".join(phrase.replace(" ", "[ '-]+") for phrase in reversed(phrases))
    return re.compile(rf"(?<![a-z0-9])(?:{alternatives})(?![a-z0-9])")


def _is_matched_as_text(term: QueryTerm) -> bool:
    """Whether the words of a term remain: "gummies" is a category and a form within it."""
    is_form = term.type == "category" and is_form_phrase(term.matched_text)
    return not term.is_negated and (is_form or term.type in _TYPES_MATCHED_AS_TEXT)
