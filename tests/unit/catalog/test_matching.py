"""Matching: hand-labeled pairs of real menus, and each veto and doubt."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from catalog.matching import (
    MatchCandidate,
    brand_block,
    brand_key,
    compare_products,
    rank_matches,
)
from catalog.models import Product
from catalog.services.duplicates import match_candidate

PINK = MatchCandidate(
    merge_key="a",
    name="Pink Kush",
    brand="San Rafael '71",
    category="dried_flower",
    strain_type="indica",
    weight_grams=Decimal("3.5"),
    thc=(Decimal(20), Decimal(26)),
)


def _band(left: str, right: str, brand: str, category: str, *, has_size: bool = False) -> str:
    facts: dict[str, Any] = {"brand": brand, "category": category}
    if has_size:
        facts["weight_grams"] = Decimal(1)
    return compare_products(
        MatchCandidate(merge_key="l", name=left, **facts),
        MatchCandidate(merge_key="r", name=right, **facts),
    ).band


@pytest.mark.parametrize(
    ("left", "right", "brand", "category", "band"),
    [
        # the same product
        ("Chocolate Chip Cookie", "Chocolate Chip Cookie", "Kaneh Company", "edibles", "same"),
        ("Northern Lights - Oil", "Northern Light - Oil", "The Green Cross", "extracts", "same"),
        ("Bubble Gum - Wax", "Bubblegum - Wax", "West Coast Cure", "extracts", "same"),
        (
            "AC/DC & CB Diesel - Oil",
            "ACDC / CB Diesel - Oil",
            "The CO2 Company",
            "extracts",
            "same",
        ),
        ("Gummies - Bears On Clouds", "Gummie - Bears on Clouds", "Iris", "edibles", "same"),
        (
            "Triple Strength Orange Gummies",
            "Triple Strength Gummies - Orange",
            "IncrediMeds",
            "edibles",
            "same",
        ),
        ("Rick Simpson Caps - Hybrid", "Rick Simpson Caps (Hybrid)", "Delta 11", "edibles", "same"),
        ("Dark Chocolate Truffle", "Truffle - Dark Chocolate", "IncrediMeds", "edibles", "same"),
        ("Cuban Linx Pre-Roll", "Cuban Linx", "Tribal", "pre_rolls", "same"),
        ("Préroulé Big Hits", "Big Hits Pre-Rolls", "Pure Sunfarms", "pre_rolls", "same"),
        # for review
        (
            "Monster Cookies - Shatter",
            "Cookie Monster - Shatter",
            "OMG Extracts",
            "extracts",
            "review",
        ),
        (
            "Afghan Blue - Vaporizer Cartridge",
            "Blue Afghani - Vaporizer Cartridge",
            "The CO2 Company",
            "vapes",
            "review",
        ),
        (
            "Relief Balm - Rose Geranium",
            "Relief Balm - Rose Gernaium",
            "Flour Child",
            "topicals",
            "review",
        ),
        ("Kind Caps", "Kind Caps - Sativa", "Kind Medicine", "edibles", "review"),
        # different products
        (
            "OG Kush - Vaporizer Cartridge",
            "OG Kush - Vaporizer Disposable",
            "Bumblebee",
            "vapes",
            "different",
        ),
        ("Platinum OG Kush - Oil", "OG Kush - Oil", "Platinum Oils", "extracts", "different"),
        ("Tincture 15:1", "Tincture 1.5:1", "Revivid CBD", "oils", "different"),
        (
            "Fire OG - Wax",
            "Fire OG Kush - Wax",
            "Natural Cannabis Company",
            "extracts",
            "different",
        ),
        ("Blue Diesel - Wax", "Blue City Diesel - Wax", "Waxology", "extracts", "different"),
        ("Cheese - Wax", "Blue Cheese - Wax", "Waxology", "extracts", "different"),
        ("LA Cheese - Oil", "Cheese - Oil", "Waxology", "extracts", "different"),
        (
            "Deadband - Vaporizer Cartridge",
            "Headband - Vaporizer Cartridge",
            "O.pen VAPE",
            "vapes",
            "different",
        ),
        (
            "Orange Dream - Wax",
            "Orange Cream - Wax",
            "High Caliber Extracts",
            "extracts",
            "different",
        ),
        (
            "Hard Candy Jewels",
            "Hard Candy Jewels CBD",
            "Happy Seed Edibles",
            "edibles",
            "review",
        ),
        ("Gummy Cup CBD - Orange", "Gummy Cup CBD", "Happy Seed Edibles", "edibles", "different"),
        (
            "Triple Strength Gummies",
            "Triple Strength Gummies - Grape",
            "IncrediMeds",
            "edibles",
            "different",
        ),
        (
            "THC Infused Tea - O-Cup",
            "THC Infused Coffee - O-Cup",
            "Pot O Coffee",
            "edibles",
            "different",
        ),
        ("Gelato #33", "Gelato #41", "Sherbinski", "extracts", "different"),
        ("Blue Dream - Wax", "Blue Dream - Shatter", "Roil Extracts", "extracts", "different"),
        ("Salve Sample", "Salve", "Turtle Bud", "topicals", "different"),
        ("Snooze Bar Mini", "Snooze Bar", "Swerve Confections", "edibles", "different"),
    ],
)
def test_pairs_of_real_menus(left: str, right: str, brand: str, category: str, band: str) -> None:
    assert _band(left, right, brand, category) == band
    assert _band(right, left, brand, category) == band


@pytest.mark.parametrize(
    ("facts", "band"),
    [
        ({}, "same"),
        ({"brand": "SAN RAFAEL ’71"}, "same"),
        ({"name": "PINK KUSH"}, "same"),
        ({"strain_type": "indica_dominant"}, "same"),
        ({"thc": (Decimal(22), Decimal(28))}, "same"),
        ({"gtin": "00628110000129"}, "same"),
        ({"weight_grams": None}, "review"),
        ({"brand": None}, "review"),
        ({"strain_type": "sativa"}, "review"),
        ({"thc": (Decimal(5), Decimal(9))}, "review"),
        ({"weight_grams": Decimal(7)}, "different"),
        ({"unit_count": 3}, "different"),
        ({"category": "pre_rolls"}, "different"),
        ({"brand": "Good Supply"}, "different"),
        ({"name": "Pink Kush CBD"}, "different"),
    ],
)
def test_band_by_other_attributes(facts: dict[str, Any], band: str) -> None:
    assert compare_products(PINK, replace(PINK, merge_key="b", **facts)).band == band


def test_other_gtin_dose_or_pack_is_a_veto() -> None:
    left = replace(PINK, gtin="00628110000129")

    assert compare_products(left, replace(PINK, gtin="00628110000136")).reasons == ("other GTIN",)

    bar = MatchCandidate(
        merge_key="a",
        name="Lemon Bar",
        brand="Kaneh",
        category="edibles",
        measures=frozenset({"100mg"}),
    )

    assert compare_products(bar, replace(bar, measures=frozenset({"250mg"}))).reasons == (
        "other dose",
    )
    without_measures = replace(bar, measures=frozenset())
    assert compare_products(
        replace(without_measures, thc_mg=Decimal(5)), replace(without_measures, thc_mg=Decimal(10))
    ).reasons == ("other dose",)

    pack = MatchCandidate(
        merge_key="a", name="Cones", brand="B", category="pre_rolls", measures=frozenset({"3pack"})
    )

    assert compare_products(pack, replace(pack, measures=frozenset({"5pack"}))).band == "different"


def test_sizes_in_names_are_compared_with_sizes_in_columns() -> None:
    cart = MatchCandidate(
        merge_key="a",
        name="GSCookies",
        brand="Bloom",
        category="vapes",
        weight_grams=Decimal("0.5"),
    )
    named = replace(cart, merge_key="b", weight_grams=None)
    bands = [
        compare_products(cart, replace(named, measures=frozenset({measure}))).band
        for measure in ("1g", "0.5g", "2x0.25g")
    ]

    assert bands == ["different", "same", "same"]

    gummies = MatchCandidate(
        merge_key="a",
        name="Black Cherry Gummies",
        brand="I",
        category="edibles",
        thc_mg=Decimal(50),
    )
    three = replace(gummies, merge_key="b", thc_mg=None, measures=frozenset({"3pack"}))

    assert "size of one unknown" in compare_products(gummies, three).reasons


def test_pre_roll_filed_under_flower_does_not_match_flower() -> None:
    assert (
        _band("Skittles", "Skittles - Pre Roll", "OMC", "dried_flower", has_size=True) == "review"
    )
    assert _band("Skittles", "Skittles - Pre Roll", "OMC", "pre_rolls", has_size=True) == "same"


def test_ambiguous_matches_all_need_review() -> None:
    one, other = (replace(PINK, merge_key=key, gtin=f"0062811000012{key}") for key in "34")
    assert [compared.band for _, compared in rank_matches(PINK, [one, other])] == [
        "review",
        "review",
    ]
    assert [
        compared.band for _, compared in rank_matches(PINK, [one, replace(one, merge_key="9")])
    ] == [
        "same",
        "same",
    ]


def test_brands_are_compared_without_legal_forms() -> None:
    assert brand_key("Edison Cannabis Co") == brand_key("EDISON") == "edison"
    assert brand_block("Edison Cannabis Co") == brand_block("EDISON") != ""
    assert brand_block("Cannabis Co.") != ""


def test_beverage_is_not_the_gummy_of_its_flavor() -> None:
    gummy = MatchCandidate(
        merge_key="a", name="Blackberry Gummies 100mg", brand="Mountaintop", category="edibles"
    )
    beverage = replace(gummy, merge_key="b", name="Blackberry 100mg", category="beverages")

    assert compare_products(gummy, beverage).reasons == ("other form: drink | gummy",)


def test_beverages_filed_under_edibles_are_compared() -> None:
    drink = MatchCandidate(
        merge_key="a", name="Strawberry Lemonade 100mg", brand="Dos Gringos", category="edibles"
    )

    assert compare_products(drink, replace(drink, category="beverages")).band == "same"


@pytest.mark.parametrize(
    ("basis", "facts", "milligrams"),
    [
        ("mg_per_unit", {"unit_count": 10}, 100),
        ("mg_per_unit", {}, 10),
        ("mg_per_ml", {"volume_ml": Decimal(30)}, 300),
        ("mg_per_package", {"unit_count": 10}, 10),
        (None, {"unit_count": 10}, 10),
    ],
)
def test_doses_are_compared_by_package(
    basis: str | None, facts: dict[str, Any], milligrams: int
) -> None:
    product = Product(name="Grape Gummies", thc_mg=Decimal(10), mg_basis=basis, **facts)

    assert match_candidate(product, {}).thc_mg == milligrams
