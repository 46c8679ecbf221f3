"""Category parser, on texts of real lists in both languages."""

import pytest

from catalog.ingest.vocabulary import CATEGORIES, SEARCH_WORDS, find_category


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Dried Flower", "dried-flower"),
        ("Raw material (flower)", "dried-flower"),
        ("Fleurs séchées", "dried-flower"),
        ("Raw FLower", "dried-flower"),
        ("3.5g Flower", "dried-flower"),
        ("Select Grind", "dried-flower"),
        ("Flowers,Pre-Roll", "pre-rolls"),
        ("Cigarettes (pre-rolled cones)", "pre-rolls"),
        ("Préroulés", "pre-rolls"),
        ("Cone 3 Pack", "pre-rolls"),
        ("Infused Pre-Rolls", "pre-rolls"),
        ("2.1g Pre-rolls (3pk)", "pre-rolls"),
        ("Vapes,Vape Cartidge,", "vapes"),
        ("Vaporizer Cartridge", "vapes"),
        ("510 Thread Cartridges", "vapes"),
        ("Concentrate,Shatter,", "extracts"),
        ("Concentrate,Oil,", "extracts"),
        ("Concentrate,Bubble Hash,", "extracts"),
        ("Hashish", "extracts"),
        ("CONCENTRATES", "extracts"),
        ("Extraits", "extracts"),
        ("Edibles,Candy,", "edibles"),
        ("Baked goods", "edibles"),
        ("Mangeable", "edibles"),
        ("Gummies", "edibles"),
        ("Edibles,Drink,", "beverages"),
        ("Boissons", "beverages"),
        ("Edibles,Pill", "capsules"),
        ("Capsules or pills", "capsules"),
        ("Oil Syringe", "oils"),
        ("Tincture", "oils"),
        ("Huile", "oils"),
        ("Topical,Bath,", "topicals"),
        ("Topical applications, oils or lotions", "topicals"),
        ("Seeds", "seeds"),
        ("Vape batteries", None),
        ("Accessories", "accessories"),
        ("other", "other"),
        ("Extracts, sprays, tinctures or oils", None),
        ("Bundle", None),
        ("", None),
        ("Flower and edibles", None),
    ],
)
def test_category_text_is_parsed_or_left_open(text: str, category: str | None) -> None:
    assert find_category(text) == category


def test_every_category_has_search_words() -> None:
    assert set(CATEGORIES.values()) <= set(SEARCH_WORDS)
