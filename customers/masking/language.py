"""In which language something is said: English or French, or too little to tell."""

import re
from collections.abc import Iterable
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

LANGUAGES = ("en", "fr")
SURE = 0.55
"""Below this share of certainty nothing is told: "Hi" and "OK" are said in both."""
_MOST_READ = 1000
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_IN_BOTH = frozenset(("thc", "cbd", "cbg", "cbn", "mg", "ml", "g", "sku", "gtin", "ok"))


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier


def language_of(text: str) -> str:
    """Return en or fr; empty when the text does not tell."""
    words = [word for word in _WORD.findall(text[:_MOST_READ].lower()) if word not in _IN_BOTH]
    if not words:
        return ""
    language, share = _identifier().classify(" ".join(words))
    return language if share >= SURE else ""


def language_of_all(texts: Iterable[str]) -> str:
    """Return the language that several texts of one person are in, together."""
    return language_of("\n".join(texts))
