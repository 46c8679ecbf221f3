"""Matching by class of difficulty: quantities, brands, marks, languages, slips, evidence."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.matching import (
    MATCH_MODEL_FOLDER,
    MatchCandidate,
    ProductComparison,
    brand_key,
    candidate_pairs,
    compare_products,
    read_candidate,
    translate_reason,
)
from catalog.matching.alignment import is_misspelling
from catalog.matching.brands import read_brand, relate_brands
from catalog.matching.lexicon import Word, fold
from catalog.matching.quantities import read_quantities

PAIRS = MATCH_MODEL_FOLDER / "pairs.jsonl"


def _compare(left: dict[str, Any], right: dict[str, Any], **both: Any) -> ProductComparison:
    return compare_products(
        read_candidate({**both, **left}, "a"), read_candidate({**both, **right}, "b")
    )


def _names(left: str, right: str, **both: Any) -> ProductComparison:
    known = {"brand": "Cultivar Hills", "category": "edibles", **both}
    return _compare({"name": left}, {"name": right}, **known)


# 1. Quantities


@pytest.mark.parametrize(
    ("text", "family", "doses", "pieces"),
    [
        ("200mg", "edible", {"": {200.0}}, set()),
        ("20 x 10mg", "edible", {"": {200.0}}, {20}),
        ("20 pieces, 10 mg each", "edible", {"": {200.0}}, {20}),
        ("[10pk] (100mg)", "edible", {"": {100.0}}, {10}),
        ("20mgthc", "edible", {"thc": {20.0}}, set()),
        ("10mgTHC:10mgCBD - 2pc", "edible", {"thc": {10.0, 20.0}, "cbd": {10.0, 20.0}}, {2}),
        ("5mgTHC:5mgCBD - 2pc", "edible", {"thc": {10.0}, "cbd": {10.0}}, {2}),
        ("10mg thc 4pc", "edible", {"thc": {10.0, 40.0}}, {4}),
        ("2.5mg 4 un.", "edible", {"": {10.0}}, {4}),
        ("10 mg 5 bouchees", "edible", {"": {10.0, 50.0}}, {5}),
        ("0.1g", "edible", {"": {100.0}}, set()),
    ],
)
def test_doses_are_read_as_quantities_of_the_package(
    text: str, family: str, doses: dict[str, set[float]], pieces: set[int]
) -> None:
    quantities, _ = read_quantities(fold(text), family)

    assert quantities.doses == doses
    assert quantities.pieces == pieces


@pytest.mark.parametrize(
    ("text", "grams"),
    [
        ("1,500 mg", {1.5}),
        ("1500mg", {1.5}),
        ("1 500 mg de THC", {1.5}),
        ("1.5 g", {1.5}),
        ("3 x 0,5 g", {1.5}),
        ("1/8 oz", {3.5}),
        ("half gram", {0.5}),
        (".5 cart", {0.5}),
    ],
)
def test_weights_are_read_as_grams_of_the_package(text: str, grams: set[float]) -> None:
    quantities, _ = read_quantities(fold(text), "vape")

    assert quantities.weights == grams


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Peach Gummies 200mg", "Peach Gummies 20 x 10mg"),
        ("Peach Gummies (10pk) 100mg", "Peach Gummies 100mg"),
    ],
)
def test_one_dose_in_two_notations_is_the_same_product(left: str, right: str) -> None:
    assert _names(left, right).band == "same"


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        ("Peach Gummies 200mg", "Peach Gummies 20 x 5mg", "other dose"),
        ("Peach Gummies 100mg 10 pack", "Peach Gummies 100mg 20 pack", "other number of pieces"),
        ("Relief Balm 2 oz", "Relief Balm 1 oz", "other weight"),
    ],
)
def test_other_quantities_are_other_products(left: str, right: str, reason: str) -> None:
    assert _names(left, right).reasons == (reason,)


def test_nominal_gram_of_a_till_is_the_weight_on_the_label_of_a_vape_but_not_of_flower() -> None:
    name = {"name": "Blue Dream", "brand": "Cultivar Hills"}
    vape = _compare({"size": "1 g"}, {"size": "0.95 g"}, **name, category="vapes")
    flower = _compare({"size": "1 g"}, {"size": "0.95 g"}, **name, category="dried_flower")

    assert (vape.band, flower.band) == ("same", "different")


def test_pack_whose_pieces_weigh_what_the_other_weighs_is_not_merged() -> None:
    compared = _names(
        "Blue Dream Pre-Roll 1g", "Blue Dream Pre-Roll 1g 5 Pack", category="pre-rolls"
    )

    assert compared.band != "same"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Sour Peach Gummies 4 x 2.5mg", "Sour Peach Soft Chews 10mg THC 4pc"),
        ("Sour Peach Gummies 5 x 2 mg", "Sour Peach Gummies (5 pack) 10mg"),
        ("Jujubes pêche acidulée 10 mg 2 un.", "Sour Peach Gummies 10mg 2pc"),
    ],
)
def test_dose_of_a_package_with_pieces_is_that_of_a_piece_times_them(left: str, right: str) -> None:
    assert _names(left, right, price=5.95).band == "same"


@pytest.mark.parametrize("prices", [(6, 22), (None, None)])
def test_dose_of_a_piece_or_of_all_is_for_staff_where_prices_do_not_agree(
    prices: tuple[float | None, float | None],
) -> None:
    left, right = (
        {"name": name, "price": price}
        for name, price in zip(
            ("Peach Gummies 2.5mg 4pc", "Peach Gummies 10mg 4pc"), prices, strict=True
        )
    )

    assert _compare(left, right, brand="Cultivar Hills", category="edibles").band == "review"


def test_can_of_another_volume_is_another_drink_of_the_same_dose() -> None:
    drink = {"name": "Cherry Soda 10mg", "brand": "Cultivar Hills", "price": 5}

    compared = _compare({"size": "236 ml"}, {"size": "355 ml"}, **drink, category="beverages")

    assert compared.reasons == ("other volume",)


def test_number_in_brackets_that_the_size_states_is_no_word_of_the_name() -> None:
    product = {"brand": "Cultivar Hills", "category": "capsules", "price": 30}

    compared = _compare(
        {"name": "THC 10mg Softgels (15)", "size": "15 caps"},
        {"name": "Capsules THC 10 mg 15 un."},
        **product,
    )

    assert compared.band == "same"


# 2. Cannabinoids


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        ("Peach Gummies 20mg THC", "Peach Gummies 20mg CBD", "other cannabinoid"),
        ("Peach Gummies 20mgthc", "Peach Gummies 20mgcbd", "other cannabinoid"),
        ("Peach Gummies 5mg THC", "Peach Gummies 10mg THC", "other dose"),
        ("Peach Gummies 5mgthc", "Peach Gummies 10mgthc", "other dose"),
        ("Tincture CBD 20:1", "Tincture CBD 1:20", "other ratio"),
    ],
)
def test_other_cannabinoid_dose_or_ratio_is_a_veto(left: str, right: str, reason: str) -> None:
    assert _names(left, right).reasons == (reason,)


def test_strain_is_not_its_cbd_version() -> None:
    compared = _names("Pink Kush", "CBD Pink Kush", category="dried_flower", size="3.5 g")

    assert compared.reasons == ("other cannabinoid",)


# 3. Brands


@pytest.mark.parametrize(
    ("left", "right", "relation"),
    [
        ("Edison Cannabis Co.", "EDISON", "same"),
        ("Purplebee's", "Purple Bees", "same"),
        ("San Rafael '71", "San Rafael ’71", "same"),
        ("P37", "Prohibition 37", "same"),
        ("Pharmers", "Pharmers Quality Concentrates", "part"),
        ("Mesilla Valley Extracts", "Messilla Valley Extracts", "typo"),
        ("SV", "Sunny Valley", "initials"),
        ("Good Supply", "Pure Sunfarms", "other"),
    ],
)
def test_brands_are_related_by_their_forms(left: str, right: str, relation: str) -> None:
    assert relate_brands(read_brand(left), read_brand(right)) == relation


@pytest.mark.parametrize(
    "name",
    [
        "Sunny Valley Blue Dream",
        "Blue Dream | Sunny Valley",
        "SUNNYVALLEY - Blue Dream",
        "SV's Blue Dream",
        "Sunny Valley Farms: Blue Dream by Sunny Valley",
    ],
)
def test_brand_in_the_name_says_nothing(name: str) -> None:
    compared = _names(
        name, "Blue Dream", brand="Sunny Valley Farms", category="dried_flower", size="3.5 g"
    )

    assert compared.band == "same"


def test_first_word_of_a_brand_stays_part_of_a_strain_name() -> None:
    compared = _names(
        "Platinum OG Kush", "OG Kush", brand="Platinum Oils", category="extracts", size="1 g"
    )

    assert compared.band != "same"


# 4. Menu marks


@pytest.mark.parametrize(
    "mark", ["(REC)", "(MED)", "[new]", "🍑", "- sale", "(I)", "$25", "- B14", "batch 1207"]
)
def test_menu_marks_say_nothing(mark: str) -> None:
    assert _names(f"Peach Gummies 100mg {mark}", "Peach Gummies 100mg").band == "same"


# 5. Two languages


@pytest.mark.parametrize(
    ("french", "english", "category"),
    [
        ("Jujubes à la pêche 100 mg", "Peach Gummies 100mg", "edibles"),
        ("Gélifiés aux framboises bleues 100 mg", "Blue Raspberry Soft Chews 100mg", "edibles"),
        (
            "Tablette de chocolat noir aux bleuets 100 mg",
            "Blueberry Dark Chocolate Bar 100mg",
            "edibles",
        ),
        ("Colophane vivante Gelato 1 g", "Gelato Live Rosin 1g", "extracts"),
        ("Haschich Afghan 2 g", "Afghan Hash 2g", "extracts"),
        ("Stylo jetable tout-en-un Gelato 0,5 g", "Gelato AIO Disposable 0.5g", "vapes"),
        ("Préroulés infusés Gelato 3 x 0,5 g", "Gelato Infused Pre-Rolls 3x0.5g", "pre-rolls"),
        ("Pink Kush moulu 7 g", "Pink Kush Milled 7g", "dried_flower"),
        ("Limonade au melon d'eau 355 ml", "Watermelon Lemonade 355ml", "beverages"),
    ],
)
def test_french_and_english_names_of_one_product_are_the_same(
    french: str, english: str, category: str
) -> None:
    assert _names(french, english, category=category).band == "same"


def test_other_flavor_in_the_other_language_is_another_product() -> None:
    assert _names("Jujubes à la pêche 100 mg", "Raspberry Gummies 100mg").band == "different"


# 6. Words that distinguish, and words that do not


@pytest.mark.parametrize(
    ("left", "right", "category"),
    [
        ("Northern Lights Vape Cart 1g", "Northern Lights 1g Cartridge", "vapes"),
        ("Fast Acting Peach Gummies 100mg", "Peach Gummies 100mg", "edibles"),
        ("Infused Peach Gummies 100mg", "Peach Gummies 100mg", "edibles"),
    ],
)
def test_words_that_the_category_says_do_not_distinguish(
    left: str, right: str, category: str
) -> None:
    assert _names(left, right, category=category).band == "same"


@pytest.mark.parametrize(
    ("left", "right", "category"),
    [
        ("Gelato Pre-Roll 1g", "Gelato Infused Pre-Roll 1g", "pre-rolls"),
        ("Gelato Cartridge 1g", "Gelato Live Resin Cartridge 1g", "vapes"),
        ("Gelato Cartridge 1g", "Gelato Distillate Cartridge 1g", "vapes"),
        ("Gelato Cartridge 1g", "Gelato Disposable 1g", "vapes"),
        ("Gelato Shatter 1g", "Gelato Wax 1g", "extracts"),
        ("Gelato 3.5g", "Gelato Cake 3.5g", "dried_flower"),
        ("Gelato #33 3.5g", "Gelato #41 3.5g", "dried_flower"),
        ("Gelato 3.5g", "Gelato Minis 3.5g", "dried_flower"),
        ("Peach Balm 100mg", "Peach Balm Sample 100mg", "topicals"),
        ("Gummies 100mg", "Grape Gummies 100mg", "edibles"),
        ("Peach Gummies 100mg", "Sour Peach Gummies 100mg", "edibles"),
        ("Indica Peach Gummies 100mg", "Sativa Peach Gummies 100mg", "edibles"),
    ],
)
def test_words_that_distinguish_are_never_merged(left: str, right: str, category: str) -> None:
    assert _names(left, right, category=category).band != "same"


# 7. Slips and word order


def test_slip_in_a_long_word_merges_where_all_else_agrees() -> None:
    both = {"category": "pre-rolls", "size": "3x0.5g", "price": "20"}

    assert _names("Durban Poision", "Durban Poison", **both).band == "same"
    assert _names("Durban Poision", "Durban Poison", category="pre-rolls").band != "same"


@pytest.mark.parametrize(
    ("left", "right", "is_slip"),
    [
        ("geranium", "gernaium", True),
        ("zkittle", "skittle", True),
        ("dream", "cream", False),
        ("41", "43", False),
        ("haze", "daze", False),
    ],
)
def test_slips_differ_from_other_words(left: str, right: str, is_slip: bool) -> None:
    assert is_misspelling(Word(left, "word"), Word(right, "word")) is is_slip


def test_word_order_matters_up_to_two_words_of_a_strain() -> None:
    both = {"category": "extracts", "size": "1 g"}

    assert _names("Monster Cookies", "Cookie Monster", **both).band == "review"
    assert _names("Banana Cream Jealousy", "Jealousy Banana Cream", **both).band == "same"


# 8. Text against column


def test_name_and_size_that_disagree_are_put_before_staff() -> None:
    stated = {"name": "Peach Gummies 500mg", "size": "500mg"}
    compared = _compare(
        {**stated, "size": "50mg"}, stated, brand="Cultivar Hills", category="edibles"
    )

    assert compared.band == "review"
    assert "name and size disagree" in compared.reasons


# 9. Evidence


def _priced(left: str | None, right: str | None) -> ProductComparison:
    return _compare(
        {"name": "Peach Gummies 100mg", "price": left},
        {"name": "Peach Gummies", "price": right},
        brand="Cultivar Hills",
        category="edibles",
    )


def test_prices_speak_for_a_dose_that_one_product_does_not_state() -> None:
    assert _priced("20", "20").band == "same"
    assert _priced("20", "45").band != "same"
    assert _priced(None, None).band != "same"


def test_gtin_identifies_products_whose_names_are_translated() -> None:
    gtin = {"gtin": "628582000357", "brand": "Bouket", "size": "15 g", "category": "dried_flower"}
    french = {"name": "Brise Fruitée", "lang": "fr", **gtin}

    assert _compare(french, {"name": "Fruity Breeze", "lang": "en", **gtin}).band == "same"
    assert _compare(french, {"name": "Afghan", "lang": "fr", **gtin}).band == "review"
    assert _compare(french, {**french, "gtin": "628124835430"}).reasons == ("other GTIN",)


@pytest.mark.parametrize("gtin", ["000000000000", "2001234567893", "N/A", "123456789012"])
def test_placeholder_or_restricted_gtin_identifies_nothing(gtin: str) -> None:
    facts = {"gtin": gtin, "brand": "Cultivar Hills", "size": "15 g", "category": "dried_flower"}

    assert _compare({"name": "Gelato"}, {"name": "Runtz"}, **facts).band == "different"


def test_unknown_brand_needs_size_and_price_that_agree() -> None:
    named = {"name": "Toasted Almond Crunch 100mg", "brand": "Cultivar Hills", "price": "12"}
    unnamed = {**named, "brand": None}

    assert _compare(named, unnamed, category="edibles").band == "same"
    assert _compare(named, {**unnamed, "price": "25"}, category="edibles").band != "same"


# All labeled pairs


def _labeled() -> list[dict[str, Any]]:
    return [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]


def test_labeled_pairs_are_compared_the_same_from_both_sides() -> None:
    for pair in _labeled():
        left, right = read_candidate(pair["a"], "a"), read_candidate(pair["b"], "b")

        assert compare_products(left, right) == compare_products(right, left)


def test_no_labeled_pair_of_different_products_is_merged() -> None:
    merged = [
        pair["id"]
        for pair in _labeled()
        if pair["label"] == "different" and pair["fold"] != "held-out"
        if _compare(pair["a"], pair["b"]).band == "same"
    ]

    assert merged == []


@given(
    st.sampled_from([pair for pair in _labeled() if pair["label"] == "same"]),
    st.sampled_from(["Sample", "Mini", "#2", "Spritz", "Margarita"]),
)
def test_word_added_to_one_of_two_names_prevents_a_merge(pair: dict[str, Any], word: str) -> None:
    """A word that both names have already, or of which a number is part, is not another word."""
    other = {**pair["b"], "name": f"{pair['b']['name']} {word}"}
    names = f"{pair['a']['name']} {pair['b']['name']}".lower()
    if word.strip("#").lower() in names:
        return

    assert _compare(pair["a"], other).band != "same"


def test_folds_share_no_brand() -> None:
    fold_by_brand: dict[str, str] = {}
    for pair in _labeled():
        for side in ("a", "b"):
            if key := brand_key(pair[side]["brand"]):
                assert fold_by_brand.setdefault(key, pair["fold"]) == pair["fold"]


# Blocking


def test_candidates_share_brand_and_one_of_their_rarest_words() -> None:
    gelato = MatchCandidate(merge_key="1", name="Gelato Cake", brand="Cultivar Hills")
    products = [
        gelato,
        replace(gelato, merge_key="2", name="Gealto Cake", brand="Cultivar Hills Farms"),
        replace(gelato, merge_key="3", name="Durban Poison"),
        replace(gelato, merge_key="4", brand="Good Supply"),
    ]

    assert _pairs(products) == [("1", "2")]


def _pairs(products: list[MatchCandidate]) -> list[tuple[str, str]]:
    return [(left.merge_key, right.merge_key) for left, right in candidate_pairs(products)]


def test_product_without_a_brand_meets_those_that_share_a_rare_word() -> None:
    vapor = MatchCandidate(merge_key="1", name="Gelato Slurricane", brand="Cultivar Hills")
    products = [
        vapor,
        replace(vapor, merge_key="2", name="Slurricane Cart", brand=None, category="vapes"),
        replace(vapor, merge_key="3", name="Slurricane", brand="Good Supply", category="edibles"),
    ]

    assert _pairs(products) == [("2", "1")]


def test_word_that_many_products_share_is_no_identity_without_a_brand() -> None:
    kush = MatchCandidate(merge_key="0", name="Kush", category="vapes")
    products = [
        replace(kush, merge_key=str(number), brand=f"{number} Hills") for number in range(11, 40)
    ]

    assert _pairs([kush, *products[:10]])
    assert _pairs([kush, *products]) == []


@pytest.mark.parametrize("brand", ["Distribution Nord", None])
def test_product_that_mentions_a_brand_meets_the_products_of_the_brand(brand: str | None) -> None:
    own = MatchCandidate(merge_key="1", name="Blue Dream", brand="Pharmers")
    others = [
        replace(own, merge_key=str(number), name="Blue Dream", brand=f"{number} Hills")
        for number in range(12, 40)
    ]
    listed = replace(own, merge_key="0", name="Pharmers | Blue Dream", brand=brand)

    assert _pairs([own, *others, listed]) == [("1", "0")]


def test_brand_of_a_word_that_names_have_is_not_mentioned_by_it() -> None:
    gold = MatchCandidate(merge_key="1", name="Acapulco Haze", brand="Gold")
    strain = replace(gold, merge_key="2", name="Acapulco Gold", brand="Pharmers")

    assert _pairs([gold, strain]) == []


def test_products_of_one_gtin_are_compared_whatever_their_brands() -> None:
    one = MatchCandidate(merge_key="1", name="Gelato", brand="Alpha", gtin="00628110000129")
    products = [
        one,
        replace(one, merge_key="2", name="Mint", brand="Beta"),
        replace(one, merge_key="3", name="Kush", brand="Alpha"),
    ]

    assert sorted(map(sorted, _pairs(products))) == [["1", "2"], ["1", "3"], ["2", "3"]]


def test_gtin_on_unlike_products_is_put_before_staff() -> None:
    flower = MatchCandidate(
        merge_key="1",
        name="Pink Kush",
        brand="Hill",
        category="dried_flower",
        gtin="00628110000129",
    )
    gummies = replace(flower, merge_key="2", name="Mango Gummies", category="edibles")

    result = compare_products(flower, gummies)

    assert (result.band, result.reasons) == ("review", ("same GTIN", "other category"))


def test_gtin_of_one_name_outweighs_a_brand_that_suppliers_write_differently() -> None:
    flower = MatchCandidate(
        merge_key="1",
        name="Pink Kush",
        brand="Hill",
        category="dried_flower",
        gtin="00628110000129",
    )
    other_brand = replace(flower, merge_key="2", brand="Borealis Distribution")

    assert compare_products(flower, other_brand).band == "same"
    assert compare_products(flower, replace(other_brand, name="Lemon Haze")).band == "review"


def test_only_pairs_with_a_new_product_are_candidates() -> None:
    first = MatchCandidate(merge_key="1", name="Gelato", brand="Cultivar Hills")
    others = [replace(first, merge_key=key, weight_grams=Decimal(1)) for key in "23"]
    pairs = candidate_pairs([first], [first, *others])

    assert [(left.merge_key, right.merge_key) for left, right in pairs] == [("1", "2"), ("1", "3")]


def test_reasons_are_translated() -> None:
    assert translate_reason("an extra word: haze", "fr") == "un mot de plus : haze"
    assert translate_reason("an extra word: haze", "en") == "an extra word: haze"
