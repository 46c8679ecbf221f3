"""
Speed of matching, and its growth from 2,000 products to a hundred times as many.

Generated products of 30 brands per 2,000 products, a tenth of them described a second time by
another shop, every second time under its brand, else without one or under a distributor's. Blocking
and comparison of all candidate pairs, without a database. Growth is the time per product at the
largest number, measured once, divided by that at the smallest: 1 is linear. The products are read
beforehand in the line of pairs, so that it counts comparisons alone. Offers are such second
descriptions, as many as products at the largest number, looked up in an index of a tenth of them.
"""

import random
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial

from catalog.matching import (
    MatchCandidate,
    ProductIndex,
    candidate_pairs,
    compare_products,
    read_profile,
)
from tests.bench.comparison import Comparison, measure_seconds

SIZE = 200_000
SMALLEST = 2_000
GROWTH_LIMIT = 2.0
PAIRS_LIMIT = 2_000.0
_PRODUCTS_PER_BRAND = 67
_DUPLICATE_SHARE = 10
_PRODUCTS_PER_OFFER = 10
_OFFERS_LIMIT = 300.0
_FIRST_NAME_WORD = 100_000
"""Made words of names begin here, so that none is the word of a brand."""
_STRAINS = [
    "Blue Dream",
    "Pink Kush",
    "Gelato",
    "Runtz",
    "Wedding Cake",
    "Sour Diesel",
    "Jack Herer",
    "Ghost Train",
    "Mac",
    "Zkittlez",
    "Gushers",
    "Biscotti",
    "Animal Mints",
    "Slurricane",
    "Northern Lights",
    "Cherry Punch",
    "Lemon Haze",
    "Bubba",
    "Tahoe",
]
_FORMS = (
    ("pre_rolls", "Pre-Roll", (Decimal("0.5"), Decimal(1), Decimal("1.5"))),
    ("dried_flower", "Flower", (Decimal("3.5"), Decimal(7), Decimal(28))),
    ("vapes", "510 Cartridge", (Decimal("0.5"), Decimal(1))),
    ("extracts", "Live Rosin", (Decimal(1),)),
)


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return pairs per second, candidate pairs per product, and growth of the time."""
    growth = Comparison(
        name=f"seconds per product, {size:,} products against {SMALLEST:,}",
        limit=GROWTH_LIMIT,
        is_ceiling=True,
    )
    pairs_per_second = Comparison(name="pairs compared", limit=PAIRS_LIMIT, unit="per second")
    pairs_per_product = Comparison(name=f"candidate pairs of {size:,} products", unit="per product")
    small, large = make_products(SMALLEST), make_products(size)
    read_profile.cache_clear()
    started = time.perf_counter()
    pairs_per_product.ratios.append(match_all(large) / size)
    large_seconds = time.perf_counter() - started
    for _ in range(rounds):
        read_profile.cache_clear()
        small_seconds = measure_seconds(partial(match_all, small))
        growth.ratios.append((large_seconds / size) / (small_seconds / SMALLEST))
        pairs = list(candidate_pairs(small))
        seconds = measure_seconds(partial(_compare, pairs))
        pairs_per_second.ratios.append(len(pairs) / seconds)
        advance()
    offers = Comparison(
        name=f"offers matched with {size // _PRODUCTS_PER_OFFER:,} products",
        limit=_OFFERS_LIMIT,
        unit="per second",
    )
    offers.ratios.append(size / measure_seconds(partial(match_offers, large, size)))
    return [growth, pairs_per_second, pairs_per_product, offers]


def match_offers(products: list[MatchCandidate], count: int) -> int:
    """Look up offers in an index of some of the products; return how many have a candidate."""
    randomness = random.Random(count)
    known = products[: len(products) // _PRODUCTS_PER_OFFER]
    offers = (_described_again(randomness.choice(known), number) for number in range(count))
    return sum(bool(matches) for _, matches in ProductIndex(known).best(offers))


def match_all(products: list[MatchCandidate]) -> int:
    """Compare all candidate pairs; return their number."""
    return _compare(candidate_pairs(products))


def _compare(pairs: Iterable[tuple[MatchCandidate, MatchCandidate]]) -> int:
    count = 0
    for left, right in pairs:
        compare_products(left, right)
        count += 1
    return count


def make_products(count: int) -> list[MatchCandidate]:
    """Return generated products; each tenth repeats an earlier one in other words."""
    randomness = random.Random(count)
    products: list[MatchCandidate] = []
    originals: list[MatchCandidate] = []
    for number in range(count):
        if number > 0 and number % _DUPLICATE_SHARE == 0:
            products.append(_described_again(randomness.choice(originals[-50:]), number))
            continue
        brand = f"{_made_word(number // _PRODUCTS_PER_BRAND)} Farms"
        category, form, sizes = randomness.choice(_FORMS)
        strains = " x ".join(randomness.sample(_STRAINS, 2))
        word = _made_word(_FIRST_NAME_WORD + randomness.randrange(4_000))
        originals.append(
            MatchCandidate(
                merge_key=f"{number:07}",
                name=f"{strains} {word} {form}",
                brand=brand,
                category=category,
                weight_grams=randomness.choice(sizes),
                price=Decimal(randomness.randrange(10, 60)),
            )
        )
        products.append(originals[-1])
    return products


def _described_again(product: MatchCandidate, number: int) -> MatchCandidate:
    brand = str(product.brand).removesuffix(" Farms")
    listed_brand = (brand, None, brand, "Nord Distribution")[number // _DUPLICATE_SHARE % 4]
    return MatchCandidate(
        merge_key=f"{number:07}",
        name=f"{brand} - {product.name} (REC)",
        brand=listed_brand,
        category=product.category,
        weight_grams=product.weight_grams,
        price=product.price,
    )


def _made_word(number: int) -> str:
    """Return a pronounceable word, another for each number."""
    consonants, vowels = "bdfgklmnprstvz", "aeiou"
    letters = []
    number += len(consonants) * len(vowels)
    while number:
        number, digit = divmod(number, len(consonants) * len(vowels))
        letters.append(consonants[digit // len(vowels)] + vowels[digit % len(vowels)])
    return "".join(letters).title()
