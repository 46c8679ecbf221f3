"""Features of products that matching compares: attributes, brand block, words of the name."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from catalog.ingest.vocabulary import plain_words

# Words for a product's form, which its category states already; both languages, without accents.
_FORM_WORDS = frozenset({
    "a", "au", "aux", "avec", "by", "de", "des", "du", "en", "et", "for", "of", "par", "the",
    "with", "bud", "buds", "dried", "flower", "flowers", "fleur", "fleurs", "sechee", "sechees",
    "herb", "whole", "joint", "joints", "pre", "preroll", "prerolls", "prerolled", "preroule",
    "preroules", "roll", "rolled", "rolls", "roule", "roules", "510", "stylo", "thread", "vape",
    "vapes", "vaporizer", "vapoteuse", "vaporisateur", "cannabis", "marijuana", "pack", "packs",
    "paquet", "package", "unit", "units", "each", "pieces", "soft",
})  # fmt: skip
# Synonyms in both languages: the word compared, and its other forms.
_SYNONYMS = {
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
_GRAMS = re.compile(r"(?:(?P<times>\d+)x)?(?P<grams>\d*\.?\d+)g")
_COMPANY_WORDS = frozenset({"inc", "ltd", "ltee", "corp", "co", "llc", "cannabis"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchCandidate:
    """The attributes of a product that are compared; None: unknown."""

    merge_key: str
    name: str
    name_fr: str | None = None
    brand: str | None = None
    gtin: str | None = None
    category: str | None = None
    strain_type: str | None = None
    weight_grams: Decimal | None = None
    volume_ml: Decimal | None = None
    unit_count: int | None = None
    thc_mg: Decimal | None = None
    cbd_mg: Decimal | None = None
    measures: frozenset[str] = frozenset()
    """Sizes and doses in the name: "100mg", "3x0.5g"."""
    thc: tuple[Decimal, Decimal] | None = None
    cbd: tuple[Decimal, Decimal] | None = None

    @property
    def has_size(self) -> bool:
        """Whether any size or dose is known."""
        return self.has_column_size or self.thc_mg is not None or bool(self.measures)

    @property
    def has_column_size(self) -> bool:
        """Whether its source states weight, volume or unit count outside the name."""
        sizes = (self.weight_grams, self.volume_ml, self.unit_count)
        return any(size is not None for size in sizes)

    @property
    def has_pack(self) -> bool:
        """
        Whether weight, volume or unit count are known.

        A dose does not state them: "3 Pack" and "50mg" may be two products.
        """
        return self.has_column_size or self.measures > self.doses

    @property
    def doses(self) -> frozenset[str]:
        """The milligrams in the name."""
        return frozenset(measure for measure in self.measures if measure.endswith("mg"))


@lru_cache(maxsize=65_536)
def brand_block(brand: str | None) -> str:
    """Return the blocking key of a brand: its letters without words such as "Inc"; "": unknown."""
    words = plain_words(brand or "")
    if not words or words[0] in {"unknown", "inconnu", "n/a", "none"}:
        return ""
    distinctive = [word for word in words if word not in _COMPANY_WORDS]
    return "".join(distinctive or words)[:100]


@lru_cache(maxsize=65_536)
def name_words(name: str) -> tuple[str, ...]:
    """
    Return the distinctive words of a cleaned name, in order, without words for its form.

    A name that consists of nothing else keeps its words.
    """
    # Ratios and decimals stay distinct: "15:1" is neither "1.5:1" nor "151".
    text = re.sub(r"(\d)\s*:\s*(?=\d)", r"\1to", name)
    text = re.sub(r"(\d)[.,](?=\d)", r"\1point", text)
    text = re.sub(r"['’]s\b", "s", text)
    words = plain_words(re.sub("[&/#]", " ", text))
    distinctive = [_SYNONYMS.get(word, word) for word in words if word not in _FORM_WORDS]
    return tuple(distinctive or words)


def weights_in_name(measures: frozenset[str]) -> set[Decimal]:
    """Return the weights in a name, in grams: 1 for "1g", 1.5 for "3x0.5g"."""
    matches = (_GRAMS.fullmatch(measure) for measure in measures)
    return {Decimal(match["times"] or 1) * Decimal(match["grams"]) for match in matches if match}
