"""Values of suppliers' texts that were once read wrongly; named after the faults' numbers."""

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.cleaning.numbers import add_unit
from catalog.ingest.cleaning.prices import read_price
from catalog.ingest.cleaning.stock import read_stock
from catalog.ingest.cleaning.strings import CleanedString, clean_string
from catalog.ingest.records import CleanListing, Potency, ProductRecord
from catalog.reference.terpenes import terpene_key
from mlops.pipelines.errors import RecordRejected

FLOWER = "Dried Flower"
RECORD = ProductRecord(
    source="list",
    external_id="1",
    language="en",
    price_kind="retail",
    payload={},
    name="Pink Kush",
    category=FLOWER,
    price="29.95",
)


def clean(**changes: Any) -> CleanListing:
    return clean_listing(replace(RECORD, **changes))


def read(kind: str, raw: str, category: str = "", *, brand: str = "") -> CleanedString:
    return clean_string(kind=kind, raw=raw, context={"category": category, "brand": brand})


def percent(cleaned: CleanedString) -> tuple[float | None, float | None] | None:
    return cleaned.result and (cleaned.result["min"], cleaned.result["max"])


def milligrams(cleaned: CleanedString) -> tuple[Any, str | None] | None:
    return cleaned.result and (cleaned.result["mg"], cleaned.result["per"])


@pytest.mark.parametrize(
    ("text", "in_stock", "quantity"),
    [
        ("12", True, 12),
        ("24", True, 24),
        ("2", True, 2),
        ("1", True, 1),
        ("0", False, 0),
        ("1.0", True, 1),
        ("Limited", True, None),
        ("Low", True, None),
        ("VRAI", True, None),
        ("In Stock - 4", True, 4),
        ("en inventaire", True, None),
        ("Quantité limitée", True, None),
        ("En stock (3)", True, 3),
        ("épuisé", False, None),
        ("Out of stock", False, None),
    ],
)
def test_t4_stock_words_and_quantities(text: str, in_stock: bool, quantity: int | None) -> None:
    listing = clean(stock=text)

    assert listing.in_stock is in_stock
    assert listing.stock_quantity == quantity


@pytest.mark.parametrize("text", ["0 in stock", "0 left", "0 en stock"])
def test_t4_none_in_stock_is_out_of_stock(text: str) -> None:
    listing = clean(stock=text)

    assert listing.in_stock is False
    assert listing.stock_quantity == 0
    assert listing.flags == ()


@pytest.mark.parametrize("text", ["maybe", "ask us", "Out of stock - 4", "5-10"])
def test_t4_unknown_stock_word_is_unknown_and_flagged(text: str) -> None:
    listing = clean(stock=text)

    assert (listing.in_stock, listing.flags) == (None, ("in_stock_unread",))
    assert listing.doubts[0].startswith(f"in_stock: {text!r}: ")


def test_t4_negative_stock_is_none_on_hand_and_flagged() -> None:
    listing = clean(stock="-2")

    assert listing.in_stock is False
    assert listing.stock_quantity == 0
    assert listing.flags == ("stock_negative_quantity",)


@pytest.mark.parametrize(
    ("text", "expected"), [("0.225", "22.5%"), ("0.3", "30%"), ("1", "100%"), ("22.5%", "22.5%")]
)
def test_t5_unit_fraction_makes_a_percentage(text: str, expected: str) -> None:
    assert add_unit(text, "fraction") == expected


def test_t5_number_above_one_is_no_fraction() -> None:
    listing = clean(thc=add_unit("22.5", "fraction"))

    assert (listing.thc, listing.flags) == (None, ("thc_unread",))


def test_t5_percent_cells_are_read_in_columns_of_ends() -> None:
    listing = clean(thc_low="20.0%", thc_high="22.5%")

    assert listing.thc == Potency(low=Decimal(20), high=Decimal("22.5"), unit="percent")


@pytest.mark.parametrize(
    ("text", "value"), [("2.5E+01", 25), ("2.25E+1%", 22.5), ("1E-02", 0.01), ("2,25e1 %", 22.5)]
)
def test_t6_number_in_scientific_notation_is_read_whole(text: str, value: float) -> None:
    assert percent(read("thc", text, FLOWER)) == (value, value)


@pytest.mark.parametrize(
    "text",
    [
        "#DIV/0!",
        "#N/A",
        "20/1",
        "T:20 C:1",
        "l8%",
        "2O%",
        "O.5 %",
        "18x %",
        "18.5.2 %",
        "18 24",
        "18-24-30 %",
        "18-",
        "$18",
        "18#",
        "5+5 %",
        "18 %%",
    ],
)
def test_t6_part_of_a_token_is_no_value(text: str) -> None:
    assert read("thc", text, FLOWER).refused


@pytest.mark.parametrize(
    ("text", "price"),
    [("10.920000000000002", "10.92"), ("29.9500", "29.95"), ("4.4899999999999997", "4.49")],
)
def test_t7_binary_noise_of_a_price_is_rounded(text: str, price: str) -> None:
    listing = clean(price=text)

    assert (listing.price, listing.flags) == (Decimal(price), ())


def test_t7_price_of_more_decimals_is_rounded_and_flagged() -> None:
    listing = clean(price="33.8435")

    assert (listing.price, listing.flags) == (Decimal("33.84"), ("price_rounded",))


@pytest.mark.parametrize("text", ["19.999999999999996", "20.000000000000004"])
def test_t7_binary_noise_of_a_potency_is_rounded(text: str) -> None:
    listing = clean(thc=f"{text} %")

    assert listing.thc == Potency(low=Decimal(20), high=Decimal(20), unit="percent")
    assert listing.flags == ()


def test_t7_binary_noise_of_a_size_is_rounded() -> None:
    listing = clean(size="0.30000000000000004 g")

    assert (listing.weight_grams, listing.flags) == (Decimal("0.3"), ())


def test_t7_rounding_that_changes_what_is_shown_is_flagged() -> None:
    listing = clean(thc="22.345 %")

    assert listing.thc == Potency(low=Decimal("22.35"), high=Decimal("22.35"), unit="percent")
    assert listing.flags == ("thc_rounded",)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("1,299.00", "1299.00"),
        ("1 029,90 $", "1029.90"),
        ("1\u00a0029,90 $", "1029.90"),
        ("1\u202f029,90 $", "1029.90"),
        ("$29.95 CAD", "29.95"),
        ("CA$31.00", "31.00"),
        ("31,00 $ CA", "31.00"),
        ("1.299,00 $", "1299.00"),
        ("C$ 12.50", "12.50"),
    ],
)
def test_t14_price_is_read(text: str, price: str) -> None:
    assert read_price(text).price == Decimal(price)


@pytest.mark.parametrize(
    "text", ["€5", "US$5", "29.95/g", "39.95, 224.95", "(29.95)", "29.95-", "12.345", "29.95 x 2"]
)
def test_t14_price_that_cannot_be_read_stays_open_and_is_flagged(text: str) -> None:
    listing = clean(price=text)

    assert (listing.price, listing.flags, listing.name) == (None, ("price_unread",), "Pink Kush")
    assert listing.doubts[0].startswith(f"price: {text!r}: ")


@pytest.mark.parametrize(
    ("low", "high", "expected", "flags"),
    [
        ("20%", "24%", ("20", "24"), ()),
        ("20 %", "24,5 %", ("20", "24.5"), ()),
        ("N/A", "", None, ()),
        ("null", "null", None, ()),
        ("<1", "1", ("0", "1"), ()),
        ("24", "20", ("20", "24"), ("thc_ends_reversed",)),
        ("20", "N/A", ("20", "20"), ()),
        ("20", "mild", None, ("thc_unread",)),
        ("200 mg/g", "240 mg/g", ("20", "24"), ()),
    ],
)
def test_t15_columns_of_ends(
    low: str, high: str, expected: tuple[str, str] | None, flags: tuple[str, ...]
) -> None:
    listing = clean(thc_low=low, thc_high=high)

    ends = expected and Potency(low=Decimal(expected[0]), high=Decimal(expected[1]), unit="percent")
    assert (listing.thc, listing.flags) == (ends, flags)


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "free"},
        {"thc": "very strong"},
        {"size": "a handful"},
        {"stock": "perhaps"},
        {"unit_count": "1.5"},
        {"strain_type": "unsure"},
        {"lot_thc": "20-24"},
    ],
)
def test_t15_one_unreadable_value_never_costs_the_product(changes: dict[str, str]) -> None:
    (field, text), *_ = changes.items()

    listing = clean(**changes)

    assert listing.name == "Pink Kush"
    assert listing.flags == (f"{field.replace('stock', 'in_stock')}_unread",)
    assert text in listing.doubts[0]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Hazel &amp; Cream", "Hazel & Cream"),
        ("Afghan&#39;s", "Afghan's"),
        ("Pink Kush\u200b", "Pink Kush"),
        ("\ufeffPink Kush", "Pink Kush"),
        ("<b>Pink</b> Kush", "Pink Kush"),
        ("Pink\u00adKush", "PinkKush"),
        ("Crème &eacute;rable", "Crème érable"),
    ],
)
def test_t22_markup_and_invisible_characters_are_removed(raw: str, expected: str) -> None:
    assert read("name", raw).result["name"] == expected


def test_t22_entity_is_decoded_in_a_potency() -> None:
    assert percent(read("thc", "&lt;1%", FLOWER)) == (0, 1)


@pytest.mark.parametrize(
    ("raw", "brand", "name"),
    [
        ("♥ Acme Farms | Blue Dream", "Acme Farms", "Blue Dream"),
        ("NEW!! Acme Farms | Wobbly Widget 3.5g", "Acme Farms", "Wobbly Widget"),
        ("*SUPER FRESH! Acme | GMO Cookies", "Acme", "GMO Cookies"),
        ("Luna Leaf| SFV OG| 7g", "Luna Leaf", "SFV OG"),
    ],
)
def test_t27_brand_before_a_bar_is_apart_from_the_name(raw: str, brand: str, name: str) -> None:
    cleaned = read("name", raw)

    assert cleaned.result == {"brand": brand, "name": name}
    assert cleaned.flags == ("brand_from_name",)


@pytest.mark.parametrize("raw", ["Mimosa Live | Pharmers", "Pre-Roll | Pineapple Express"])
def test_t27_product_before_a_bar_is_no_brand(raw: str) -> None:
    assert read("name", raw).result["brand"] is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Wedding Cake 🍰", "Wedding Cake"),
        ("Blueberry Bar | Acme (REC)", "Blueberry Bar"),
        ("Tiki Juice Maui Mango *Medical*", "Tiki Juice Maui Mango"),
        ("Acme™ Gold Formula", "Gold Formula"),
        ("TIVAâ„¢ Energy Shot", "TIVA™ Energy Shot"),
    ],
)
def test_t27_marks_are_removed(raw: str, expected: str) -> None:
    assert read("name", raw, brand="Acme").result["name"] == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("$25 3.5g - Jar Head", "Jar Head"),
        ("Pink Kush 3.5g ($29.95)", "Pink Kush"),
        ("[SALE] Blue Dream", "Blue Dream"),
        ("Blue Dream | THC: 20-25% | CBD: <1%", "Blue Dream"),
        ("Sleep | 750mg CBD 150mg CBN | Alchemy", "Sleep | Alchemy"),
        ("Gummies (100MG Total)", "Gummies"),
        ("Chocolat noir 10 mg de THC", "Chocolat noir"),
        ("Lavender Salve - 2 oz.", "Lavender Salve"),
        ("Pink Kush, 3.5g, Indica", "Pink Kush, Indica"),
        ("Blue_Dream_3.5g", "Blue Dream"),
        ("Rêve bleu — 3,5 g", "Rêve bleu"),
        ("Sour D 30 Caps x 10mg", "Sour D"),
        ("Sour D 2.5g/5pk", "Sour D"),
        ("Blue Dream 1g & 3.5g", "Blue Dream"),
        ("ＢＬＵＥ ＤＲＥＡＭ", "Blue Dream"),
        ("NW KIND KSH", "NW Kind KSH"),
        ("MR NICE", "Mr Nice"),
        ("Acme - 10ml", "Acme"),
        ("Acme (35mg)", "Acme"),
    ],
)
def test_t27_prices_potencies_and_measures_are_removed(raw: str, expected: str) -> None:
    assert read("name", raw, brand="Acme").result["name"] == expected


@pytest.mark.parametrize(
    ("raw", "brand", "expected"),
    [
        ("Wana - Mango - Gummies", "Wana Edibles", "Mango - Gummies"),
        ("Daft Republic | 1g Mylar", "Daft Republic Co", "Mylar"),
    ],
)
def test_t27_brand_without_its_company_word_is_removed(raw: str, brand: str, expected: str) -> None:
    assert read("name", raw, brand=brand).result["name"] == expected


@pytest.mark.parametrize(
    "raw", ["Melon 100mg 10pk | Elemental", "Grape Dane | 1g Cart | UnderDawg"]
)
def test_t27_part_that_may_be_a_brand_is_flagged(raw: str) -> None:
    cleaned = read("name", raw)

    assert (cleaned.result["brand"], cleaned.flags) == (None, ("brand_unclear",))


@pytest.mark.parametrize("text", ["N/A", "-", "#REF!", "TBD", "s.o."])
def test_placeholder_is_no_name_and_no_brand(text: str) -> None:
    assert read("name", text).refused
    assert clean(brand=text, producer=text).brand is None
    assert clean(brand=text, producer=text).producer is None


@pytest.mark.parametrize("text", ["3.5g", "100mg", "10 x 0.35 g"])
def test_name_of_a_measure_alone_is_flagged(text: str) -> None:
    assert read("name", text).flags == ("name_is_measure",)


def test_t27_parts_of_strain_and_form_alone_contain_no_brand() -> None:
    assert read("name", "Pineapple Express | Distillate Cart").flags == ()


LABELED = [
    ("cbd", "Brand X | 28g | THC: 20–25% | CBD: 1%", FLOWER, (1, 1)),
    ("thc", "Brand X | 28g | THC: 20–25% | CBD: 1%", FLOWER, (20, 25)),
    ("thc", "40.0 THC / 20.0 CBG", "Vapes", (40, 40)),
    ("thc", "22 %THC 1%CBD", FLOWER, (22, 22)),
    ("thc", "Bloom | Cart | [1G] | Indica | 90% THC", "Vapes", (90, 90)),
    ("cbd", "THC | 20% | CBD | 1%", FLOWER, (1, 1)),
]


@pytest.mark.parametrize(("kind", "raw", "category", "expected"), LABELED)
def test_t28_percentage_belongs_to_the_label_beside_it(
    kind: str, raw: str, category: str, expected: tuple[float, float]
) -> None:
    assert percent(read(kind, raw, category)) == expected


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ("cbd", "12 softgels | 3–5mg THC each | CBD: 1mg", (1, "unit")),
        ("thc", "12 softgels | 3–5mg THC each | CBD: 1mg", ([3, 5], "unit")),
        ("cbd", "500mg THC + 250mg CBD", (250, None)),
        ("thc", "Bar 200mg THC/20mg Per Pc (10 pieces)", (200, None)),
        ("thc", "Gummies 10mgTHC:5mgCBD - 2pc", (10, None)),
    ],
)
def test_t28_milligrams_belong_to_the_label_beside_them(
    kind: str, raw: str, expected: tuple[Any, str | None]
) -> None:
    assert milligrams(read(kind, raw, "Edibles")) == expected


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ("thc", "THC 78.7% Terps: 3.2%", (78.7, 78.7)),
        ("thc", "THC 78.7% Moisture: 3.2%", (78.7, 78.7)),
        ("thc", "Elevated GG#4 91.9%THC 1g Cartridge (H)", (91.9, 91.9)),
        ("thc", "THC 20% (lot 1234)", (20, 20)),
        ("thc", "THC Min: 18% Max: 22%", (18, 22)),
        ("thc", "THC 1.2 mg/g Total THC 220 mg/g", (22, 22)),
        ("cbd", "CBD 0.1% | CBDA 12% | Total CBD 10.6%", (10.6, 10.6)),
    ],
)
def test_t28_share_of_something_else_is_left_out(
    kind: str, raw: str, expected: tuple[float, float]
) -> None:
    cleaned = read(kind, raw, FLOWER)

    assert (percent(cleaned), cleaned.flags) == (expected, ())


@pytest.mark.parametrize(
    ("kind", "raw"), [("thc", "THCA 24.1% | THC 1.2%"), ("cbd", "CBD 0.5% CBDA 12%")]
)
def test_t28_acid_beside_a_cannabinoid_without_a_total_is_flagged(kind: str, raw: str) -> None:
    assert read(kind, raw, FLOWER).flags == ("acid_apart",)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Lotion 1:1 CBD:THC 100mg CBD/90mg THC", (90, None)),
        ("Total THC 10 mg (5 mg x 2)", (10, "package")),
        ("THC per unit: 5 mg", (5, "unit")),
        ("THC par unité : 5 mg", (5, "unit")),
    ],
)
def test_t28_milligrams_beside_a_ratio_or_basis(raw: str, expected: tuple[Any, str | None]) -> None:
    assert milligrams(read("thc", raw, "Edibles")) == expected


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("thc", "Gummy 1:1:1 CBG/CBD/THC - 100mg"),
        ("thc", "Terps 3.2%"),
        ("thc", "40.0 CBD / 20.0 CBG"),
        ("cbd", "Mint Bar 100mg"),
        ("thc", "CBD 10% THC"),
        ("thc", "T315 I 12097"),
        ("thc", "Gelato 41"),
    ],
)
def test_t28_value_of_no_label_or_of_another_is_refused(kind: str, raw: str) -> None:
    assert read(kind, raw, "Vapes").refused


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("White Sativa | Hybrid", "hybrid"),
        ("OS.INDICA - Sativa", "sativa"),
        ("Durban Poison (Indica)", "indica"),
        ("Studio 54 (H)", "hybrid"),
        ("Cart Indica 93%", "indica"),
    ],
)
def test_t29_type_that_is_named_outright_wins(raw: str, expected: str) -> None:
    assert read("strain_type", raw).result == expected


def test_t29_type_of_the_text_wins_over_the_usual_type_of_the_strain() -> None:
    listing = clean(name="Durban Poison", strain_type="Indica")

    assert listing.strain_type == "indica"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("AK-47 Indica", "indica"),
        ("Gelato 33 Indica", "indica"),
        ("Chemdawg 91 sativa", "sativa"),
        ("Sativa 22 %", "sativa"),
        ("Hybrid (Sativa Star)", "hybrid"),
        ("No Limit Indica", "indica"),
        ("Hybride (dom. sativa)", "sativa_dominant"),
    ],
)
def test_t29_number_or_word_of_a_name_is_no_share_and_no_denial(raw: str, expected: str) -> None:
    assert read("strain_type", raw).result == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("70% indica", "indica_dominant"),
        ("70/30 indica/sativa", "indica_dominant"),
        ("30/70 indica/sativa", "sativa_dominant"),
        ("70/30 Indica", "indica_dominant"),
        ("Sativa (80/20)", "sativa_dominant"),
    ],
)
def test_shares_of_a_type_are_read(raw: str, expected: str) -> None:
    assert read("strain_type", raw).result == expected


@pytest.mark.parametrize(
    "raw", ["Assorted Berry Chews", "Trays - Assorted Colors", "not an indica"]
)
def test_text_that_states_no_type_is_refused(raw: str) -> None:
    assert read("strain_type", raw).refused


@pytest.mark.parametrize("text", ["Mar-24", "20-Mar", "24-Mars", "Jan-18 %", "2024-03-20"])
def test_t30_date_is_no_potency(text: str) -> None:
    assert read("thc", text, FLOWER).refused


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("L'HUILE D'ÉRABLE", "L'huile d'érable"),
        ("GELÉE D'ABRICOT", "Gelée d'abricot"),
        ("L’OR NOIR", "L’or Noir"),
        ("KEEF'S OG", "Keef's OG"),
    ],
)
def test_t34_elisions_in_capitals(raw: str, expected: str) -> None:
    assert read("name", raw).result["name"] == expected


@pytest.mark.parametrize("pieces", ["10", "10.0", "10 units"])
def test_t35_size_beside_pieces_may_be_that_of_one(pieces: str) -> None:
    listing = clean(size="0.5 g", unit_count=pieces)

    assert (listing.weight_grams, listing.unit_count) == (Decimal("0.5"), 10)
    assert listing.flags == ("size_may_be_one_piece",)


@pytest.mark.parametrize(("size", "pieces"), [("3x0.5g", "5"), ("40 g (10 x 4 g)", "2 units")])
def test_t35_pieces_that_contradict_the_size_are_flagged(size: str, pieces: str) -> None:
    listing = clean(size=size, unit_count=pieces)

    assert listing.flags == ("unit_count_differs",)
    assert f"unit_count: {pieces!r}" in listing.doubts[0]


@pytest.mark.parametrize("pieces", ["3", "3.0", "1", ""])
def test_t35_pieces_that_the_size_states_too_are_not_doubted(pieces: str) -> None:
    assert clean(size="3x0.5g", unit_count=pieces).flags == ()


@pytest.mark.parametrize("pieces", ["1.5", "-2", "ten", "99999"])
def test_t35_number_of_pieces_that_cannot_be_read_is_flagged(pieces: str) -> None:
    listing = clean(size="3.5 g", unit_count=pieces)

    assert (listing.unit_count, listing.flags) == (None, ("unit_count_unread",))


@pytest.mark.parametrize("kind", ["thc", "cbd", "weight", "strain_type", "name"])
@pytest.mark.parametrize(
    "text",
    ["1" * 1_000_000, "THC " * 250_000, "1," * 500_000, "[" * 10**6],
    ids=["digits", "labels", "commas", "brackets"],
)
def test_t50_megabyte_cell_is_refused_at_once(kind: str, text: str) -> None:
    started = time.process_time()

    cleaned = read(kind, text, FLOWER)

    assert cleaned.refused
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize("part", ["1", "THC ", "1,", "[", "1 ", "1-", "x3 ", "& ", "1 mg/"])
def test_t50_longest_text_is_read_at_once(part: str) -> None:
    text = (part * 400)[:400]
    started = time.process_time()

    for kind in ("thc", "cbd", "weight", "strain_type", "name"):
        read(kind, text, FLOWER)

    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "text",
    ["9" * 1_000_000, "1," * 500_000, "in stock " * 100_000],
    ids=["digits", "commas", "words"],
)
def test_t50_megabyte_of_a_price_or_stock_is_refused_at_once(text: str) -> None:
    started = time.process_time()

    listing = clean(price=text, stock=text, unit_count=text)

    assert listing.flags == ("unit_count_unread", "in_stock_unread", "price_unread")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("10 mg/100 ml", (0.1, "ml")),
        ("10 mg THC per 100 ml", (0.1, "ml")),
        ("66.7mg/0.1mL", (667, "ml")),
        ("5 mg par 5 ml", (1, "ml")),
    ],
)
def test_class_h_rate_is_no_total(raw: str, expected: tuple[float, str]) -> None:
    assert milligrams(read("thc", raw, "Beverages")) == expected


@pytest.mark.parametrize("raw", ["2.5 mg/serving", "2,5 mg par portion", "2.5mg THC per dose"])
def test_class_h_amount_of_a_serving_is_flagged(raw: str) -> None:
    assert read("thc", raw, "Edibles").flags == ("per_serving",)


def test_class_h_rate_of_an_unknown_basis_is_refused() -> None:
    assert read("thc", "10 mg per evening", "Edibles").refused


@pytest.mark.parametrize(
    "raw", ["THC+CBD: 20 mg", "1000mg THC / CBD", "THC/CBD 10mg", "Salve 1:1 THC/CBD 500mg"]
)
def test_class_h_sum_of_cannabinoids_is_refused(raw: str) -> None:
    assert read("thc", raw, "Edibles").refused
    assert read("cbd", raw, "Edibles").refused


@pytest.mark.parametrize("raw", ["10mg THC + 5mg CBD", "10mg THC+5mg CBD", "THC 10mg + CBD 5mg"])
def test_class_h_sum_is_no_bound(raw: str) -> None:
    assert (milligrams(read("thc", raw, "Edibles")), read("thc", raw, "Edibles").flags) == (
        (10, None),
        (),
    )


@pytest.mark.parametrize(
    "raw",
    ["3.5-7 g", "1 to 2 g", "3.5g-28g", "1/8-1/4 oz", "10-20 caps", "1 à 2 g", "3.5 g or 7 g"],
)
def test_class_l_range_of_sizes_is_refused(raw: str) -> None:
    assert read("weight", raw).refused == "is a range of sizes"


@pytest.mark.parametrize("raw", ["<1g", "up to 28g", "~3.5 g", "jusqu'à 7 g"])
def test_class_l_bound_is_no_size(raw: str) -> None:
    assert read("weight", raw).refused


def size(raw: str, category: str = "") -> dict[str, float] | None:
    result = read("weight", raw, category).result
    return result and {name: value for name, value in result.items() if value is not None}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("100 mg THC 30 caps", {"unit_count": 30}),
        ("10 Capsules: 460.7mg total cannabinoids, 46.07mg/pill", {"unit_count": 10}),
        ("3½ g", {"grams": 3.5}),
        ("1 1/2 oz", {"grams": 42}),
        ("1 oz (28.35g)", {"grams": 28.35}),
        ("Gelato 33 - 3.5g", {"grams": 3.5}),
        ("1 mL Oil Syringe: 667 mg, .1 mL = 66.7 mg", {"milliliters": 1}),
        ("Tincture 15:1 - 25 mL", {"milliliters": 25}),
        ("60mg - 20 pack", {"unit_count": 20}),
    ],
)
def test_size_beside_other_numbers_is_read(raw: str, expected: dict[str, float]) -> None:
    assert size(raw) == expected


@pytest.mark.parametrize(
    ("raw", "category", "expected"),
    [
        ("３．５ｇ", "", {"grams": 3.5}),
        ("2x0,5g", "", {"grams": 1.0, "unit_count": 2}),
        ("28g (1oz)", "", {"grams": 28.0}),
        ("0,5 g ch. x 3", "", {"grams": 1.5, "unit_count": 3}),
        ("2 x 5 mg chews (8 g)", "Edibles", {"grams": 8.0, "unit_count": 2}),
        ("12 fl.oz", "Beverages", {"milliliters": 354.88}),
        ("20 ml / 0.68 oz", "Oils", {"milliliters": 20.0}),
        ("473 ml (16 oz)", "Beverages", {"milliliters": 473.0}),
        ("0.5gx2", "", {"grams": 1.0, "unit_count": 2}),
        ("Cart GG4 1GM", "Vapes", {"grams": 1.0}),
        ('"3.5 g"', "", {"grams": 3.5}),
    ],
)
def test_size_of_a_count_or_unit_that_is_rare_is_read(
    raw: str, category: str, expected: dict[str, float]
) -> None:
    assert size(raw, category) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "12 packs of 5",
        "4 for 3.5g",
        "0.35g (10)",
        "0.35g - 10",
        "10s 0.35g",
        "Twin pack 0.5 g",
        "3 . 5 g",
        "3. 5 g",
        "3;5 g",
        "1g/pk of 2",
        "7g (2 x 3.5g) x 2",
        "3.5g x",
        "03-May",
        "505 Gummies",
        "0 x 3 g",
        "3 g x 0",
        "l5 g",
        "3.5k g",
        "12 355 ml",
        "33 3.5g",
        "1000 pack",
        "2.5 pack",
        "300 Bar",
        "2 x -1 g",
        "Hybridol X 24.73",
        "1:5 capsules",
        "J-27 Cone",
        "3mL dose=35mg, 30mL=350mg",
        "1g ml",
        "-3 g",
    ],
)
def test_size_that_is_not_whole_is_refused(raw: str) -> None:
    assert read("weight", raw).refused


@pytest.mark.parametrize("raw", ["Lotion | 100mg", "Pain Spray 100MG"])
def test_milligrams_of_a_topical_are_a_dose_in_any_category(raw: str) -> None:
    assert read("weight", raw, "Concentrates").refused


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("beta-pinene", "beta-pinene"),
        ("β-pinene", "beta-pinene"),
        ("Bêta‑pinène", "beta-pinene"),
        ("α-pinene", "pinene"),
    ],
)
def test_terpene_with_a_greek_letter_or_hyphen_is_known(name: str, key: str) -> None:
    assert terpene_key(name) == key


def test_share_of_a_terpene_is_no_part_of_its_name() -> None:
    listing = clean(terpenes=("Limonene - 0.03%", "Beta-Pinene (1,2 %)", "Myrcene"))

    assert listing.terpenes == ("Limonene", "Beta-Pinene", "Myrcene")


@pytest.mark.parametrize("text", ["", "n/a", "-"])
def test_stock_without_a_value_is_not_stated(text: str) -> None:
    listing = clean(stock=text)

    assert (listing.in_stock, listing.flags) == (None, ())


def test_unknown_word_of_stock_is_rejected_with_its_field() -> None:
    with pytest.raises(RecordRejected) as rejected:
        read_stock("perhaps")

    assert rejected.value.field == "in_stock"
