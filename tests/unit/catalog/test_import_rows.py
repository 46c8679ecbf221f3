"""Headings and rows of imported sheets, read without servers."""

from decimal import Decimal

import pytest

from catalog.ingest.headings import HEADINGS, match_headings
from catalog.ingest.import_rows import read_import_row


@pytest.mark.parametrize(
    ("heading", "field"),
    [
        ("Prix", "price"),
        ("PRIX (CAD)", "price"),
        ("Prix de détail", "price"),
        ("Price $", "price"),
        ("Catégorie", "category"),
        ("Code-barres", "gtin"),
        ("Teneur en THC (%)", "thc"),
        ("thc_percentage_low", "thc_percentage_low"),
        ("Nom du produit", "name"),
        ("Numéro d’article", "sku"),
        ("Item #", "sku"),
        ("GTIN-14", "gtin"),
        ("Code UPC", "gtin"),
        ("Teneur min. en THC (%)", "thc_percentage_low"),
        ("CBD maximum", "cbd_percentage_high"),
        ("PDSF ($ CAD)", "price"),
        ("Price (plus taxes)", "price"),
        ("THC (mg)", "thc_mg"),
        ("Poids (g)", "weight_grams"),
    ],
)
def test_t20_heading_is_known_in_both_languages(heading: str, field: str) -> None:
    assert match_headings([heading]).fields == {heading: field}


@pytest.mark.parametrize(
    "heading",
    [
        "Price (US$)",
        "Prix (USD)",
        "Price (per g)",
        "Prix (coûtant)",
        "THC (mg/g)",
        "CBD [mg/ml]",
        "THC max (mg/g)",
        "Weight (g) (oz)",
        "Grams (kg)",
        "Volume (L)",
        "Volume (oz)",
    ],
)
def test_heading_with_the_unit_of_another_value_names_no_field(heading: str) -> None:
    assert match_headings([heading]).unknown == [heading]


def test_t20_every_field_is_known_by_its_own_name() -> None:
    assert match_headings(HEADINGS).fields == {name: name for name in HEADINGS}


def test_t20_unknown_and_repeated_headings_are_named() -> None:
    assert match_headings(["Price", "Aisle", "Prix"]).unknown == ["Aisle", "Prix"]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        ({"price": "29,95 $"}, {"price": Decimal("29.95")}),
        ({"category": "Dried Flower"}, {"category": "dried_flower"}),
        ({"weight_grams": "3,5 g"}, {"weight_grams": Decimal("3.5")}),
        ({"thc_percentage": "22,5 %"}, {"thc_percentage": Decimal("22.5")}),
        ({"brand": "Forêt"}, {"brand": "Forêt"}),
        ({"lineage": "A, B"}, {"lineage": "A, B"}),
        ({"price": " ", "brand": ""}, {}),
    ],
)
def test_cell_is_read_as_a_list_reads_it(texts: dict[str, str], values: dict[str, object]) -> None:
    current = {"name": "Pink Kush", "category": "dried_flower"}

    assert read_import_row(texts, current=current).values == values


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("thc_percentage", "20 mg", "is in mg, not in %"),
        ("thc_percentage", "20-25", "is not a number"),
        ("weight_grams", "355 ml", "is in ml, not in g"),
        ("weight_grams", "500 mg", "is in mg, not in g"),
        ("weight_grams", "1,000", "may be a thousand or a decimal"),
        ("weight_grams", "03-May", "is not a number"),
        ("volume_ml", "12 oz", "is in oz, not in ml"),
        ("thc_mg", "10 %", "is in %, not in mg"),
        ("thc_mg", "10 mg/ml", "is not a number"),
    ],
)
def test_number_of_another_unit_or_notation_is_an_error(
    column: str, text: str, reason: str
) -> None:
    row = read_import_row({column: text}, current={"name": "A", "category": "vapes"})

    assert row.values == {}
    assert reason in row.errors[column]


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("weight_grams", "3.5 gr", "3.5"),
        ("weight_grams", "1 000 g", "1000"),
        ("volume_ml", "355mL", "355"),
        ("thc_mg", "１０ mg", "10"),
    ],
)
def test_number_in_the_unit_of_its_column_is_read(column: str, text: str, value: str) -> None:
    row = read_import_row({column: text}, current={"name": "A", "category": "vapes"})

    assert (row.values, row.errors) == ({column: Decimal(value)}, {})


def test_potency_of_a_percent_has_both_ends_and_their_middle() -> None:
    row = read_import_row({"thc": "20–24 %"}, current={"name": "A", "category": "dried_flower"})

    assert row.values == {
        "thc_percentage_low": Decimal("20.00"),
        "thc_percentage_high": Decimal("24.00"),
        "thc_percentage": Decimal("22.00"),
    }


def test_potency_of_an_edible_is_milligrams() -> None:
    row = read_import_row({"thc": "10 mg"}, current={"name": "A", "category": "edibles"})

    assert row.values == {"thc_mg": Decimal(10), "mg_basis": "mg"}


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        ({"price": "dear"}, "price"),
        ({"thc": "mild"}, "thc"),
        ({"weight_grams": "heavy"}, "weight_grams"),
    ],
)
def test_unreadable_cell_is_an_error_of_its_field(texts: dict[str, str], field: str) -> None:
    current = {"name": "Pink Kush", "category": "dried_flower"}

    assert list(read_import_row(texts, current=current).errors) == [field]
