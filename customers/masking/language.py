"""Language detection for chat messages: English, French or undecided."""

import re
from collections.abc import Iterable
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from config.languages import LANGUAGES

MIN_CONFIDENCE = 0.55
"""Below this probability the language is undecided: "Hi" and "OK" occur in both languages."""
_MAX_CHARACTERS = 1000
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LANGUAGE_NEUTRAL_WORDS = frozenset(
    ("thc", "cbd", "cbg", "cbn", "mg", "ml", "g", "sku", "gtin", "ok")
)


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(LANGUAGES)
    return identifier


def detect_language(text: str) -> str:
    """Return `en` or `fr`, or an empty string when the text does not decide it."""
    words = _WORD.findall(text[:_MAX_CHARACTERS].lower())
    significant_words = [word for word in words if word not in _LANGUAGE_NEUTRAL_WORDS]
    if not significant_words:
        return ""
    language, confidence = _identifier().classify(" ".join(significant_words))
    return language if confidence >= MIN_CONFIDENCE else ""


def detect_common_language(texts: Iterable[str]) -> str:
    """Return the language of several texts by the same author, read as one text."""
    return detect_language("\n".join(texts))
