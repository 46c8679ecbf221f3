"""Values as suppliers write them in both languages: sizes, categories, types, stock, names."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.cleaning.strings import clean_string
from catalog.ingest.records import CleanListing, ProductRecord

RECORD = ProductRecord(
    source="list",
    external_id="1",
    language="en",
    price_kind="retail",
    payload={},
    name="Pink Kush",
    category="Dried Flower",
    price="29.95",
)


def clean(**changes: Any) -> CleanListing:
    return clean_listing(replace(RECORD, **changes))


def read(kind: str, raw: str, category: str = "") -> Any:
    return clean_string(kind=kind, raw=raw, context={"category": category}).result


def size(raw: str, category: str = "") -> tuple[float | None, float | None, int | None] | None:
    found = read("weight", raw, category)
    return found and (found.get("grams"), found.get("milliliters"), found["unit_count"])


@pytest.mark.parametrize(
    ("raw", "category", "expected"),
    [
        ("3 joints de 0,5 g", "Préroulés", (1.5, None, 3)),
        ("paquet de 5 joints de 0,5 g", "Préroulés", (2.5, None, 5)),
        ("12 cônes de 0,4 g", "Préroulés", (4.8, None, 12)),
        ("10 pre-rolls of 0.35 g", "Pre-Rolls", (3.5, None, 10)),
        ("10 bouchées de 4 g", "Mangeables", (40, None, 10)),
        ("5 gummies of 4 g", "Edibles", (20, None, 5)),
        ("boîte de 10 jujubes de 4 g", "Mangeables", (40, None, 10)),
        ("4 canettes de 355 ml", "Boissons", (None, 1420, 4)),
        ("4 cans of 355 mL", "Beverages", (None, 1420, 4)),
        ("30 capsules de 0,5 ml", "Capsules", (None, 15, 30)),
        ("0.5 g (x3)", "Pre-Rolls", (1.5, None, 3)),
    ],
)
def test_pieces_of_a_size_are_multiplied(raw: str, category: str, expected: Any) -> None:
    assert size(raw, category) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "7 x 0.5 g + 1 free",
        "7 x 0,5 g + 1 gratuit",
        "3.5g + 1 pre-roll",
        "x3 0.5g",
        "3 at .5g",
        "6 machins de 0,5 g",
        "à partir de 3,5 g",
        "from 3.5g",
        "dès 3,5 g",
        "starting at 1 g",
        "over 3.5 g",
    ],
)
def test_part_of_a_size_is_no_size(raw: str) -> None:
    assert size(raw, "Dried Flower") is None


@pytest.mark.parametrize(
    ("raw", "grams"),
    [
        ("une once", 28),
        ("un quart d'once", 7),
        ("quart d’once", 7),
        ("demi-once", 14),
        ("un huitième d'once", 3.5),
        ("huitième", 3.5),
        ("1/8th oz", 3.5),
        ("un gramme", 1),
        ("deux grammes", 2),
    ],
)
def test_trade_size_in_french_words(raw: str, grams: float) -> None:
    assert size(raw, "Fleurs séchées") == (grams, None, None)


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("2 x 3.5 g", "dried_flower"),
        ("case of 12 x 3.5g", "dried_flower"),
        ("4 x 7g", "dried_flower"),
        ("3 x 0.5 g", "pre_rolls"),
        ("2 x 1 g", "pre_rolls"),
    ],
)
def test_bags_of_flower_are_no_pre_rolls(text: str, category: str) -> None:
    assert clean(size=text).category == category


def test_bags_of_flower_count_their_whole_weight() -> None:
    assert clean(size="2 x 3.5 g").dried_equivalent_grams == Decimal(7)


@pytest.mark.parametrize(
    ("raw", "category"),
    [
        ("Vaping Products", "vapes"),
        ("Carts", "vapes"),
        ("Closed Loop Pods", "vapes"),
        ("Cigarette électronique", "vapes"),
        ("Vape Juice", "vapes"),
        ("Haschich", "extracts"),
        ("Colophane", "extracts"),
        ("Badder", "extracts"),
        ("Biscuits", "edibles"),
        ("Confectionery", "edibles"),
        ("Live Rosin Gummies", "edibles"),
        ("Résine vivante jujubes", "edibles"),
        ("Ice Cream", "edibles"),
        ("Seltzer", "beverages"),
        ("Tisane", "beverages"),
        ("Cream Soda", "beverages"),
        ("Atomiseur buccal", "oils"),
        ("Vaporisateur oral", "oils"),
        ("Huile de massage", "topicals"),
        ("Body Oil", "topicals"),
        ("Baume", "topicals"),
        ("Joint & Muscle Relief Cream", "topicals"),
        ("Semences", "seeds"),
        ("Prêt à rouler", "dried_flower"),
    ],
)
def test_category_of_a_shop_is_known(raw: str, category: str) -> None:
    assert read("category", raw) == category


@pytest.mark.parametrize(
    "raw",
    [
        "Joint Holders",
        "Pre-roll Tubes",
        "Empty Pre-Rolled Cones",
        "Cônes vides",
        "Flower Grinder",
        "Moulins",
        "Papier à rouler",
        "Vaporisateur pour fleurs séchées",
        "Pile 510",
        "Batterie 510",
        "Dab Tools",
        "Pipes & Bongs",
        "Plateau à rouler",
    ],
)
def test_device_is_an_accessory_and_no_cannabis(raw: str) -> None:
    assert read("category", raw) == "accessories"


@pytest.mark.parametrize("raw", ["Edibles & Topicals", "Rosin, Gummies", "Flower and Vapes"])
def test_text_of_several_categories_names_none(raw: str) -> None:
    assert read("category", raw) is None


@pytest.mark.parametrize("category", ["Badder", "Colophane", "Haschich"])
def test_milligrams_of_an_extract_are_its_weight(category: str) -> None:
    assert size("500 mg", category) == (0.5, None, None)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("SativaDominant", "sativa_dominant"),
        ("IndicaHybrid", "indica_dominant"),
        ("Ind.", "indica"),
        ("Hyb.", "hybrid"),
        ("Sat. dom.", "sativa_dominant"),
        ("Plutôt indica", "indica_dominant"),
        ("Majoritairement sativa", "sativa_dominant"),
        ("Surtout indica", "indica_dominant"),
        ("Leans indica", "indica_dominant"),
        ("Indica (dominante)", "indica_dominant"),
        ("Hybrid (60% indica/40% sativa)", "indica_dominant"),
        ("Hybride | 30 % indica 70 % sativa", "sativa_dominant"),
        ("70-30 sativa", "sativa_dominant"),
        ("60:40 indica", "indica_dominant"),
    ],
)
def test_type_that_leans_is_read_as_such(raw: str, expected: str) -> None:
    assert read("strain_type", raw) == expected


@pytest.mark.parametrize(
    ("raw", "in_stock", "quantity"),
    [
        ("Not in stock", False, None),
        ("No stock", False, None),
        ("Aucun stock", False, None),
        ("EPUISEE", False, None),
        ("Épuisés", False, None),
        ("Temporairement indisponible", False, None),
        ("Coming soon", False, None),
        ("À venir", False, None),
        ("Delisted", False, None),
        ("Back in stock", True, None),
        ("QUANTITE LIMITEE", True, None),
        ("5 disponibles", True, 5),
        ("Inventaire : 5", True, 5),
        ("Only 3 left", True, 3),
        ("Il en reste 3", True, 3),
    ],
)
def test_stock_in_words_with_and_without_accents(
    raw: str, in_stock: bool, quantity: int | None
) -> None:
    assert read("stock", raw) == {"in_stock": in_stock, "quantity": quantity}


@pytest.mark.parametrize(
    ("raw", "brand", "name"),
    [
        ("Afghan&amp;#39;s Best", "", "Afghan's Best"),
        ("Hazel &amp;amp; Cream", "", "Hazel & Cream"),
        ("P\u0069\u0302nk Kush", "", "Pînk Kush"),
        ("Pink Kush ½ oz", "", "Pink Kush"),
        ("Pink Kush 14g (½ oz)", "", "Pink Kush"),
        ("Pink Kush 10 x ½ g", "", "Pink Kush"),
        ("Pink Kush 3.5g $29.95", "", "Pink Kush"),
        ("Pink Kush - 15% OFF", "", "Pink Kush"),
        ("Pink Kush [Buy 2 Get 1]", "", "Pink Kush"),
        ("** CLEARANCE ** Pink Kush", "", "Pink Kush"),
        ("Cultivar's Pink Kush", "Cultivar", "Pink Kush"),
        ("Pink Kush de Cultivar", "Cultivar", "Pink Kush"),
        ("Cultivar x Houseplant", "Cultivar", "Cultivar x Houseplant"),
    ],
)
def test_name_is_without_marks_brand_and_size(raw: str, brand: str, name: str) -> None:
    assert clean(name=raw, brand=brand).name == name


@pytest.mark.parametrize("raw", ["undefined", "[object Object]", "#NOM?", "#VALEUR!", "#####"])
def test_text_of_a_program_is_no_name(raw: str) -> None:
    assert read("name", raw) is None


def test_lost_letter_of_a_name_stays_visible_and_is_flagged() -> None:
    listing = clean(name="Cr\ufffdme br\ufffdl\ufffde")

    assert (listing.name, listing.flags) == ("Cr\ufffdme br\ufffdl\ufffde", ("text_garbled",))


def potency(raw: str, category: str = "Dried Flower") -> tuple[Any, Any, Any] | None:
    found = read("thc", raw, category)
    return found and (found["min"], found["max"], found["mg"] and (found["mg"], found["per"]))


@pytest.mark.parametrize(
    "raw",
    [
        "no more than 1% THC",
        "not more than 1%",
        "not exceeding 1%",
        "never over 1%",
        "less than or equal to 1%",
        "as high as 1%",
        "pas plus de 1 %",
        "ne dépasse pas 1 %",
        "n'excède pas 1 %",
        "inférieur à 1 %",
        "inférieure ou égale à 1 %",
        "égal ou inférieur à 1 %",
        "sous 1 %",
        "THC pouvant atteindre 1 %",
    ],
)
def test_upper_bound_of_a_potency_in_words(raw: str) -> None:
    assert potency(raw) == (0, 1, None)


@pytest.mark.parametrize(
    "raw",
    [
        "no less than 20%",
        "not less than 20%",
        "greater than or equal to 20%",
        "exceeds 20%",
        "20% or greater",
        "from 20%",
        "pas moins de 20 %",
        "supérieur à 20 %",
        "THC supérieure ou égale à 20 %",
        "dépasse 20 %",
        "dès 20 %",
        "à partir de 20 %",
        "20 % et +",
    ],
)
def test_lower_bound_of_a_potency_in_words(raw: str) -> None:
    assert potency(raw) == (20, None, None)


@pytest.mark.parametrize("raw", ["from 18% to 24%", "18-24%", "de 18 à 24 %"])
def test_range_that_begins_with_from_stays_a_range(raw: str) -> None:
    assert potency(raw) == (18, 24, None)


@pytest.mark.parametrize(
    ("raw", "category", "expected"),
    [
        ("10 mg per 355ml can", "Beverages", (10, "package")),
        ("10 mg pour 100 ml", "Boissons", (0.1, "ml")),
        ("10 mg per 100 ml", "Beverages", (0.1, "ml")),
    ],
)
def test_amount_of_a_can_is_no_rate_and_a_rate_no_total(
    raw: str, category: str, expected: tuple[float, str]
) -> None:
    assert read("thc", raw, category) == {
        "min": None,
        "max": None,
        "mg": expected[0],
        "per": expected[1],
    }


@pytest.mark.parametrize("raw", ["0.5 mL = 10 mg", "1 ml = 25 mg THC"])
def test_amount_of_a_part_of_a_bottle_is_refused(raw: str) -> None:
    assert read("thc", raw, "Oils") is None
