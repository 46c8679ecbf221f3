"""
Rules of judging: conditions of what packages say, and a query with the products it should find.

A product, as `Product.objects.current()` has it after sync and matching, has name, name_fr, brand,
sku, category, strain_type, weight_grams, unit_count, volume_ml, price, thc_percentage,
cbd_percentage, thc_mg, cbd_mg and terpenes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

Product = Mapping[str, Any]
Condition = Callable[[Product], bool]
_RANKS = ((3, 3), (2, 4), (1, 6))


@dataclass(frozen=True)
class JudgedPair:
    """A query in both languages, or in one of them, with its rule of judging."""

    en: str
    fr: str
    category: str
    ideal: Condition
    good: Condition | None = None
    marginal: Condition | None = None
    order: Callable[[Product], float] | None = None
    is_unseen: bool = False

    @property
    def split(self) -> str:
        """`unseen`, or by the hash of the English query: `tuning` or `test`."""
        if self.is_unseen:
            return "unseen"
        return ("tuning", "test")[sha256(self.en.encode()).digest()[0] % 2]

    def grades(self, products: list[Product]) -> dict[str, int]:
        """Return the grade of each relevant product, by SKU."""
        if self.order:
            return self._grades_by_rank(products)
        conditions = ((3, self.ideal), (2, self.good), (1, self.marginal))
        grades = {}
        for product in products:
            grade = next((g for g, is_met in conditions if is_met and is_met(product)), 0)
            if grade:
                grades[product["sku"]] = grade
        return grades

    def _grades_by_rank(self, products: list[Product]) -> dict[str, int]:
        key = self.order
        assert key is not None
        values = sorted({key(p) for p in products if self.ideal(p)})
        grades = {}
        taken = 0
        bounds = []
        total = 0
        for grade, count in _RANKS:
            total += count
            bounds.append((total, grade))
        for value in values:
            grade = next((g for bound, g in bounds if taken < bound), 0)
            if not grade:
                break
            tied = [p["sku"] for p in products if self.ideal(p) and key(p) == value]
            grades.update(dict.fromkeys(tied, grade))
            taken += len(tied)
        return grades


def named(*words: str) -> Condition:
    """Return the condition that the English or French name has one of the words or phrases."""
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, words)) + r")\b", re.IGNORECASE)
    return lambda p: bool(pattern.search(f"{p['name']} | {p['name_fr'] or ''}"))


def of(category: str, *types: str) -> Condition:
    """Return the condition of a category and, when given, of the strain types."""
    return lambda p: p["category"] == category and (not types or p["strain_type"] in types)


def by(brand: str) -> Condition:
    """Return the condition of a brand."""
    return lambda p: (p["brand"] or "").lower() == brand.lower()


def between(field: str, low: float, high: float) -> Condition:
    """Return the condition that a known number lies within bounds."""
    return lambda p: p[field] is not None and low <= p[field] <= high


def every(*conditions: Condition) -> Condition:
    """Return the condition that all are met."""
    return lambda p: all(is_met(p) for is_met in conditions)


def any_of(*conditions: Condition) -> Condition:
    """Return the condition that one is met."""
    return lambda p: any(is_met(p) for is_met in conditions)


def no(condition: Condition) -> Condition:
    """Return the opposite condition."""
    return lambda p: not condition(p)


INDICA = ("indica", "indica_dominant")
SATIVA = ("sativa", "sativa_dominant")
edible, drink, vape = of("edibles"), of("beverages"), of("vapes")
concentrate, oil, capsule = of("extracts"), of("oils"), of("capsules")
topical, seed, accessory = of("topicals"), of("seeds"), of("accessories")
flower = of("dried_flower")
# OCS files infused pre-rolls under extracts, and they are pre-rolls to a customer.
pre_roll = any_of(of("pre_rolls"), named("Pre-Roll", "Pre-Rolls", "Préroulé", "Préroulés"))
dab = every(concentrate, no(pre_roll))
gummy, chew = named("Gummies", "Jujubes"), named("Soft Chews", "Confiseries molles")
chocolate = named("Chocolate Bar", "Tablette de chocolat")
cartridge, aio = named("510 Cartridge"), named("All-in-One Vape", "tout-en-un")
disposable = named("Disposable Vape")
with_cbd = any_of(named("CBD"), between("cbd_mg", 1, 1e6), between("cbd_percentage", 1.5, 100))


def price_of(product: Product) -> float:
    """Price in CAD, for the order of the cheapest."""
    return float(product["price"])


def dear(product: Product) -> float:
    """Negative price, for the order of the most expensive."""
    return -float(product["price"])


def strong(product: Product) -> float:
    """Negative potency, for the order of the strongest."""
    return -(product["thc_percentage"] or product["thc_mg"] or 0)


def weak(product: Product) -> float:
    """Potency, for the order of the mildest."""
    return float(product["thc_percentage"] or product["thc_mg"])
