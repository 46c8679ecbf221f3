"""Assortment: product lines and sizes learned from the products at hand."""

from dataclasses import replace
from decimal import Decimal

import pytest

from catalog.matching import Assortment, MatchCandidate, compare_products, read_profile

CONE = MatchCandidate(
    merge_key="0",
    name="Fresquita Snoogans",
    brand="Cultivar Hills",
    category="vapes",
    weight_grams=Decimal(1),
    price=Decimal(30),
)
LINE = tuple(
    replace(CONE, merge_key=str(number), name=f"Fresquita {name}")
    for number, name in enumerate(("Snoogans", "Ice Wata", "Apple Drip"))
)


def _lines(*products: MatchCandidate) -> frozenset[str]:
    return Assortment(map(read_profile, products)).product_lines.get("Cultivar Hills", frozenset())


def test_word_in_names_with_nothing_else_in_common_is_a_product_line() -> None:
    assert _lines(*LINE) == {"fresquita"}


def test_word_before_the_word_of_a_line_belongs_to_it() -> None:
    products = [replace(product, name=f"Las {product.name}") for product in LINE]

    assert _lines(*products) == {"las", "fresquita"}


@pytest.mark.parametrize("word", ["Kush", "Peach", "Mini", "Dark", "2"])
def test_word_of_strains_flavors_or_versions_is_no_product_line(word: str) -> None:
    products = [replace(product, name=product.name.replace("Fresquita", word)) for product in LINE]

    assert _lines(*products) == frozenset()


def test_word_that_several_brands_have_is_no_product_line() -> None:
    others = [
        replace(product, brand=brand) for product in LINE for brand in ("Pharmers", "Good Supply")
    ]

    assert _lines(*LINE, *others) == frozenset()


def test_word_of_one_product_in_several_wordings_is_no_product_line() -> None:
    names = ("Fresquita Snoogans", "Fresquita Snoogans Berry", "Fresquita Ice Snoogans")

    assert _lines(*(replace(CONE, name=name) for name in names)) == frozenset()


def test_name_with_and_without_its_product_line_is_one_product() -> None:
    assortment = Assortment(map(read_profile, LINE))
    plain = replace(CONE, name="Snoogans")
    others = {
        "same": CONE,
        "review": replace(CONE, price=Decimal(60)),
        "different": replace(CONE, name="Fresquita Snoogans Ice Wata"),
    }

    for band, other in others.items():
        described = assortment.describe(replace(other, merge_key="1"))
        assert compare_products(assortment.describe(plain), described).band == band
    assert compare_products(plain, replace(CONE, merge_key="1")).band == "review"


def test_two_product_lines_distinguish_products_of_one_name() -> None:
    lines = [
        replace(product, name=product.name.replace("Fresquita", line))
        for product in LINE
        for line in ("Fresquita", "Dulcinella")
    ]
    assortment = Assortment(map(read_profile, lines))
    left, right = (
        assortment.describe(replace(CONE, merge_key=line, name=f"{line} Snoogans"))
        for line in ("Fresquita", "Dulcinella")
    )

    assert compare_products(left, right).band != "same"


@pytest.mark.parametrize(("doses", "band"), [((100,), "same"), ((100, 200), "review")])
def test_unstated_dose_may_be_another_where_the_brand_sells_several(
    doses: tuple[int, ...], band: str
) -> None:
    gummies = replace(CONE, name="Peach Gummies", category="edibles", weight_grams=None)
    stated = replace(gummies, thc_mg=Decimal(100), price=Decimal(26))
    assortment = Assortment(read_profile(replace(stated, thc_mg=Decimal(dose))) for dose in doses)

    left, right = assortment.describe(gummies), assortment.describe(replace(stated, merge_key="1"))

    assert compare_products(left, right).band == band
