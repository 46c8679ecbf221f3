"""Category parser, on texts of real lists in both languages."""

import pytest

from catalog.ingest.vocabulary import CATEGORIES, SEARCH_WORDS, find_category


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Dried Flower", "dried_flower"),
        ("Raw material (flower)", "dried_flower"),
        ("Fleurs séchées", "dried_flower"),
        ("Raw FLower", "dried_flower"),
        ("3.5g Flower", "dried_flower"),
        ("Select Grind", "dried_flower"),
        ("Flowers,Pre-Roll", "pre_rolls"),
        ("Cigarettes (pre-rolled cones)", "pre_rolls"),
        ("Préroulés", "pre_rolls"),
        ("Cone 3 Pack", "pre_rolls"),
        ("Infused Pre-Rolls", "pre_rolls"),
        ("2.1g Pre-rolls (3pk)", "pre_rolls"),
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
        ("Vape batteries", "accessories"),
        ("Accessoires de vapotage", "accessories"),
        ("10 Capsules: 283mg total cannabinoids, =1.13g flower", "capsules"),
        ("1g Concentrate w/837mg cannabinoids (=3.35g Raw Flower)", "extracts"),
        ("Aqualitas Dried Cannabis", "dried_flower"),
        ("Jujubes", "edibles"),
        ("Tablets", "capsules"),
        ("Bains", "topicals"),
        ("Oral Solution", "oils"),
        ("Vaporisateur tout-en-un", "vapes"),
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
