"""Texts of recommendation reasons, in English and French."""

import pytest

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.reference.labels import label
from catalog.reference.terpenes import terpenes
from customers.reference.reasons import reason_text


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_category_type_and_terpene_has_a_label(language: str) -> None:
    for word in sorted({*CATEGORIES.values(), *STRAIN_TYPES.values()}):
        text = label(word, language)
        assert text
        assert "_" not in text
    assert all(label(key, language) for key in terpenes())


def test_values_are_translated() -> None:
    assert reason_text("same_category", "dried_flower", "fr") == "Même catégorie : fleurs séchées"
    assert reason_text("same_category", "dried_flower", "en") == "Same category: dried flower"
    assert (
        reason_text("same_strain_type", "indica_dominant", "fr") == "Même type : dominance indica"
    )
    assert reason_text("shared_terpene", "myrcene", "fr") == "Même terpène : myrcène"
    assert reason_text("category", "unknown word", "fr") == "Catégorie : unknown word"


def test_numbers_have_the_decimal_separator_of_the_language() -> None:
    assert reason_text("similar_price", "29.95", "fr") == "Prix semblable : 29,95 $"
    assert reason_text("similar_price", "29.95", "en") == "Similar price: 29.95 $"
    assert reason_text("same_brand", "No. 9", "fr") == "Même marque : No. 9"
