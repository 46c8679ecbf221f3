"""Index of products: which products an offer is compared with, and how they are ranked."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from catalog.matching import MatchCandidate, ProductIndex

BLUE_DREAM = MatchCandidate(
    merge_key="blue-dream",
    name="Blue Dream Pre-Roll",
    brand="Pharmers",
    category="pre_rolls",
    weight_grams=Decimal(1),
    gtin="00628110000129",
    price=Decimal("9.95"),
)
PRODUCTS = (
    BLUE_DREAM,
    replace(
        BLUE_DREAM,
        merge_key="blue-dream-half",
        weight_grams=Decimal("0.5"),
        gtin="00628110000136",
        price=Decimal("5.95"),
    ),
    replace(BLUE_DREAM, merge_key="og-kush", name="OG Kush Pre-Roll", gtin=None),
    replace(BLUE_DREAM, merge_key="other-brand", brand="Good Supply", gtin=None),
)
INDEX = ProductIndex(PRODUCTS)
OFFER = MatchCandidate(
    merge_key="offer",
    name="Pharmers | Blue Dream | 1g Pre-Roll",
    brand="Pharmers",
    category="pre_rolls",
    price=Decimal(10),
)


def test_offer_in_other_words_matches_the_product_of_its_size() -> None:
    [match] = INDEX.candidates(OFFER)

    assert match.product == BLUE_DREAM
    assert match.comparison.band == "same"
    assert "same weight" in match.comparison.reasons


def test_gtin_finds_a_product_of_another_name() -> None:
    offer = replace(OFFER, name="Rêve bleu préroulé 1 g", language="fr", brand=None)

    [match] = INDEX.candidates(replace(offer, gtin=BLUE_DREAM.gtin))

    assert (match.product, match.comparison.band) == (BLUE_DREAM, "same")
    assert INDEX.candidates(offer) == []


@pytest.mark.parametrize("brand", ["Distribution Nord", "Good Supply", None])
def test_offer_under_a_distributor_is_compared_with_the_brand_that_its_name_mentions(
    brand: str | None,
) -> None:
    matches = INDEX.candidates(replace(OFFER, brand=brand))

    assert BLUE_DREAM in [match.product for match in matches]


def test_offer_without_a_brand_is_put_before_a_person_with_products_of_any_brand() -> None:
    offer = replace(OFFER, name="Blue Dream 1g Pre-Roll", brand=None, price=None)

    matches = INDEX.candidates(offer)

    assert {match.product.merge_key for match in matches} == {"blue-dream", "other-brand"}
    assert {match.comparison.band for match in matches} == {"review"}


def test_product_without_a_brand_is_compared_with_offers_of_a_brand() -> None:
    index = ProductIndex([*PRODUCTS, replace(BLUE_DREAM, merge_key="no-brand", brand=None)])

    keys = [match.product.merge_key for match in index.candidates(replace(OFFER, gtin=None))]

    assert keys[:2] == ["blue-dream", "no-brand"]


def test_two_different_products_that_both_match_need_a_person() -> None:
    twin = replace(BLUE_DREAM, merge_key="twin", gtin="00628110000143")

    matches = ProductIndex([BLUE_DREAM, twin]).candidates(OFFER)

    assert [match.comparison.band for match in matches] == ["review", "review"]
    assert all("ambiguous match" in match.comparison.reasons for match in matches)


def test_candidates_are_limited_to_the_best() -> None:
    copies = [replace(BLUE_DREAM, merge_key=f"copy-{number}") for number in range(9)]

    assert len(ProductIndex(copies).candidates(OFFER, limit=3)) == 3


def test_person_who_looks_for_a_product_also_sees_the_nearest_different_ones() -> None:
    offer = replace(OFFER, name="Pharmers | Blue Widow Haze | 1g Pre-Roll", price=None)

    matches = INDEX.candidates(offer, with_different=True)

    assert BLUE_DREAM in [match.product for match in matches]
    assert INDEX.candidates(offer) == []
    assert {match.comparison.band for match in matches} == {"different"}


def test_offer_of_a_product_line_matches_the_product_without_it() -> None:
    lines = [
        replace(BLUE_DREAM, merge_key=name, name=f"Cavi Cone {name} 1g", gtin=None)
        for name in ("Snoogans", "Ice Wata", "Apple Drip")
    ]
    offer = replace(OFFER, name="Cavi Cone | Blue Dream | 1g")

    bands = [
        index.candidates(offer)[0].comparison.band
        for index in (INDEX, ProductIndex([*PRODUCTS, *lines]))
    ]

    assert bands == ["review", "same"]


def test_batch_reads_offers_one_at_a_time_and_keeps_their_order() -> None:
    read: list[str] = []

    def offers() -> Iterator[MatchCandidate]:
        for name in ("Blue Dream 1g", "Unheard Of 1g", "OG Kush 1g"):
            read.append(name)
            yield replace(OFFER, name=name)

    results = INDEX.best(offers())
    offer, matches = next(results)

    assert read == [offer.name] == ["Blue Dream 1g"]
    assert matches[0].product == BLUE_DREAM
    assert [bool(found) for _, found in results] == [False, True]


def test_index_without_products_has_no_candidates() -> None:
    assert ProductIndex([]).candidates(OFFER) == []
