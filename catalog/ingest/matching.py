"""Are two products one? Vetoes first, then names word by word; what is not sure is asked, and what differs stays two."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from rapidfuzz.distance import DamerauLevenshtein

from catalog.ingest.vocabulary import plain_words

VERSION = "match-4"
Band = Literal["same", "ask", "different"]

# Potencies of one product differ from label to label and from lot to lot, but not by more.
_MOST_POINTS_APART = Decimal(5)
_LONG_ENOUGH = 6
"""Letters from which a word with one letter wrong is a word misspelt, not another word."""
_SAME_WORDS, _SAME_BUT_FOR_BREAKS, _OTHER_ORDER, _MISSPELT, _ONE_WORD_MORE = 100, 99, 90, 90, 85
_ENOUGH_WORDS = 4
"""Words from which their order says nothing; "Monster Cookies" and "Cookie Monster" are two strains."""
_ASKED_FROM = 80
_SAME_FROM = 99
_DOUBT = 10
"""What a fact that speaks against it costs: enough to turn a same into an ask."""
# Words that say what form a product has, which its category says already; in both languages, plain.
_FORM_WORDS = frozenset({
    "a", "au", "aux", "avec", "by", "de", "des", "du", "en", "et", "for", "of", "par", "the", "with", "bud", "buds",
    "dried", "flower", "flowers", "fleur", "fleurs", "sechee", "sechees", "herb", "whole", "joint", "joints", "pre",
    "preroll", "prerolls", "prerolled", "preroule", "preroules", "roll", "rolled", "rolls", "roule", "roules",
    "510", "stylo", "thread", "vape", "vapes", "vaporizer", "vapoteuse", "vaporisateur", "cannabis", "marijuana",
    "pack", "packs", "paquet", "package", "unit", "units", "each", "pieces", "soft",
})  # fmt: skip
# One thing under several words, in both languages.
_SAME_THINGS = {
    alias: word
    for word, aliases in {
        "cartridge": "cart carts cartridges cartouche cartouches",
        "disposable": "disposables jetable jetables",
        "gummy": "gummies gummie jujube jujubes",
        "chew": "chews bouchee bouchees",
        "capsule": "capsules caps gelule gelules",
        "resin": "resine",
        "diamonds": "diamond diamant diamants",
        "distillate": "distillat",
        "live": "vivante",
        "infused": "infuse infusee infuses infusees",
        "milled": "moulu moulue",
        "organic": "biologique bio",
        "day": "jour",
        "night": "nuit",
        "light": "legere leger",
    }.items()
    for alias in aliases.split()
}
_BY_STRAIN = frozenset({"dried-flower", "pre-rolls", "vapes", "extracts"})
_GRAMS = re.compile(r"(?:(?P<times>\d+)x)?(?P<grams>\d*\.?\d+)g")
_ROLLED = re.compile(r"\bpre[- ]?rolls?\b|\bpre[- ]?rolled\b|\bpr[eé][- ]?roul|\bjoints?\b", re.I)
_COMPANY_WORDS = frozenset({"inc", "ltd", "ltee", "corp", "co", "llc", "cannabis"})
# Words that tell one product from its neighbors, so that one more of them on either side is another product.
_TELLING = frozenset({
    "indica", "sativa", "hybrid", "hybride", "cbd", "thc", "cbg", "cbn", "cbc", "thcv", "thca", "blend", "light",
    "strong", "mild", "milled", "infused", "cartridge", "disposable", "pen", "pod", "syringe", "gummy", "chew",
    "capsule", "live", "cured", "resin", "rosin", "shatter", "wax", "crumble", "budder", "badder", "diamonds",
    "sauce", "distillate", "hash", "kief", "rso", "oil", "terp", "sugar", "honeycomb", "bubble", "hashish", "small",
    "large", "mini", "minis", "max", "ultra", "king", "size", "slim", "slims", "premium", "reserve", "limited",
    "original", "organic", "day", "night", "am", "pm", "sample", "sour", "sweet", "dark", "milk", "white", "black",
    "blue", "red", "green", "pink", "purple", "gold", "golden", "orange", "yellow",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What of a product is compared; None is unknown."""

    merge_key: str
    name: str
    name_fr: str | None = None
    brand: str | None = None
    gtin: str | None = None
    category: str | None = None
    strain_type: str | None = None
    weight_grams: Decimal | None = None
    volume_ml: Decimal | None = None
    pieces: int | None = None
    thc_mg: Decimal | None = None
    cbd_mg: Decimal | None = None
    measures: frozenset[str] = frozenset()
    """Sizes and doses that stood in the name: "100mg", "3x0.5g"."""
    thc: tuple[Decimal, Decimal] | None = None
    cbd: tuple[Decimal, Decimal] | None = None

    @property
    def has_size(self) -> bool:
        """Whether anything is known of how much it is."""
        return self.has_column_size or self.thc_mg is not None or bool(self.measures)

    @property
    def has_column_size(self) -> bool:
        """Whether its source says how much it is outside its name."""
        return any(value is not None for value in (self.weight_grams, self.volume_ml, self.pieces))

    @property
    def has_pack(self) -> bool:
        """Whether anything is known of its weight, volume or count; a dose tells none: "3 Pack" and "50mg" may be two."""
        return self.has_column_size or self.measures > self.doses

    @property
    def doses(self) -> frozenset[str]:
        """The milligrams in its name."""
        return frozenset(measure for measure in self.measures if measure.endswith("mg"))


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two products are, 0 to 100, and why."""

    score: int
    band: Band
    reasons: tuple[str, ...]


@lru_cache(maxsize=65_536)
def brand_block(brand: str | None) -> str:
    """Return a brand as brands are compared: plain words without the forms of companies."""
    words = plain_words(brand or "")
    if not words or words[0] in {"unknown", "inconnu", "n/a", "none"}:
        return ""
    return "".join([w for w in words if w not in _COMPANY_WORDS] or words)[:100]


@lru_cache(maxsize=65_536)
def name_words(name: str) -> tuple[str, ...]:
    """Return the words that tell a cleaned name from others of its brand, in order; its own when none is left."""
    # "15:1" is not "1.5:1", and neither is "151".
    told = re.sub(r"(\d)[.,](?=\d)", r"\1point", re.sub(r"(\d)\s*:\s*(?=\d)", r"\1to", name))
    own = plain_words(
        re.sub(r"['’]s\b", "s", told).replace("&", " ").replace("/", " ").replace("#", " ")
    )
    kept = [_SAME_THINGS.get(word, word) for word in own if word not in _FORM_WORDS]
    return tuple(kept or own)


def compare(left: Candidate, right: Candidate) -> Comparison:
    """Compare two products; the order does not matter."""
    if veto := _veto(left, right):
        return Comparison(0, "different", (veto,))
    pairs = [
        _compare_names(name_words(a), name_words(b))
        for a in (left.name, left.name_fr)
        for b in (right.name, right.name_fr)
        if a and b
    ]
    score, reason = max(pairs)
    doubts = _doubts(left, right)
    if score == _ONE_WORD_MORE and (doubts or not _may_have_a_word_more(left, right)):
        score = 0
    score, reasons = score - _DOUBT * len(doubts), [reason, *doubts]
    band: Band = "same" if score >= _SAME_FROM else "ask" if score >= _ASKED_FROM else "different"
    return Comparison(max(score, 0), band, tuple(reasons))


def best_of(product: Candidate, others: Sequence[Candidate]) -> list[tuple[Candidate, Comparison]]:
    """
    Return those that are the same or to be asked about, best first.

    Where several others would be the same and are not plainly one among themselves, none is taken: all are asked.
    """
    found = [
        (other, compared)
        for other in others
        if (compared := compare(product, other)).band != "different"
    ]
    found.sort(key=lambda pair: (-pair[1].score, pair[0].merge_key))
    same = [other for other, compared in found if compared.band == "same"]
    if any(compare(a, b).band != "same" for place, a in enumerate(same) for b in same[place + 1 :]):
        return [(other, _asked(compared, "others are as near")) for other, compared in found]
    return found


def _may_have_a_word_more(left: Candidate, right: Candidate) -> bool:
    """Tell whether all else speaks for one: "Fire OG" and "Fire OG Kush" may be, "Gummies" and "Grape Gummies" not."""
    return left.category in _BY_STRAIN and left.has_column_size and right.has_column_size


def _asked(compared: Comparison, reason: str) -> Comparison:
    return Comparison(min(compared.score, _SAME_FROM - 1), "ask", (*compared.reasons, reason))


def _veto(left: Candidate, right: Candidate) -> str:
    """Return what rules out that they are one, whatever their names."""
    if left.gtin and right.gtin and left.gtin != right.gtin:
        return "other GTIN"
    if left.category and right.category and left.category != right.category:
        return "other category"
    sizes = (
        (left.weight_grams, right.weight_grams, "weight"),
        (left.volume_ml, right.volume_ml, "volume"),
        (left.pieces or 1, right.pieces or 1, "number of pieces"),
    )
    for ours, theirs, what in sizes:
        if (
            ours is not None
            and theirs is not None
            and ours != theirs
            and left.has_column_size
            and right.has_column_size
        ):
            return f"other {what}"
    doses = ((left.thc_mg, right.thc_mg), (left.cbd_mg, right.cbd_mg), (left.doses, right.doses))
    if any(one and other and one != other for one, other in doses):
        return "other dose"
    # Names that say how much, of sources that say it nowhere else.
    are_in_names = (
        left.measures and right.measures and not (left.has_column_size and right.has_column_size)
    )
    if are_in_names and left.measures != right.measures:
        return "other size in the name"
    for one, other in ((left, right), (right, left)):
        grams = set() if one.has_column_size else _grams_in(one.measures)
        if grams and other.weight_grams is not None and other.weight_grams not in grams:
            return "other weight"
    brands = {brand_block(left.brand), brand_block(right.brand)} - {""}
    return "other brand" if len(brands) > 1 else ""


def _grams_in(measures: frozenset[str]) -> set[Decimal]:
    """Return the weights in a name: "1g", and "3x0.5g" whole."""
    found = (_GRAMS.fullmatch(measure) for measure in measures)
    return {Decimal(match["times"] or 1) * Decimal(match["grams"]) for match in found if match}


def _doubts(left: Candidate, right: Candidate) -> list[str]:
    """Return what speaks against it without ruling it out."""
    doubts = []
    if not (brand_block(left.brand) and brand_block(right.brand)):
        doubts.append("brand unknown")
        if not (left.has_size and right.has_size):
            doubts.append("too little known")
    if left.has_pack != right.has_pack or left.has_size != right.has_size:
        doubts.append("size of one unknown")
    if _is_filed_as_other(left) != _is_filed_as_other(right):
        doubts.append("pre-roll or not")
    if (
        left.strain_type
        and right.strain_type
        and _plain_type(left.strain_type) != _plain_type(right.strain_type)
    ):
        doubts.append("other strain type")
    for kind, ours, theirs in (("THC", left.thc, right.thc), ("CBD", left.cbd, right.cbd)):
        if ours and theirs and max(ours[0] - theirs[1], theirs[0] - ours[1]) > _MOST_POINTS_APART:
            doubts.append(f"other {kind}")
    return doubts


def _is_filed_as_other(product: Candidate) -> bool:
    """Whether its name says that it is a pre-roll and its category does not: many menus file those under flower."""
    return product.category != "pre-rolls" and bool(_ROLLED.search(product.name))


def _plain_type(strain_type: str) -> str:
    return strain_type.removesuffix("-dominant")


def _compare_names(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[int, str]:
    if left == right:
        return _SAME_WORDS, "same words"
    if "".join(left) == "".join(right):
        return _SAME_BUT_FOR_BREAKS, "same words, other breaks"
    ours, theirs = [w for w in left if w not in right], [w for w in right if w not in left]
    if not ours and not theirs:
        score = _SAME_BUT_FOR_BREAKS if len(left) >= _ENOUGH_WORDS else _OTHER_ORDER
        return score, "same words, other order"
    if len(ours) == len(theirs) == 1:
        is_in_place = left.index(ours[0]) == right.index(theirs[0])
        return _compare_words(ours[0], theirs[0], is_in_place=is_in_place)
    more = ours or theirs
    if (ours and theirs) or len(more) > 1 or not set(left) & set(right):
        return 0, f"other words: {' '.join(ours)} | {' '.join(theirs)}"
    if more[0] in _TELLING or any(c.isdigit() for c in more[0]) or len(more[0]) < 2:
        return 0, f"a telling word more: {more[0]}"
    return _ONE_WORD_MORE, f"one word more: {more[0]}"


def _compare_words(ours: str, theirs: str, *, is_in_place: bool) -> tuple[int, str]:
    """Tell a misspelt word from another one: numbers and words that tell products apart are never misspelt."""
    if ours.rstrip("s") == theirs.rstrip("s") and len(ours) > 3:
        return _SAME_BUT_FOR_BREAKS if is_in_place else _OTHER_ORDER, f"plural: {ours} | {theirs}"
    has_digits = any(c.isdigit() for c in ours + theirs)
    is_short = min(len(ours), len(theirs)) < _LONG_ENOUGH
    if has_digits or is_short or ours[0] != theirs[0] or {ours, theirs} & _TELLING:
        return 0, f"other words: {ours} | {theirs}"
    if DamerauLevenshtein.distance(ours, theirs, score_cutoff=1) <= 1:
        return _MISSPELT, f"misspelt: {ours} | {theirs}"
    return 0, f"other words: {ours} | {theirs}"
