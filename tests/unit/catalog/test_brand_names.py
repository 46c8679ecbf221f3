"""Brand names in queries: forms of names, names of several words, numbers with labels."""

import pytest

from catalog.search.brand_names import brand_names_in, name_forms
from catalog.search.exact_match import without_number_notation


@pytest.mark.parametrize(
    ("brand", "forms"),
    [
        ("Wandering Otter Cannabis Co.", ["wandering otter cannabis co", "wandering otter"]),
        ("The Tall Pine", ["the tall pine", "tall pine"]),
        ("Papa's Herb", ["papas herb"]),
        ("Redecan", []),
        ("Edison Cannabis Co", ["edison cannabis co"]),
    ],
)
def test_a_brand_is_known_by_its_name_without_legal_words(brand: str, forms: list[str]) -> None:
    assert name_forms(brand) == forms


def test_the_longest_brand_name_in_a_text_is_found() -> None:
    known = {"tall pine": 3, "tall pine reserve": 2, "reserve kush": 1}

    assert brand_names_in("Tall Pine Reserve kush", known) == ["tall pine reserve"]


def test_a_brand_name_of_attributes_alone_is_read_as_attributes() -> None:
    assert brand_names_in("thc extracts", {"thc extracts": 3}) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("UPC 6 28011-95912 6", "628011959126"),
        ("sku: 100333_7g", "100333_7g"),
        ("code-barres 628011959126", "628011959126"),
        ("#A000071", "A000071"),
        ("numéro 100333", "100333"),
        ("no thc", "no thc"),
        ("item cookies", "item cookies"),
        ("OG Kush #4", "OG Kush #4"),
        ("3.5 g 28 g", "3.5 g 28 g"),
    ],
)
def test_class_7_a_number_is_read_without_its_label_and_separators(text: str, number: str) -> None:
    assert without_number_notation(text) == number
