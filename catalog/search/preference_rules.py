"""Parsing rules for types, formats, terpenes, strength, similarity and parents; both languages."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.reference.synonyms import group_by_phrase, terpenes_by_aroma
from catalog.reference.terpenes import terpenes
from catalog.search.amount_rules import TermBuilder, pattern_rule
from catalog.search.normalize import words_of
from catalog.search.parsed_query import QueryTerm, TermMatches, TermRule, TermType

_NOT = (
    r"(?:not(?: too| very| so)?|no|without|never|isn't|non"
    r"|pas(?: trop| tres| si)?(?: d[e'] ?)?|sans|moins)"
)
_STRONG = (
    r"strong(?:est)?|potent|powerful|heavy|fort|forte|forts|fortes|puissant|puissante|costaud"
    r"|intense"
)
_MILD = (
    r"mild|light|gentle|weak|doux|douce|leger|legere|faible|low[- ]?potency|low[- ]?dose"
    r"|moderate|modere|moderee"
)
_HIGH = r"high|higher|rich|elevee?|haute?|hautes?|fort|forte|riche|strong|beaucoup"
_LOW = r"low|lower|bas|basse|faible|peu"
_CBD_DOMINANT = r"dominante?|rich|heavy|forward|riche"
_CBD_RICH = (
    rf"\b(?:(?:{_HIGH})(?: en| in)? cbd|cbd (?:{_HIGH})|cbd[- ]?(?:{_CBD_DOMINANT})"
    r"|(?:dominance|dominante?) (?:en )?cbd)\b"
)
_THC_LOW = rf"\b(?:(?:{_LOW})(?: en| in)? thc|(?:teneur|taux) (?:{_LOW}) en thc|thc (?:{_LOW}))\b"
_THC_HIGH = (
    rf"\b(?:(?:{_HIGH})(?: en| in| de)? thc|(?:teneur|taux) (?:elevee?) en thc|thc (?:{_HIGH}))\b"
)
_CHEAP = (
    r"\b(?:pas (?:trop )?cher|pas (?:trop )?chere|bon marche|abordables?|economiques?|a petit prix"
    r"|petit budget|budget|cheap(?:er|est)?|inexpensive|affordable|value|bargain|moins cher"
    r"|moins chere|aubaine|low price)\b"
)


def _term(term_type: TermType, value: str = "") -> TermBuilder:
    return lambda m: QueryTerm(type=term_type, matched_text=m.group().strip(), value=value)


def strength_rules() -> Iterator[TermRule]:
    """Yield rules for strength, CBD, balanced ratios and low prices."""
    yield pattern_rule(
        r"\b(?:balanced|equilibree?s?)(?! hybrid)(?: thc)?(?: ?(?:/|and|et|-) ?cbd)?\b",
        _term("ratio", "1:1"),
    )
    yield pattern_rule(_CBD_RICH, _term("cbd_rich", "high"))
    yield pattern_rule(r"\b(?:(?:sans|no|without) thc|thc[- ]free)\b", _term("strength", "low"))
    yield pattern_rule(_THC_LOW, _term("strength", "low"))
    yield pattern_rule(_THC_HIGH, _term("strength", "high"))
    yield pattern_rule(rf"\b{_NOT} (?:{_STRONG})\b", _term("strength", "low"))
    yield pattern_rule(rf"\b{_NOT} (?:{_MILD})\b", _term("strength", "high"))
    yield pattern_rule(rf"\b(?:plus )?(?:{_MILD})\b", _term("strength", "low"))
    yield pattern_rule(rf"\b(?:tres |very |plus |more )?(?:{_STRONG})\b", _term("strength", "high"))
    yield pattern_rule(r"\bcbd\b", _term("cbd_rich", "some"))
    yield pattern_rule(_CHEAP, _term("cheap"))


# Category phrases that no supplier uses; normalized.
_CATEGORY_PHRASES: Mapping[str, tuple[str, ...]] = {
    "dried_flower": (
        "flowers",
        "bud",
        "buds",
        "fleur",
        "fleurs",
        "cocottes",
        "cocotte",
        "cannabis seche",
        "seche",
        "sechee",
        "dried cannabis",
    ),
    "pre_rolls": (
        "pre roll",
        "preroll",
        "prerolls",
        "preroules",
        "pre roule",
        "pre roules",
        "joint",
        "joints",
    ),
    "vapes": (
        "vape",
        "cartridge",
        "cartridges",
        "cart",
        "carts",
        "vaporizer",
        "vape pen",
        "vaporisateur",
        "vaporisateurs",
        "vapoteuse",
        "vapoteuses",
        "vapoteur",
        "cartouche",
        "cartouches",
    ),
    "extracts": ("extract", "extrait", "extraits", "concentre", "concentres"),
    "edibles": (
        "edible",
        "comestible",
        "comestibles",
        "mangeables",
        "gummies",
        "gummy",
        "jujube",
        "jujubes",
        "soft chews",
        "chews",
        "bonbons gelifies",
    ),
    "beverages": ("beverage", "drink", "drinks", "boisson", "boissons"),
    "oils": ("huiles",),
    "capsules": ("capsule", "gelule", "gelules"),
    "topicals": ("topical", "topique", "topiques"),
    "seeds": ("seed", "graine", "graines"),
}
# Supplier vocabulary that is too vague to be a filter.
_AMBIGUOUS_PHRASES = ("milled flower", "other", "blend", "melange", "gear")
_MAX_PHRASE_WORDS = 3


@cache
def _phrases() -> dict[str, tuple[TermType, str]]:
    """Return the normalized phrases that name a type, a category, a terpene or an aroma."""
    phrases: dict[str, tuple[TermType, str]] = {}
    for supplier_word, category in CATEGORIES.items():
        phrases[" ".join(words_of(supplier_word))] = ("category", category)
    for category, extra_phrases in _CATEGORY_PHRASES.items():
        phrases.update(dict.fromkeys(extra_phrases, ("category", category)))
    for supplier_word, strain_type in STRAIN_TYPES.items():
        phrases[" ".join(words_of(supplier_word))] = ("strain_type", strain_type)
    for strain_type in ("indica", "sativa"):
        phrases[f"{strain_type} dominante"] = ("strain_type", f"{strain_type}_dominant")
    for plural in ("indicas", "sativas", "hybrids", "hybrides"):
        phrases[plural] = ("strain_type", STRAIN_TYPES[plural[:-1]])
    for terpene in terpenes().values():
        for name in (terpene.key, terpene.fr, *terpene.aliases):
            phrases[" ".join(words_of(name))] = ("terpene", terpene.key)
    for aroma in terpenes_by_aroma():
        for phrase, group in group_by_phrase().items():
            if group == aroma:
                phrases.setdefault(phrase, ("aroma", aroma))
    for phrase in _AMBIGUOUS_PHRASES:
        phrases.pop(phrase, None)
    return phrases


def phrase_rule(text: str) -> TermMatches:
    """Find known phrases, the longest first; a negation before a phrase negates its term."""
    phrases = _phrases()
    words = [(m.group(), m.start(), m.end()) for m in re.finditer(r"[a-z0-9]+", text)]
    position = 0
    while position < len(words):
        for length in range(_MAX_PHRASE_WORDS, 0, -1):
            chunk = words[position : position + length]
            phrase = " ".join(word for word, _, _ in chunk)
            if len(chunk) == length and phrase in phrases:
                break
        else:
            position += 1
            continue
        term_type, value = phrases[phrase]
        start = chunk[0][1]
        end = chunk[-1][2]
        negation = re.search(r"\b(?:not|no|without|except|sans|sauf|pas(?: de?)?) $", text[:start])
        if negation:
            start = negation.start()
        term = QueryTerm(
            type=term_type,
            matched_text=text[start:end].strip(),
            value=value,
            is_negated=bool(negation),
        )
        yield start, end, term
        position += length


# A name ends before a conjunction, a price or the end of the query.
_NAME = r" ?(.+?)(?= (?:but|and|mais|et|under|moins|sous|over|cheaper|plus|in|en) |$)"
_PARENT = (
    r"child(?:ren)? of|offspring of|descend(?:ed|ant|ants) (?:from|of|d[eu'])|bred from"
    r"|cross(?:es)? (?:of|with)|parent(?:ed)? (?:is|by)|enfants? d[eu']|issue? d[eu']"
    r"|croisements? (?:d[eu']|avec)|lignee d[eu']"
)
_SIMILAR_TO = (
    r"similar to|something like|anything like|products? like|strains? like|alternatives? to"
    r"|semblables? a|similaires? a|dans le genre d[eu']|du genre(?: d[eu'])?|quelque chose comme"
    r"|genre|comme"
)


def _name_after(term_type: TermType, lead: str) -> TermRule:
    """Return a rule for the name that follows a lead phrase."""

    def build(match: re.Match[str]) -> QueryTerm | None:
        name = " ".join(words_of(match[1]))
        if not name:
            return None
        return QueryTerm(type=term_type, matched_text=match.group().strip(), value=name)

    return pattern_rule(rf"\b(?:{lead}){_NAME}", build)


def name_rules() -> Iterator[TermRule]:
    """Yield rules for names: a parent strain, or a product to resemble."""
    yield _name_after("parent", _PARENT)
    yield _name_after("similar_to", _SIMILAR_TO)
