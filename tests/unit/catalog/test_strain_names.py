"""Recognition of strains in product names, on hand-labeled names and near misses."""

import csv
from pathlib import Path

import pytest

from catalog.ingest.strain_names import StrainNames
from catalog.management.commands.evaluate_strain_names import evaluate
from catalog.reference.strains import Strain, name_key, strains

PAIRS = Path(__file__).parents[2] / "samples" / "strain_names.csv"
NAMES = StrainNames(strains())


def test_precision_and_recall_on_labeled_names() -> None:
    with PAIRS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    development, held_out, _ = evaluate(rows, NAMES)

    assert len(rows) == 340
    for half in (development, held_out):
        assert half.precision >= 0.98
        assert half.recall >= 0.93


@pytest.mark.parametrize(
    ("name", "strain"),
    [
        ("Gelato 33", "Gelato 33"),
        ("Gelato 34", None),
        ("Orange Dream", None),
        ("Micky Kush", "Mickey Kush"),
        ("Blue Dream x OG Kush", None),
        ("Blue Dream, Sour Diesel", None),
        ("Kush", None),
        ("Préroulés Blue Dream 3 x 0,5 g", "Blue Dream"),
        ("Vape | Blue Dream | 0.5g", "Blue Dream"),
        ("Blue Dream - OG Kush", None),
        ("Sugar Cookies - Wax", None),
        ("3X Crazy", "3X Crazy"),
        ("", None),
        ("#", None),
    ],
)
def test_similar_names_are_not_mistaken_for_strains(name: str, strain: str | None) -> None:
    known = {
        name_key(n): Strain(key=name_key(n), name=n)
        for n in ("Orange Cream", "Mickey Kush", "Gelato 33", "Cookies")
    }
    match = StrainNames({**strains(), **known}).find(name)
    assert (match.strain.name if match else None) == strain


def test_an_ambiguous_name_matches_no_strain() -> None:
    names = StrainNames({key: Strain(key=key, name=key) for key in ("mandarinas", "mandarinaz")})
    assert names.find("Mandarina") is None


def test_a_leading_brand_is_removed_from_the_name() -> None:
    assert NAMES.find("Phyto Blue Dream") is None
    match = NAMES.find("Phyto Blue Dream", brand="Phyto")
    assert match is not None
    assert match.strain.name == "Blue Dream"
