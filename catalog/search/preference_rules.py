"""Types, formats, terpenes, strength, likeness and parentage as people ask for them, in English and French."""

import re
from collections.abc import Callable, Iterator
from functools import cache

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.reference.synonyms import aromas, group_of
from catalog.reference.terpenes import terpenes
from catalog.search.amount_rules import matches
from catalog.search.normalize import words_of
from catalog.search.parsed_query import Found, Kind, Rule, Term

_NOT = r"(?:not(?: too| very| so)?|no|without|never|isn't|non|pas(?: trop| tres| si)?(?: d[e'] ?)?|sans|moins)"
_STRONG = r"strong(?:est)?|potent|powerful|heavy|fort|forte|forts|fortes|puissant|puissante|costaud|intense"
_MILD = r"mild|light|gentle|weak|doux|douce|leger|legere|faible|low[- ]?potency|low[- ]?dose|moderate|modere|moderee"
_HIGH = r"high|higher|rich|elevee?|haute?|hautes?|fort|forte|riche|strong|beaucoup"
_LOW = r"low|lower|bas|basse|faible|peu"
_CBD_DOMINANT = r"dominante?|rich|heavy|forward|riche"


def _strength(word: str) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: Term(kind="strength", said=m.group().strip(), word=word)


def word_rules() -> Iterator[Rule]:
    """Yield rules for strength, CBD, balance and cheapness."""
    yield matches(
        r"\b(?:balanced|equilibree?s?)(?! hybrid)(?: thc)?(?: ?(?:/|and|et|-) ?cbd)?\b",
        lambda m: Term(kind="ratio", said=m.group().strip(), word="1:1"),
    )
    yield matches(
        rf"\b(?:(?:{_HIGH})(?: en| in)? cbd|cbd (?:{_HIGH})|cbd[- ]?(?:{_CBD_DOMINANT})|(?:dominance|dominante?) (?:en )?cbd)\b",
        lambda m: Term(kind="cbd_rich", said=m.group().strip(), word="high"),
    )
    yield matches(r"\b(?:(?:sans|no|without) thc|thc[- ]free)\b", _strength("low"))
    yield matches(
        rf"\b(?:(?:{_LOW})(?: en| in)? thc|(?:teneur|taux) (?:{_LOW}) en thc|thc (?:{_LOW}))\b",
        _strength("low"),
    )
    yield matches(
        rf"\b(?:(?:{_HIGH})(?: en| in| de)? thc|(?:teneur|taux) (?:elevee?) en thc|thc (?:{_HIGH}))\b",
        _strength("high"),
    )
    yield matches(rf"\b{_NOT} (?:{_STRONG})\b", _strength("low"))
    yield matches(rf"\b{_NOT} (?:{_MILD})\b", _strength("high"))
    yield matches(rf"\b(?:plus )?(?:{_MILD})\b", _strength("low"))
    yield matches(rf"\b(?:tres |very |plus |more )?(?:{_STRONG})\b", _strength("high"))
    yield matches(r"\bcbd\b", lambda m: Term(kind="cbd_rich", said="cbd", word="some"))
    yield matches(
        r"\b(?:pas (?:trop )?cher|pas (?:trop )?chere|bon marche|abordables?|economiques?|a petit prix|petit budget|budget|cheap(?:er|est)?|inexpensive|affordable|value|bargain|moins cher|moins chere|aubaine|low price)\b",
        lambda m: Term(kind="cheap", said=m.group().strip()),
    )


@cache
def _phrases() -> dict[str, tuple[Kind, str]]:
    """Return folded phrases that name a type, a category or a terpene."""
    found: dict[str, tuple[Kind, str]] = {}
    for theirs, ours in CATEGORIES.items():
        found[" ".join(words_of(theirs))] = ("category", ours)
    for extra, ours in _CATEGORY_PHRASES.items():
        found[extra] = ("category", ours)
    for theirs, ours in STRAIN_TYPES.items():
        found[" ".join(words_of(theirs))] = ("strain_type", ours)
    for kind in ("indica", "sativa"):
        found[f"{kind} dominante"] = ("strain_type", f"{kind}-dominant")
    for plural in ("indicas", "sativas", "hybrids", "hybrides"):
        found[plural] = ("strain_type", STRAIN_TYPES[plural[:-1]])
    for terpene in terpenes().values():
        for name in (terpene.key, terpene.fr, *terpene.aliases):
            found[" ".join(words_of(name))] = ("terpene", terpene.key)
    for key in aromas():
        for phrase in (p for p, group in group_of().items() if group == key):
            found.setdefault(phrase, ("aroma", key))
    for nothing in ("milled flower", "other", "blend", "melange", "gear"):
        found.pop(nothing, None)
    return found


_CATEGORY_PHRASES = {
    "flowers": "dried-flower", "bud": "dried-flower", "buds": "dried-flower", "fleur": "dried-flower",
    "fleurs": "dried-flower", "cocottes": "dried-flower", "cocotte": "dried-flower", "cannabis seche": "dried-flower", "seche": "dried-flower", "sechee": "dried-flower",
    "dried cannabis": "dried-flower", "pre roll": "pre-rolls", "preroll": "pre-rolls", "prerolls": "pre-rolls",
    "preroules": "pre-rolls", "pre roule": "pre-rolls", "pre roules": "pre-rolls", "joint": "pre-rolls",
    "joints": "pre-rolls", "vape": "vapes", "cartridge": "vapes", "cartridges": "vapes", "cart": "vapes",
    "carts": "vapes", "vaporizer": "vapes", "vape pen": "vapes", "vaporisateur": "vapes", "vaporisateurs": "vapes",
    "vapoteuse": "vapes", "vapoteuses": "vapes", "vapoteur": "vapes", "cartouche": "vapes", "cartouches": "vapes",
    "extract": "extracts", "extrait": "extracts", "extraits": "extracts", "concentre": "extracts",
    "concentres": "extracts", "edible": "edibles", "comestible": "edibles", "comestibles": "edibles",
    "mangeables": "edibles", "gummies": "edibles", "gummy": "edibles", "jujube": "edibles", "jujubes": "edibles",
    "soft chews": "edibles", "chews": "edibles", "bonbons gelifies": "edibles", "beverage": "beverages",
    "drink": "beverages", "drinks": "beverages", "boisson": "beverages", "boissons": "beverages", "huiles": "oils",
    "capsule": "capsules", "gelule": "capsules", "gelules": "capsules", "topical": "topicals", "topique": "topicals",
    "topiques": "topicals", "seed": "seeds", "graine": "seeds", "graines": "seeds",
}  # fmt: skip


def phrase_rule(text: str) -> Found:
    """Find the longest phrases first; a word of negation before one turns it round."""
    known = _phrases()
    words = [(m.group(), m.start(), m.end()) for m in re.finditer(r"[a-z0-9]+", text)]
    place = 0
    while place < len(words):
        for length in (3, 2, 1):
            chunk = words[place : place + length]
            if len(chunk) == length and " ".join(w for w, _, _ in chunk) in known:
                break
        else:
            place += 1
            continue
        kind, ours = known[" ".join(w for w, _, _ in chunk)]
        start, end = chunk[0][1], chunk[-1][2]
        denial = re.search(r"\b(?:not|no|without|except|sans|sauf|pas(?: de?)?) $", text[:start])
        if denial:
            start = denial.start()
        yield (
            start,
            end,
            Term(kind=kind, said=text[start:end].strip(), word=ours, negative=bool(denial)),
        )
        place += length


_END = r" ?(.+?)(?= (?:but|and|mais|et|under|moins|sous|over|cheaper|plus|in|en) |$)"


def _named(kind: Kind, said: str) -> Rule:
    """Find what follows the words, up to the next thing said."""

    def make(match: re.Match[str]) -> Term | None:
        name = " ".join(words_of(match[1]))
        return Term(kind=kind, said=match.group().strip(), word=name) if name else None

    return matches(rf"\b(?:{said}){_END}", make)


def name_rules() -> Iterator[Rule]:
    """Yield rules for what a name is given of: a parent, or a product to be like."""
    yield _named(
        "parent",
        r"child(?:ren)? of|offspring of|descend(?:ed|ant|ants) (?:from|of|d[eu'])|bred from|cross(?:es)? (?:of|with)|"
        r"parent(?:ed)? (?:is|by)|enfants? d[eu']|issue? d[eu']|croisements? (?:d[eu']|avec)|lignee d[eu']",
    )
    yield _named(
        "like",
        r"similar to|something like|anything like|products? like|strains? like|alternatives? to|semblables? a|"
        r"similaires? a|dans le genre d[eu']|du genre(?: d[eu'])?|quelque chose comme|genre|comme",
    )
