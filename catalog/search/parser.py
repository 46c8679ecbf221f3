"""What a question says of price, potency, size, type, format and aroma, in English and French: pure, no database."""

import re
from collections.abc import Iterable

from catalog.search.amount_rules import potency_rules, price_rules, size_rules
from catalog.search.normalize import STOP_WORDS, folded, words_of
from catalog.search.parsed_query import Rule, Term, Understood
from catalog.search.preference_rules import name_rules, phrase_rule, word_rules

__all__ = ["Term", "Understood", "understand"]

# Their words are looked for as well: Lemon Haze is a name, limonene stands in documents.
_STAYS = ("aroma", "terpene")
# The narrower first: each takes its words away from those after it.
_RULES: tuple[Rule, ...] = (
    *name_rules(),
    *potency_rules(),
    *price_rules(),
    *size_rules(),
    *word_rules(),
    phrase_rule,
)


def understand(text: str, *, ignore: Iterable[str] = ()) -> Understood:
    """
    Take a question apart. Never raises: what is not understood stays a word.

    ignore: keys of terms to leave out; of numbers nothing is left then, of words the words themselves.
    """
    left_out = set(ignore)
    rest = " " + re.sub(r"\s+", " ", folded(text)) + " "
    terms: list[Term] = []
    kept: list[str] = []
    for rule in _RULES:
        for start, end, term in reversed(list(rule(rest))):
            is_ignored = term.key in left_out or term.kind in left_out
            if not is_ignored and term.key not in {t.key for t in terms}:
                terms.append(term)
            if is_ignored and term.word:
                kept.append(term.said)
            if term.kind not in _STAYS:
                rest = f"{rest[:start]} {rest[end:]}"
    words = tuple(word for word in words_of(" ".join([rest, *kept])) if word not in STOP_WORDS)
    return Understood(text=text, terms=tuple(terms), words=words)
