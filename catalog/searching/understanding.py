"""What a question says of price, potency, size, type, format and aroma, in English and French: pure, no database."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.reference.synonyms import aromas, group_of
from catalog.reference.terpenes import terpenes
from catalog.searching.folding import STOP_WORDS, folded, words_of

Kind = Literal["price", "thc", "cbd", "thc_mg", "cbd_mg", "ratio", "size", "volume", "pieces", "strain_type", "category", "terpene",
               "aroma", "strength", "cbd_rich", "cheap", "like", "parent"]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One thing understood: its kind, the words that said it, and what they mean (low, high, word as the kind needs)."""

    kind: Kind
    said: str
    low: float | None = None
    high: float | None = None
    word: str = ""
    negative: bool = False

    @property
    def key(self) -> str:
        """What a client names to have it left out: `price`, `terpene:limonene`."""
        return f"{self.kind}:{self.word}" if self.word else self.kind

    @property
    def told(self) -> dict[str, Any]:
        """The term as an answer echoes it."""
        ends = {"min": self.low, "max": self.high, "value": self.word or None, "not": self.negative or None}
        return {
            "key": self.key,
            "kind": self.kind,
            "said": self.said,
            **{k: v for k, v in ends.items() if v is not None},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """A question taken apart: what was understood, and the words left to be matched."""

    text: str
    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = field(default=())

    def of(self, *kinds: Kind) -> list[Term]:
        """Return the terms of these kinds."""
        return [term for term in self.terms if term.kind in kinds]


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


# Their words are looked for as well: Lemon Haze is a name, limonene stands in documents.
_STAYS = ("aroma", "terpene")
Found = Iterator[tuple[int, int, Term]]
Rule = Callable[[str], Found]

_NUMBER = r"(\d{1,5}(?:[.,]\d{1,2})?)"
_BELOW = r"(?:under|below|less than|up to|at most|no more than|max(?:imum)?(?: de| of)?|cheaper than|<=?|moins (?:de|que|cher que)|sous|en dessous de|en bas de|jusqu'?a|au plus|pas plus de|maximum)"
_ABOVE = r"(?:over|above|more than|at least|min(?:imum)?(?: de| of)?|>=?|plus (?:de|que)|au[- ]dessus de|au moins|des|a partir de|from|starting at)"
_ABOUT = r"(?:around|about|near(?:ly)?|approximately|roughly|~|environ|autour de|a peu pres|vers)"
_FROM = r"(?:between|from|entre|de)"
_TO = r"(?:-|–|to|and|a|et|jusqu'?a)"
_MONEY = r"(?:\$|dollars?|bucks|piasses?|piastres?|cad)"
_KIND = {"thc": r"(?:de |en |of |in )?thc", "cbd": r"(?:de |en |of |in )?cbd"}


def _value(text: str) -> float:
    return float(text.replace(",", "."))


def _matches(pattern: str, make: Callable[[re.Match[str]], Term | None]) -> Rule:
    compiled = re.compile(pattern)

    def rule(text: str) -> Found:
        for match in compiled.finditer(text):
            term = make(match)
            if term:
                yield match.start(), match.end(), term

    return rule


def _ends(kind: Kind, match: re.Match[str], low: float | None, high: float | None) -> Term | None:
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Term(kind=kind, said=match.group().strip(), low=low, high=high)


def _range(kind: Kind) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: _ends(kind, m, _value(m[1]), _value(m[2]))


def _above(kind: Kind) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: _ends(kind, m, _value(m[1]), None)


def _below(kind: Kind) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: _ends(kind, m, None, _value(m[1]))


def _about(kind: Kind, share: float) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: _ends(kind, m, _value(m[1]) * (1 - share), _value(m[1]) * (1 + share))


def _milligrams(kind: Kind) -> Callable[[re.Match[str]], Term | None]:
    def make(match: re.Match[str]) -> Term | None:
        value = _value(next(group for group in match.groups() if group))
        return _ends(kind, match, value * 0.9, value * 1.1)

    return make


def _ratio(match: re.Match[str]) -> Term | None:
    thc, cbd = float(match[1]), float(match[2])
    return Term(kind="ratio", said=match.group().strip(), word=f"{match[1]}:{match[2]}") if thc and cbd else None


def _potency_rules() -> Iterator[Rule]:
    yield _matches(
        r"\b(?:(?:thc ?[:/-] ?cbd|cbd ?[:/-] ?thc|cbd|thc) )?(\d{1,2}) ?: ?(\d{1,2})"
        r"(?: (?:thc ?[:/-] ?cbd|cbd ?[:/-] ?thc|cbd|thc)\b)?",
        _ratio,
    )
    yield _matches(rf"\b(?:cbd ?:? ?{_NUMBER} ?mg|{_NUMBER} ?mg (?:de |of )?cbd)\b", _milligrams("cbd_mg"))
    yield _matches(rf"\b(?:(?:thc ?:? ?)?{_NUMBER} ?mg(?: (?:de |of )?thc)?)\b", _milligrams("thc_mg"))
    for kind, name in _KIND.items():
        of: Kind = "thc" if kind == "thc" else "cbd"
        # The kind before or after the number; "%" may be missing where the kind is said.
        for before, after in ((rf"\b{name}\b:? ?(?:level )?", ""), ("", rf" ?{name}\b")):
            number = rf"{_NUMBER} ?%?"
            yield _matches(rf"{before}(?:{_FROM} )?{number} ?{_TO} ?{number}{after}", _range(of))
            yield _matches(rf"{before}{_ABOVE} ?{number}{after}", _above(of))
            yield _matches(rf"{before}{number} ?(?:\+|et plus|ou plus|and up|or more|and over){after}", _above(of))
            yield _matches(rf"{before}{_BELOW} ?{number}{after}", _below(of))
            yield _matches(rf"{before}{number} ?(?:ou moins|or less|and under){after}", _below(of))
            yield _matches(rf"{before}(?:{_ABOUT} ?)?{number}{after}", _about(of, 0.1))
    # A bare percentage is of THC.
    percent = rf"{_NUMBER} ?%"
    yield _matches(rf"(?:{_FROM} )?\b{_NUMBER} ?%? ?{_TO} ?{percent}", _range("thc"))
    yield _matches(rf"{_ABOVE} ?{percent}", _above("thc"))
    yield _matches(rf"{percent} ?(?:\+|et plus|ou plus|and up|or more|and over)", _above("thc"))
    yield _matches(rf"{_BELOW} ?{percent}", _below("thc"))
    yield _matches(percent, _about("thc", 0.1))


def _price_rules() -> Iterator[Rule]:
    money = rf"\$? ?{_NUMBER} ?{_MONEY}?"
    marked = rf"(?:\$ ?{_NUMBER}|{_NUMBER} ?{_MONEY})"
    not_a_size = r"(?! ?(?:g|mg|ml|grams?|grammes?|oz|%)\b|[.,\d%])"

    def one(low: bool, high: bool, share: float = 0) -> Callable[[re.Match[str]], Term | None]:
        def make(match: re.Match[str]) -> Term | None:
            value = _value(next(group for group in match.groups() if group))
            return _ends("price", match, value * (1 - share) if low else None, value * (1 + share) if high else None)

        return make

    yield _matches(rf"(?:{_FROM} )?\$ ?{_NUMBER} ?{_MONEY}? ?{_TO} ?{money}", _range("price"))
    yield _matches(rf"(?:{_FROM} )?{_NUMBER} ?{_MONEY}? ?{_TO} ?{_NUMBER} ?{_MONEY}", _range("price"))
    yield _matches(rf"(?:between|entre) {_NUMBER} ?{_TO} ?{_NUMBER}{not_a_size}", _range("price"))
    yield _matches(rf"{_BELOW} ?{money}{not_a_size}", one(low=False, high=True))
    yield _matches(rf"{marked} ?(?:ou moins|or less|and under|max(?:imum)?)", one(low=False, high=True))
    yield _matches(rf"{_ABOVE} ?{marked}", one(low=True, high=False))
    yield _matches(rf"{marked} ?(?:\+|et plus|ou plus|and up|or more)", one(low=True, high=False))
    yield _matches(rf"(?:{_ABOUT} ?)?{marked}", one(low=True, high=True, share=0.15))


_OUNCES = {"quarter": 7.0, "quart": 7.0, "half": 14.0, "demi": 14.0, "demie": 14.0, "eighth": 3.5, "huitieme": 3.5}
# How far a written size may be from the product's.
_SIZE_SHARE = 0.03


def _size(grams: float, match: re.Match[str]) -> Term:
    return Term(
        kind="size", said=match.group().strip(), low=grams * (1 - _SIZE_SHARE), high=grams * (1 + _SIZE_SHARE)
    )  # fmt: skip


def _size_rules() -> Iterator[Rule]:
    fractions = "|".join(_OUNCES)
    yield _matches(
        rf"\b(?:une? |an? )?({fractions})[- ](?:(?:of )?(?:an )?(?:ounces?|oz|once|onces|zip)|d'?once)\b",
        lambda m: _size(_OUNCES[m[1]], m),
    )
    yield _matches(r"\b(?:un |an? )?(eighth|huitieme)\b", lambda m: _size(_OUNCES[m[1]], m))
    yield _matches(
        r"\b([1248])/([248]) ?(?:oz|ounces?|once|onces)\b", lambda m: _size(28 * float(m[1]) / float(m[2]), m)
    )
    yield _matches(rf"\b{_NUMBER} ?(?:oz|ounces?|onces?)\b", lambda m: _size(28 * _value(m[1]), m))
    yield _matches(r"\b(?:an? |une |full )?(?:ounce|once|oz)\b", lambda m: _size(28.0, m))
    yield _matches(
        rf"\b(\d{{1,3}}) ?(?:x|×) ?{_NUMBER} ?(?:g|grams?|grammes?)\b", lambda m: _size(float(m[1]) * _value(m[2]), m)
    )
    yield _matches(rf"\b{_NUMBER} ?-?(?:g|gr|grams?|grammes?)\b", lambda m: _size(_value(m[1]), m))
    yield _matches(rf"\b{_NUMBER} ?-?ml\b", _about("volume", 0.03))
    yield _matches(
        r"\b(\d{1,2})[ -]?(?:pack|pk|pieces?|morceaux|unites?|units|count|ct)\b",
        lambda m: Term(kind="pieces", said=m.group().strip(), low=float(m[1]), high=float(m[1])),
    )


_NOT = r"(?:not(?: too| very| so)?|no|without|never|isn't|non|pas(?: trop| tres| si)?(?: d[e'] ?)?|sans|moins)"
_STRONG = r"strong(?:est)?|potent|powerful|heavy|fort|forte|forts|fortes|puissant|puissante|costaud|intense"
_MILD = r"mild|light|gentle|weak|doux|douce|leger|legere|faible|low[- ]?potency|low[- ]?dose|moderate|modere|moderee"
_HIGH = r"high|higher|rich|elevee?|haute?|hautes?|fort|forte|riche|strong|beaucoup"
_LOW = r"low|lower|bas|basse|faible|peu"
_CBD_DOMINANT = r"dominante?|rich|heavy|forward|riche"


def _strength(word: str) -> Callable[[re.Match[str]], Term | None]:
    return lambda m: Term(kind="strength", said=m.group().strip(), word=word)


def _word_rules() -> Iterator[Rule]:
    yield _matches(
        r"\b(?:balanced|equilibree?s?)(?! hybrid)(?: thc)?(?: ?(?:/|and|et|-) ?cbd)?\b",
        lambda m: Term(kind="ratio", said=m.group().strip(), word="1:1"),
    )
    yield _matches(
        rf"\b(?:(?:{_HIGH})(?: en| in)? cbd|cbd (?:{_HIGH})|cbd[- ]?(?:{_CBD_DOMINANT})|(?:dominance|dominante?) (?:en )?cbd)\b",
        lambda m: Term(kind="cbd_rich", said=m.group().strip(), word="high"),
    )
    yield _matches(r"\b(?:(?:sans|no|without) thc|thc[- ]free)\b", _strength("low"))
    yield _matches(
        rf"\b(?:(?:{_LOW})(?: en| in)? thc|(?:teneur|taux) (?:{_LOW}) en thc|thc (?:{_LOW}))\b", _strength("low")
    )
    yield _matches(
        rf"\b(?:(?:{_HIGH})(?: en| in| de)? thc|(?:teneur|taux) (?:elevee?) en thc|thc (?:{_HIGH}))\b",
        _strength("high"),
    )
    yield _matches(rf"\b{_NOT} (?:{_STRONG})\b", _strength("low"))
    yield _matches(rf"\b{_NOT} (?:{_MILD})\b", _strength("high"))
    yield _matches(rf"\b(?:plus )?(?:{_MILD})\b", _strength("low"))
    yield _matches(rf"\b(?:tres |very |plus |more )?(?:{_STRONG})\b", _strength("high"))
    yield _matches(r"\bcbd\b", lambda m: Term(kind="cbd_rich", said="cbd", word="some"))
    yield _matches(
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


def _phrase_rule(text: str) -> Found:
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
        yield start, end, Term(kind=kind, said=text[start:end].strip(), word=ours, negative=bool(denial))
        place += length


def _like_rule(text: str) -> Found:
    pattern = (
        r"\b(?:similar to|something like|anything like|products? like|strains? like|alternatives? to|semblables? a|"
        r"similaires? a|dans le genre d[eu']|du genre(?: d[eu'])?|quelque chose comme|genre|comme)"
        r" ?(.+?)(?= (?:but|and|mais|et|under|moins|sous|cheaper|plus|in|en) |$)"
    )
    for match in re.finditer(pattern, text):
        name = " ".join(words_of(match[1]))
        if name:
            yield match.start(), match.end(), Term(kind="like", said=match.group().strip(), word=name)


def _parent_rule(text: str) -> Found:
    pattern = (
        r"\b(?:child(?:ren)? of|offspring of|descend(?:ed|ant|ants) (?:from|of|d[eu'])|bred from|cross(?:es)? (?:of|with)|"
        r"parent(?:ed)? (?:is|by)|enfants? d[eu']|issue? d[eu']|croisements? (?:d[eu']|avec)|lignee d[eu'])"
        r" ?(.+?)(?= (?:but|and|mais|et|under|moins|sous|over|plus) |$)"
    )
    for match in re.finditer(pattern, text):
        name = " ".join(words_of(match[1]))
        if name:
            yield match.start(), match.end(), Term(kind="parent", said=match.group().strip(), word=name)


_RULES: tuple[Rule, ...] = (
    _parent_rule,
    _like_rule,
    *_potency_rules(),
    *_price_rules(),
    *_size_rules(),
    *_word_rules(),
    _phrase_rule,
)
