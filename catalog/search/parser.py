"""Query parser for prices, potencies, sizes, types, formats and aromas, in both languages. Pure."""

import re
from collections.abc import Iterable

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


def parse_query(text: str, *, ignored_keys: Iterable[str] = ()) -> ParsedQuery:
    """
    Parse a query. Never raises: text without an interpretation stays a word.

    ignored_keys: keys or types of terms to reject. The text of a rejected term with a value becomes
    words again; the text of a rejected number is dropped.
    """
    ignored = set(ignored_keys)
    remaining = " " + re.sub(r"\s+", " ", normalize_text(normalize_notation(text))) + " "
    terms: list[QueryTerm] = []
    restored: list[str] = []
    for rule in _RULES:
        for start, end, term in reversed(list(rule(remaining))):
            is_ignored = term.key in ignored or term.type in ignored
            if not is_ignored and term.key not in {other.key for other in terms}:
                terms.append(term)
            if is_ignored and term.value:
                restored.append(term.matched_text)
            if not _is_matched_as_text(term):
                remaining = f"{remaining[:start]} {remaining[end:]}"
    words = words_of(" ".join([remaining, *restored]))
    return ParsedQuery(
        text=text,
        terms=tuple(terms),
        words=tuple(word for word in words if word not in STOP_WORDS),
    )


def _is_matched_as_text(term: QueryTerm) -> bool:
    """Whether the words of a term remain: "gummies" is a category and a form within it."""
    is_form = term.type == "category" and is_form_phrase(term.matched_text)
    return not term.is_negated and (is_form or term.type in _TYPES_MATCHED_AS_TEXT)
