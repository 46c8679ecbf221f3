"""Reasons read well in both languages."""

import pytest

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.reference.labels import label
from catalog.reference.terpenes import terpenes
from customers.reference.reasons import text_of


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_word_of_ours_has_a_label(language: str) -> None:
    for word in sorted({*CATEGORIES.values(), *STRAIN_TYPES.values()}):
        told = label(word, language)
        assert told
        assert "-" not in told or told == "pre-rolls"
    assert all(label(key, language) for key in terpenes())


def test_words_are_told_in_the_language() -> None:
    assert text_of("same_category", "dried-flower", "fr") == "Même catégorie : fleurs séchées"
    assert text_of("same_category", "dried-flower", "en") == "Same category: dried flower"
    assert text_of("same_strain_type", "indica-dominant", "fr") == "Même type : dominance indica"
    assert text_of("shared_terpene", "myrcene", "fr") == "Même terpène : myrcène"
    assert text_of("category", "never heard of", "fr") == "Catégorie : never heard of"


def test_numbers_are_written_as_the_language_writes_them() -> None:
    assert text_of("near_price", "29.95", "fr") == "Prix semblable : 29,95 $"
    assert text_of("near_price", "29.95", "en") == "Similar price: 29.95 $"
    assert text_of("same_brand", "No. 9", "fr") == "Même marque : No. 9"
