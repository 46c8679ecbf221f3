"""Query parser by class of fault: negations, bounds, colloquial sizes, superlatives, forms."""

import pytest

from catalog.reference.synonyms import group_by_phrase
from catalog.search.parser import parse_query

Bounds = tuple[float | None, float | None]


def _bounds(text: str) -> dict[str, Bounds]:
    return {term.key: (term.min_value, term.max_value) for term in parse_query(text).terms}


def _negated(text: str) -> set[str]:
    return {term.key for term in parse_query(text).terms if term.is_negated}


def _asserted(text: str) -> set[str]:
    return {term.key for term in parse_query(text).terms if not term.is_negated}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("pas d'indica", {"strain_type:indica"}),
        ("aucun indica", {"strain_type:indica"}),
        ("aucune sativa", {"strain_type:sativa"}),
        ("non-indica", {"strain_type:indica"}),
        ("jamais de sativa", {"strain_type:sativa"}),
        ("ni indica ni sativa", {"strain_type:indica", "strain_type:sativa"}),
        ("other than indica", {"strain_type:indica"}),
        ("anything but indica", {"strain_type:indica"}),
        ("neither sativa nor indica", {"strain_type:indica", "strain_type:sativa"}),
        ("tout sauf de l'hybride", {"strain_type:hybrid"}),
        ("no indica or sativa", {"strain_type:indica", "strain_type:sativa"}),
    ],
)
def test_t13_types_are_negated(text: str, keys: set[str]) -> None:
    assert _negated(text) == keys
    assert _asserted(text) == set()


@pytest.mark.parametrize("text", ["sans cbd", "no cbd", "cbd free", "cbd-free", "pas de cbd"])
def test_t13_cbd_is_negated(text: str) -> None:
    assert _negated(text) == {"cbd_rich:some"}


@pytest.mark.parametrize("text", ["sans thc", "no thc", "thc free", "thc-free", "aucun thc"])
def test_t13_thc_free_is_not_merely_weak(text: str) -> None:
    assert _asserted(text) == {"strength:none"}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("no edibles", "category:edibles"),
        ("anything but vapes", "category:vapes"),
        ("sans boissons", "category:beverages"),
        ("pas de préroulés", "category:pre_rolls"),
        ("without limonene", "terpene:limonene"),
        ("sans limonène", "terpene:limonene"),
        ("myrcene-free", "terpene:myrcene"),
        ("aucun citron", "aroma:lemon"),
    ],
)
def test_t13_categories_terpenes_and_aromas_are_negated(text: str, key: str) -> None:
    assert _negated(text) == {key}
    assert _asserted(text) == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("not Redecan", "redecan"),
        ("sans Tribal", "tribal"),
        ("tout sauf Good Supply", "good supply"),
        ("anything but Back Forty", "back forty"),
        ("pas de cbn", "cbn"),
    ],
)
def test_t13_brands_and_cannabinoids_are_negated(text: str, name: str) -> None:
    assert _negated(text) == {f"name:{name}"}
    assert parse_query(text).words == ()


@pytest.mark.parametrize(
    ("text", "key", "bounds"),
    [
        ("not more than 30$", "price", (None, 30)),
        ("pas plus de 30 $", "price", (None, 30)),
        ("never over $30", "price", (None, 30)),
        ("not less than 20% thc", "thc_percentage", (20, None)),
        ("pas moins de 20 % de thc", "thc_percentage", (20, None)),
        ("no more than 10 mg", "thc_mg", (None, 10)),
    ],
)
def test_t13_amounts_are_negated(text: str, key: str, bounds: Bounds) -> None:
    assert _bounds(text) == {key: bounds}


@pytest.mark.parametrize("text", ["not 28 g", "sauf 28 g", "other than 28 grams"])
def test_t13_a_size_is_negated(text: str) -> None:
    assert _negated(text) == {"weight_grams"}


@pytest.mark.parametrize("text", ["vape not disposable", "vapoteuse pas jetable"])
def test_t13_a_negated_form_leaves_its_category(text: str) -> None:
    assert _asserted(text) == {"category:vapes"}
    assert {key.partition(":")[0] for key in _negated(text)} == {"name"}


def test_t13_a_negation_ends_before_the_next_term() -> None:
    text = "sativa préroulé sans limonène moins de 20 $"

    assert _negated(text) == {"terpene:limonene"}
    assert _asserted(text) == {"strain_type:sativa", "category:pre_rolls", "price"}


@pytest.mark.parametrize(
    ("text", "key", "bounds"),
    [
        ("30 $ et moins", "price", (None, 30)),
        ("≤ 30 $", "price", (None, 30)),
        ("30$ or under", "price", (None, 30)),
        ("≥ 30 $", "price", (30, None)),
        ("20% thc or less", "thc_percentage", (None, 20)),
        ("20 % de thc et moins", "thc_percentage", (None, 20)),
        ("10 mg et moins", "thc_mg", (None, 10)),
        ("10mg or more", "thc_mg", (10, None)),
        ("under 3.5 g", "weight_grams", (None, 3.5)),
        ("entre 10 et 20 mg", "thc_mg", (10, 20)),
    ],
)
def test_t23_bounds_may_follow_the_number(text: str, key: str, bounds: Bounds) -> None:
    assert _bounds(text) == {key: bounds}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("1 000 mg", "thc_mg", 1000),
        ("1,000 mg", "thc_mg", 1000),
        ("1 500 mg", "thc_mg", 1500),
        ("3½ g", "weight_grams", 3.5),
        ("½ g", "weight_grams", 0.5),
        ("3 ½ g", "weight_grams", 3.5),
    ],
)
def test_t23_numbers_are_read_in_any_notation(text: str, key: str, value: float) -> None:
    low, high = _bounds(text)[key]

    assert low is not None
    assert high is not None
    assert low < value < high
    assert parse_query(text).words == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [("guide 20 $", ("guide",)), ("monde 20%", ("monde",)), ("avalanche 20 $", ("avalanche",))],
)
def test_class_1_bound_words_inside_other_words_are_not_bounds(
    text: str, words: tuple[str, ...]
) -> None:
    assert parse_query(text).words == words


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("strongest sativa", "strength:highest"),
        ("la plus forte sativa", "strength:highest"),
        ("votre sativa la moins forte", "strength:lowest"),
        ("mildest sativa", "strength:lowest"),
        ("what's your cheapest sativa", "cheap:cheapest"),
        ("la sativa la moins chère", "cheap:cheapest"),
        ("sativa le plus haut taux de cbd", "cbd_rich:highest"),
    ],
)
def test_class_3_superlatives_are_orders(text: str, key: str) -> None:
    parsed = parse_query(text)

    assert {term.key for term in parsed.terms} == {key, "strain_type:sativa"}
    assert parsed.words == ()


@pytest.mark.parametrize(
    ("text", "grams"),
    [
        ("half", 14),
        ("demi-once", 15),
        ("eighth", 3.5),
        ("quarter", 7),
        ("zip", 28),
        ("une once", 30),
        ("blue dream 3.5", 3.5),
        ("blue dream 3,5", 3.5),
        ("half gram", 0.5),
        ("demi-gramme", 0.5),
    ],
)
def test_class_4_colloquial_sizes_reach_the_real_ones(text: str, grams: float) -> None:
    low, high = _bounds(text)["weight_grams"]

    assert low is not None
    assert high is not None
    assert low <= grams <= high


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("paquet de 3", 3),
        ("boîte de 7", 7),
        ("5-pack", 5),
        ("12 joints", 12),
        ("pack of 10", 10),
        ("30 gélules", 30),
    ],
)
def test_class_5_pack_counts_are_read(text: str, count: int) -> None:
    assert _bounds(text)["unit_count"] == (count, count)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("milled", "moulu"),
        ("milled", "prêt à rouler"),
        ("aio", "tout-en-un"),
        ("disposable", "jetable"),
        ("rosin", "colophane"),
        ("gummies", "jujubes"),
        ("gummies", "gélifiés"),
        ("hash", "haschich"),
        ("badder", "budder"),
        ("wax", "cire"),
        ("root beer", "racinette"),
        ("live resin", "résine vivante"),
    ],
)
def test_class_6_forms_are_synonyms(first: str, second: str) -> None:
    normalized = second.replace("-", " ").replace("ê", "e").replace("à", "a").replace("é", "e")

    assert group_by_phrase()[first] == group_by_phrase()[normalized]


@pytest.mark.parametrize("text", ["massage oil", "huile à massage"])
def test_class_6_a_form_of_two_words_is_not_its_last_word(text: str) -> None:
    assert _asserted(text) == {"category:topicals"}


def test_class_6_a_form_filters_its_category_and_is_searched_for() -> None:
    parsed = parse_query("jujubes")

    assert [term.key for term in parsed.terms] == ["category:edibles"]
    assert parsed.words == ("jujubes",)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("something like the pink kush", "pink kush"),
        ("comme la pink kush", "pink kush"),
        ("quelque chose comme du pink kush svp", "pink kush"),
        ("similar to pink kush flower", "pink kush"),
        ("like pink kush under $30", "pink kush"),
        ("comme pink kush 3,5 g", "pink kush"),
    ],
)
def test_class_9_names_to_resemble_have_no_fillers(text: str, name: str) -> None:
    (term,) = parse_query(text).terms_of("similar_to")

    assert term.value == name


@pytest.mark.parametrize(
    "text",
    [
        "what's your cheapest",
        "j'aimerais avoir votre moins cher s'il vous plaît",
        "avez-vous de la sativa",
        "hi do you guys have any sativa please",
    ],
)
def test_class_10_spoken_fillers_are_no_words(text: str) -> None:
    assert parse_query(text).words == ()


def test_class_11_a_terpene_is_a_term_and_no_text() -> None:
    for text in ("high in limonene", "riche en limonène"):
        parsed = parse_query(text)

        assert [term.key for term in parsed.terms] == ["terpene:limonene"], text
        assert parsed.words == ()


def test_class_12_an_amount_around_a_number_has_a_target() -> None:
    for text in ("around $30", "environ 30 $"):
        (term,) = parse_query(text).terms

        assert term.target_value == 30, text


@pytest.mark.parametrize(
    "text", ["thé à la pêche", "The vert", "thés noirs", "the glacé", "tisane"]
)
def test_class_6_tea_in_french_is_no_english_article(text: str) -> None:
    assert _asserted(text) >= {"category:beverages"}


@pytest.mark.parametrize("text", ["the green dragon", "the loud plug", "what is the best kush"])
def test_class_6_the_english_article_is_no_tea(text: str) -> None:
    assert parse_query(text).terms_of("category") == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("jujubes au melon d'eau", "melon d eau"),
        ("barbe à papa", "barbe a papa"),
        ("chocolat au beurre d’arachide", "beurre d arachide"),
        ("prêt-à-rouler", "pret a rouler"),
    ],
)
def test_class_6_phrases_with_stop_words_are_one_word(text: str, word: str) -> None:
    assert word in parse_query(text).words


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("petal & flower lotion", "petal flower"),
        ("Petal and Flower lotion", "petal flower"),
        ("mama's oil house", "mamas oil house"),
    ],
)
def test_class_8_a_brand_name_is_read_as_a_whole(text: str, name: str) -> None:
    parsed = parse_query(text, names=[name])

    assert name in parsed.words
    assert {term.value for term in parsed.terms_of("category")} <= {"topicals"}


def test_class_8_a_negated_brand_name_ends_with_the_name() -> None:
    parsed = parse_query("not petal flower pink kush", names=["petal flower"])

    assert [(term.key, term.is_negated) for term in parsed.terms] == [("name:petal flower", True)]
    assert parsed.words == ("pink", "kush")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("slurricane dispo", "category:vapes"),
        ("stylo mango haze", "category:vapes"),
        ("headband doobie", "category:pre_rolls"),
        ("friandises à la cerise", "category:edibles"),
        ("pommade au camphre", "category:topicals"),
        ("gouttes au citron", "category:oils"),
        ("cherry blunt wraps", "category:accessories"),
        ("outil à concentrés en titane", "category:accessories"),
        ("concentré liquide framboise", "category:beverages"),
    ],
)
def test_class_6_colloquial_forms_name_their_category(text: str, key: str) -> None:
    assert {term.key for term in parse_query(text).terms_of("category")} == {key}


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("under 25% thc and over 20%", {"thc_percentage": (20, 25)}),
        ("at least 20% and at most 25% thc", {"thc_percentage": (20, 25)}),
        ("plus de 20 % et moins de 25 %", {"thc_percentage": (20, 25)}),
        ("> $15 < $25", {"price": (15, 25)}),
        ("plus de 15$ mais moins de 25$", {"price": (15, 25)}),
        ("over 15 and under 25 dollars", {"price": (15, 25)}),
        ("3.5g or 7g", {"weight_grams": (3.5, 7)}),
        ("3,5 g ou 7 g", {"weight_grams": (3.5, 7)}),
    ],
)
def test_two_amounts_of_one_kind_are_a_range(text: str, bounds: dict[str, Bounds]) -> None:
    assert _bounds(text) == bounds


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("nothing over $30", {"price": (None, 30)}),
        ("rien de plus de 30 $", {"price": (None, 30)}),
        ("nothing under 20% thc", {"thc_percentage": (20, None)}),
        ("stronger than 25%", {"thc_percentage": (25, None)}),
        ("plus fort que 25 %", {"thc_percentage": (25, None)}),
        ("weaker than 15%", {"thc_percentage": (None, 15)}),
        ("bigger than 7g", {"weight_grams": (7, None)}),
        ("smaller than 1g", {"weight_grams": (None, 1)}),
        ("≥ 20 % thc ≤ 30 $", {"thc_percentage": (20, None), "price": (None, 30)}),
        ("fleur thc moins de 40$", {"category:dried_flower": (None, None), "price": (None, 40)}),
        ("under twenty bucks", {"price": (None, 20)}),
        ("moins de vingt-cinq dollars", {"price": (None, 25)}),
        ("under a hundred dollars", {"price": (None, 100)}),
        ("from 20 to 25 percent", {"thc_percentage": (20, 25)}),
        ("20 à 25 pour cent", {"thc_percentage": (20, 25)}),
        ("200-250 mg/g", {"thc_percentage": (20, 25)}),
        ("20+ thc", {"thc_percentage": (20, None)}),
        ("thc=20", {"thc_percentage": (18, 22)}),
        ("thc20 cbd10", {"thc_percentage": (18, 22), "cbd_percentage": (9, 11)}),
    ],
)
def test_bound_in_other_words_is_the_same_bound(text: str, bounds: dict[str, Bounds]) -> None:
    assert _bounds(text) == bounds


@pytest.mark.parametrize(
    ("text", "key", "target"),
    [
        ("1 299,00 $", "price", 1299),
        ("1/2 g cart", "weight_grams", 0.5),
        (".5g cart", "weight_grams", 0.5),
        ("1000 mg cart", "weight_grams", 1),
        ("two ounces", "weight_grams", 56),
        ("deux onces", "weight_grams", 56),
        ("full gram", "weight_grams", 1),
        ("10x.35g", "weight_grams", 3.5),
        ("14x0.5", "weight_grams", 7),
        ("10x.35g", "unit_count", 10),
        ("10 x 10 mg capsules", "unit_count", 10),
        ("4 x 355 ml", "volume_ml", 1420),
        ("twin pack", "unit_count", 2),
        ("12oz drink", "volume_ml", 354.88),
        ("6 cannettes", "unit_count", 6),
    ],
)
def test_number_is_read_whole_and_in_its_unit(text: str, key: str, target: float) -> None:
    term = next(term for term in parse_query(text).terms if term.key == key)

    assert term.target_value == pytest.approx(target, abs=0.01)


@pytest.mark.parametrize(
    "text",
    ["under $4/g", "moins de 4 $ le gramme", "4$/g ou moins", "5 bucks a gram", "$0.50 per mg"],
)
def test_price_of_a_gram_bounds_no_package(text: str) -> None:
    assert _bounds(text) == {"cheap": (None, None)}


def test_discount_is_no_potency() -> None:
    assert _bounds("30% off") == {"cheap": (None, None)}


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("don't want sativa", {"strain_type:sativa"}),
        ("i dont like indica", {"strain_type:indica"}),
        ("prerolls that aren't infused", {"name:infused"}),
        ("without thc or cbd", {"cbd_rich:some"}),
        ("not mango or peach", {"aroma:mango", "name:peach"}),
        ("sans saveur de pêche", {"name:peche"}),
        ("other brands than redecan", {"name:redecan"}),
        ("autre marque que redecan", {"name:redecan"}),
        ("not live resin", {"name:live resin"}),
    ],
)
def test_what_is_not_wanted_is_negated_in_full(text: str, keys: set[str]) -> None:
    assert _negated(text) == keys


def test_aroma_within_an_excluded_name_is_not_wanted() -> None:
    assert _asserted("not live resin") == set()


@pytest.mark.parametrize("text", ["jujubes sans sucre", "no sugar gummies"])
def test_food_without_sugar_is_looked_for_by_that_claim(text: str) -> None:
    query = parse_query(text)

    assert "sugar free" in query.words
    assert _negated(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "vape battery",
        "battery for carts",
        "pile pour cartouche",
        "empty cones",
        "ash tray",
        "skins",
    ],
)
def test_device_of_another_category_is_an_accessory(text: str) -> None:
    assert _asserted(text) == {"category:accessories"}


def test_device_beside_another_product_asks_for_both() -> None:
    assert _asserted("grinder and vapes") == {"category:accessories", "category:vapes"}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("intimate oil", "category:topicals"),
        ("muscle rub", "category:topicals"),
        ("timbre transdermique", "category:topicals"),
        ("hot chocolate", "category:beverages"),
        ("chocolat chaud", "category:beverages"),
        ("cold brew", "category:beverages"),
        ("prêt à rouler", "category:dried_flower"),
        ("chalumeau", "category:accessories"),
    ],
)
def test_form_in_everyday_words_names_its_category(text: str, key: str) -> None:
    assert key in _asserted(text)
