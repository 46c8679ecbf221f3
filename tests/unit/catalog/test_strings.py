"""Cleaning rules on suppliers' strings in both languages; None: rejected."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from catalog.ingest.cleaning.strings import STRING_KINDS, clean_string

# kind, raw, category, column, expected: (low, high) in percent, ("mg", amount, per), None: rejected
POTENCIES = [
    ("thc", "18,00 – 24,00 %", "Dried Flower", "", (18, 24)),
    ("thc", "180 mg/g", "Dried Flower", "", (18, 18)),
    ("thc", "<1%", "Dried Flower", "", (0, 1)),
    ("thc", "2 x 10 mg", "Edibles", "", ("mg", 10, "unit")),
    ("thc", "18 − 24 mg/g", "Dried Flower", "", (1.8, 2.4)),
    ("thc", "180.00 − 240.00 mg/g", "Dried Flower", "", (18, 24)),
    ("thc", "20% − 26%", "Dried Flower", "", (20, 26)),
    ("thc", "20.00 - 26.00%  ", "Dried Flower", "", (20, 26)),
    ("thc", "2300 mg/g", "Dried Flower", "", None),
    ("thc", "23000 mg/g", "Dried Flower", "", None),
    ("thc", "4491.00%", "Dried Flower", "", None),
    ("thc", "-5%", "Dried Flower", "", None),
    ("thc", "105 %", "Dried Flower", "", None),
    ("thc", "1:1", "Edibles", "", None),
    ("thc", "High", "Dried Flower", "", None),
    ("thc", "Very Strong", "Dried Flower", "", None),
    ("thc", "10 mg/unit", "Edibles", "", ("mg", 10, "unit")),
    ("thc", "10mg per piece", "Edibles", "", ("mg", 10, "unit")),
    ("thc", "5 mg / gummy", "Edibles", "", ("mg", 5, "unit")),
    ("thc", "100 mg per package", "Edibles", "", ("mg", 100, "package")),
    ("thc", "10 mg par unité", "Edibles", "", ("mg", 10, "unit")),
    ("thc", "10 mg par emballage", "Edibles", "", ("mg", 10, "package")),
    ("thc", "10mg THC/pkg", "Edibles", "", ("mg", 10, "package")),
    ("thc", "THC: 18.5% CBD: 0.1%", "Dried Flower", "", (18.5, 18.5)),
    ("cbd", "THC: 18.5% CBD: 0.1%", "Dried Flower", "", (0.1, 0.1)),
    ("thc", "10 mg THC, 5 mg CBD", "Edibles", "", ("mg", 10, None)),
    ("cbd", "10 mg THC, 5 mg CBD", "Edibles", "", ("mg", 5, None)),
    ("thc", "THC 20-25% / CBD <1%", "Dried Flower", "", (20, 25)),
    ("cbd", "THC 20-25% / CBD <1%", "Dried Flower", "", (0, 1)),
    ("thc", "Total THC: 22.4 %", "Dried Flower", "", (22.4, 22.4)),
    ("thc", "THCA 24%", "Dried Flower", "", None),
    ("thc", "CBD 12%", "Dried Flower", "", None),
    ("thc", "may vary", "Dried Flower", "", None),
    ("thc", "peuvent varier", "Dried Flower", "", None),
    ("thc", "ne s’applique pas", "Dried Flower", "", None),
    ("thc", "s.o.", "Dried Flower", "", None),
    ("thc", "N/A", "Dried Flower", "", None),
    ("thc", "---", "Dried Flower", "", None),
    ("thc", "-", "Dried Flower", "", None),
    ("thc", "", "Dried Flower", "", None),
    ("thc", "18 à 24 %", "Dried Flower", "", (18, 24)),
    ("thc", "18 to 24 percent", "Dried Flower", "", (18, 24)),
    ("thc", "entre 18 et 24 %", "Dried Flower", "", (18, 24)),
    ("thc", "between 18% and 24%", "Dried Flower", "", (18, 24)),
    ("thc", "24 - 18 %", "Dried Flower", "", (18, 24)),
    ("thc", "up to 25%", "Dried Flower", "", (0, 25)),
    ("thc", "jusqu'à 25 %", "Dried Flower", "", (0, 25)),
    ("thc", ">20%", "Dried Flower", "", (20, None)),
    ("thc", "≥ 20 %", "Dried Flower", "", (20, None)),
    ("thc", "20%+", "Dried Flower", "", (20, None)),
    ("thc", "~20%", "Dried Flower", "", (20, 20)),
    ("thc", "1,000 mg", "Vapes", "", ("mg", 1000, None)),
    ("thc", "1 000 mg", "Vapes", "", ("mg", 1000, None)),
    ("thc", "0,5 mg/ml", "Oils", "", ("mg", 0.5, "ml")),
    ("thc", "25 mg/mL", "Oils", "", ("mg", 25, "ml")),
    ("thc", "20-25 mg/ml", "Oils", "", ("mg", [20, 25], "ml")),
    ("thc", "200 mg/g (20%)", "Dried Flower", "", (20, 20)),
    ("thc", "20% / 200 mg/g", "Dried Flower", "", (20, 20)),
    ("thc", "20% 300 mg/g", "Dried Flower", "", None),
    ("thc", "10 mg or 20%", "Edibles", "", None),
    ("thc", "20", "Dried Flower", "", (20, 20)),
    ("thc", "0.20", "Dried Flower", "", (0.2, 0.2)),
    ("thc", "10", "Edibles", "", None),
    ("thc", "10", "Edibles", "THC Content Per Unit", ("mg", 10, "unit")),
    ("thc", "180", "Flower", "THC mg/g", (18, 18)),
    ("thc", "18", "", "Minimum THC Content (%)", (18, 18)),
    ("thc", "18.5 % THC", "Dried Flower", "", (18.5, 18.5)),
    ("thc", "THC 18.5", "Dried Flower", "", (18.5, 18.5)),
    ("thc", "18-24%THC", "Dried Flower", "", (18, 24)),
    ("thc", "0.00%", "Edibles", "", None),
    ("thc", "0%", "Dried Flower", "", (0, 0)),
    ("thc", "2,5 mg", "Edibles", "", ("mg", 2.5, None)),
    ("thc", "12.5mg", "Edibles", "", ("mg", 12.5, None)),
    ("thc", "10 MG", "Edibles", "", ("mg", 10, None)),
    ("thc", "500 mcg", "Edibles", "", ("mg", 0.5, None)),
    ("thc", "18%-24%", "Dried Flower", "", (18, 24)),
    ("thc", "18.0%–24.0%", "Dried Flower", "", (18, 24)),
    ("thc", "103mg", "Dried Flower", "", None),
    ("thc", "THC-15% CBD-0.5%", "Dried Flower", "", (15, 15)),
    ("thc", "15.0 - 20.0 % (150 - 200 mg/g)", "Dried Flower", "", (15, 20)),
    ("thc", "< 0.7%", "Dried Flower", "", (0, 0.7)),
    ("thc", "moins de 1 %", "Dried Flower", "", (0, 1)),
    ("thc", "0-1%", "Dried Flower", "", (0, 1)),
    ("thc", "70.000000", "Vapes", "", (70, 70)),
    ("thc", "70.00 - 84.00%", "Vapes", "", (70, 84)),
    ("thc", "18.5 %m/m", "Dried Flower", "", (18.5, 18.5)),
    ("thc", "22 %THC 1%CBD", "Dried Flower", "", (22, 22)),
    ("thc", "Potency: 22%", "Dried Flower", "", (22, 22)),
    ("thc", "THC: 0.2 - 0.6 mg/mL", "Beverages", "", ("mg", [0.2, 0.6], "ml")),
    ("thc", "150mg/g-200mg/g", "Dried Flower", "", (15, 20)),
    ("thc", "18,5-22,5%", "Dried Flower", "", (18.5, 22.5)),
    ("thc", "Δ9-THC 18%", "Dried Flower", "", (18, 18)),
    ("thc", "delta-8 THC 18%", "Dried Flower", "", None),
    ("thc", "1:1 5mg THC 5mg CBD", "Edibles", "", ("mg", 5, None)),
    ("thc", "THC:CBD 1:1", "Edibles", "", None),
    ("thc", "5 mg each", "Edibles", "", ("mg", 5, "unit")),
    ("thc", "10mg THC per pack", "Edibles", "", ("mg", 10, "package")),
    ("thc", "NaN", "Dried Flower", "", None),
    ("thc", ".19", "Dried Flower", "", (0.19, 0.19)),
    ("thc", "1.234,5 mg", "Vapes", "", ("mg", 1234.5, None)),
]
SIZES = [
    ("3.5g", "", {"grams": 3.5}),
    ("3,5 g", "", {"grams": 3.5}),
    ("3x0.5g", "", {"grams": 1.5, "unit_count": 3}),
    ("0.5g x 3", "", {"grams": 1.5, "unit_count": 3}),
    ("3 × 0,5 g", "", {"grams": 1.5, "unit_count": 3}),
    ("12 x 355 mL", "", {"milliliters": 4260, "unit_count": 12}),
    ("355ml", "", {"milliliters": 355}),
    ("30 caps", "", {"unit_count": 30}),
    ("60 gélules", "", {"unit_count": 60}),
    ("2 Pack", "", {"unit_count": 2}),
    ("paquet de 3", "", {"unit_count": 3}),
    ("pack of 5", "", {"unit_count": 5}),
    ("1/8oz", "", {"grams": 3.5}),
    ("1/8 oz", "", {"grams": 3.5}),
    ("1/4 oz", "", {"grams": 7}),
    ("1 oz", "", {"grams": 28}),
    ("28 g", "", {"grams": 28}),
    ("7g (14 x 0.5g)", "", {"grams": 7, "unit_count": 14}),
    ("14 x 0.5g (7g)", "", {"grams": 7, "unit_count": 14}),
    ("2.1g Pre-rolls (3pk)", "", {"grams": 2.1, "unit_count": 3}),
    ("0.5g 3-pack", "", None),
    ("3.5", "", None),
    ("", "", None),
    ("0g", "", None),
    ("10 mg", "Edibles", None),
    ("500mg", "Vapes", {"grams": 0.5}),
    ("25mL Bottle", "", {"milliliters": 25}),
    ("12 fl oz", "", {"milliliters": 354.88}),
    ("0.35 g × 10", "", {"grams": 3.5, "unit_count": 10}),
    ("10x0.35g", "", {"grams": 3.5, "unit_count": 10}),
    ("1kg", "", {"grams": 1000}),
    ("4 pieces", "Edibles", {"unit_count": 4}),
    ("Single", "", {"unit_count": 1}),
    ("1 unit", "", {"unit_count": 1}),
    ("5 Seeds", "", {"unit_count": 5}),
    ("5 graines", "", {"unit_count": 5}),
    ("2 x 0.5g pre-rolls", "", {"grams": 1, "unit_count": 2}),
    ("1 x 1g", "", {"grams": 1}),
    ("28.0 g", "", {"grams": 28}),
    ("15g", "", {"grams": 15}),
    ("1,000 mg", "Vapes", {"grams": 1}),
    ("1.0g", "", {"grams": 1}),
    ("1.2 g cartridge", "Vapes", {"grams": 1.2}),
    ("30 mL / 28 g", "", None),
    ("1000 ml", "", {"milliliters": 1000}),
    ("3.5g_", "", {"grams": 3.5}),
    ("1.5g (3 x 0.5g)", "", {"grams": 1.5, "unit_count": 3}),
    ("5g hash", "", {"grams": 5}),
    ("2g - 4 x 0.5g", "", {"grams": 2, "unit_count": 4}),
    ("7 × 0,35 g (2,45 g)", "", {"grams": 2.45, "unit_count": 7}),
]
TYPES = [
    ("Hybride à dominance indica", "indica_dominant"),
    ("Indica-dominant hybrid", "indica_dominant"),
    ("Hybrid - Sativa Dominant", "sativa_dominant"),
    ("Dominance sativa", "sativa_dominant"),
    ("60% Sativa / 40% Indica", "sativa_dominant"),
    ("50/50 Hybrid", "hybrid"),
    ("50% indica 50% sativa", "hybrid"),
    ("Hybride équilibré", "hybrid"),
    ("Balanced Hybrid", "hybrid"),
    ("Indica/Sativa", None),
    ("Mélange", "blend"),
    ("CBD", None),
    ("N/A", None),
    ("indica", "indica"),
    ("SATIVA", "sativa"),
    ("Hybrid", "hybrid"),
    ("Indica leaning hybrid", "indica_dominant"),
    ("High CBD", None),
    ("100% indica", "indica"),
    ("hybride", "hybrid"),
    ("sativa dom", "sativa_dominant"),
    ("indica dominant", "indica_dominant"),
    ("Sativa-Dominant", "sativa_dominant"),
    ("Indica Hybrid", "indica_dominant"),
    ("mostly sativa", "sativa_dominant"),
    ("not indica", None),
    ("Hybride Sativa", "sativa_dominant"),
    ("ruderalis", None),
]
NAMES = [
    ("PINK KUSH 3.5G", "", "Pink Kush"),
    ("STiCKS Cherry Pie Kush [3.5g]", "STiCKS", "Cherry Pie Kush"),
    ("Black Bottle - Midnight Guava (1000mg)", "Korova", "Black Bottle - Midnight Guava"),
    ("Spinach GMO Cookies", "Spinach", "GMO Cookies"),
    ("GMO COOKIES", "", "GMO Cookies"),
    ("Pink Kush - 7g", "", "Pink Kush"),
    ("Redecan - Redees Wappa Pre-Roll 10 x 0.4g", "Redecan", "Redees Wappa Pre-Roll"),
    ("Wappa 49", "", "Wappa 49"),
    ("Early Glue RBx1 #15", "", "Early Glue RBx1 #15"),
    ("PURPLE PUG", "", "Purple Pug"),
    ("1964 Comatose", "1964", "Comatose"),
    ("Good Supply Jean Guy Pre-Roll 3 pack", "Good Supply", "Jean Guy Pre-Roll"),
    ("MK ULTRA", "", "MK Ultra"),
    ("BLUE DREAM 28G", "Tweed", "Blue Dream"),
    ("Fleur séchée Rosé Élan 3,5 g", "", "Fleur séchée Rosé Élan"),
    ("Vape Cartridge 1g - Blue Dream", "", "Vape Cartridge - Blue Dream"),
    ("510 Thread Cartridge", "", "510 Thread Cartridge"),
    ("No. 417 Indigo Daze", "", "No. 417 Indigo Daze"),
    ("C99 Haze", "", "C99 Haze"),
    ("AK-47", "", "AK-47"),
    ("OS.INDICA", "", "OS.INDICA"),
    ("KEEF'S OG", "", "Keef's OG"),
    ("Blue Dream by Tweed", "Tweed", "Blue Dream"),
    ("Pink Kush (Indica) 3.5g", "", "Pink Kush (Indica)"),
    ("Gummies 10mg THC", "", "Gummies"),
    ("Back Forty 40s Animal Rntz", "Back Forty", "40s Animal Rntz"),
    ("5 Alive", "", "5 Alive"),
    ("THC", "", "THC"),
    ("24k Gold 3.5g", "Namaste", "24k Gold"),
    ("2 Pack Sour Cherry Gummies", "", "Sour Cherry Gummies"),
    ("Sativa 1:1 10mL", "", "Sativa 1:1"),
]


@pytest.mark.parametrize(("kind", "raw", "category", "column", "expected"), POTENCIES)
def test_potency(kind: str, raw: str, category: str, column: str, expected: Any) -> None:
    cleaned = clean_string(kind=kind, raw=raw, context={"category": category, "column": column})
    if expected is None:
        assert cleaned.result is None
        assert cleaned.refused
    elif expected[0] == "mg":
        assert (cleaned.result["mg"], cleaned.result["per"]) == expected[1:]
        assert cleaned.result["min"] is cleaned.result["max"] is None
    else:
        assert (cleaned.result["min"], cleaned.result["max"]) == expected
        assert cleaned.result["mg"] is None


@pytest.mark.parametrize(("raw", "category", "expected"), SIZES)
def test_size(raw: str, category: str, expected: dict[str, float] | None) -> None:
    cleaned = clean_string(kind="weight", raw=raw, context={"category": category})
    size = cleaned.result and {
        name: value for name, value in cleaned.result.items() if value is not None
    }
    assert (size, bool(cleaned.refused)) == (expected, expected is None)


@pytest.mark.parametrize(("raw", "expected"), TYPES)
def test_strain_type(raw: str, expected: str | None) -> None:
    assert clean_string(kind="strain_type", raw=raw).result == expected


@pytest.mark.parametrize(("raw", "brand", "expected"), NAMES)
def test_name(raw: str, brand: str, expected: str) -> None:
    cleaned = clean_string(kind="name", raw=raw, context={"brand": brand})

    assert cleaned.result["name"] == expected

    again = clean_string(kind="name", raw=expected, context={"brand": brand})

    assert again.result["name"] == expected


_WRITTEN = st.text(
    alphabet="0123456789.,%-–<>≤+x×:/[]() mgGlLMzZoOkKpPéàTHCBDthcbd\u00a0", max_size=30
)


@given(
    st.sampled_from(STRING_KINDS),
    _WRITTEN,
    st.sampled_from(["", "Edibles", "Dried Flower", "Vapes", "Beverages"]),
)
def test_any_text_is_parsed_or_rejected(kind: str, raw: str, category: str) -> None:
    cleaned = clean_string(kind=kind, raw=raw, context={"category": category})
    assert (cleaned.result is None) == (cleaned.refused is not None)
    if kind in ("thc", "cbd") and cleaned.result:
        low, high = cleaned.result["min"], cleaned.result["max"]
        assert low is None or 0 <= low <= 100
        assert high is None or low <= high <= 100
        assert (cleaned.result["mg"] is None) != (low is None)


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ("price", "1 029,90 $", 1029.9),
        ("stock", "In stock (12)", {"in_stock": True, "quantity": 12.0}),
        ("stock", "VRAI", {"in_stock": True, "quantity": None}),
        ("category", "Fleurs séchées", "dried_flower"),
    ],
)
def test_price_stock_and_category(kind: str, raw: str, expected: Any) -> None:
    assert clean_string(kind=kind, raw=raw).result == expected


@pytest.mark.parametrize(
    ("kind", "raw"), [("price", "€5"), ("stock", "maybe"), ("category", "Pet")]
)
def test_price_stock_or_category_that_cannot_be_read_is_rejected(kind: str, raw: str) -> None:
    assert clean_string(kind=kind, raw=raw).refused


def test_ambiguous_comma_in_french_is_rejected() -> None:
    assert (
        clean_string(
            kind="thc", raw="1,000 mg", language="en", context={"category": "Vapes"}
        ).result["mg"]
        == 1000
    )
    assert clean_string(
        kind="thc", raw="1,000 mg", language="fr", context={"category": "Vapes"}
    ).refused


def test_command_prints_a_result_per_line(tmp_path: Path) -> None:
    file = tmp_path / "strings.jsonl"
    strings = [
        {"id": 7, "kind": "thc", "raw": "18 – 24 %"},
        {"id": "b", "kind": "strain_type", "raw": "n/a"},
    ]
    file.write_text("\n".join(json.dumps(line) for line in strings) + "\n")
    out = StringIO()
    call_command("clean_strings", str(file), stdout=out)
    results = [json.loads(line) for line in out.getvalue().splitlines()]

    assert results[0] == {
        "id": 7,
        "result": {"min": 18.0, "max": 24.0, "mg": None, "per": None},
        "flags": [],
        "refused": None,
    }
    assert (results[1]["id"], results[1]["result"], results[1]["refused"]) == (
        "b",
        None,
        "has no value",
    )


def test_command_prints_lines_that_differ_from_earlier_results(tmp_path: Path) -> None:
    strings = tmp_path / "strings.jsonl"
    strings.write_text(
        '{"id": 1, "kind": "thc", "raw": "l8%"}\n'
        '{"id": 2, "kind": "strain_type", "raw": "indica"}\n'
    )
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_text('{"id": 1, "result": {"min": 8}}\n{"id": 2, "result": "indica"}\n')
    out = StringIO()

    call_command("clean_strings", str(strings), against=str(earlier), stdout=out)

    (difference,) = [json.loads(line) for line in out.getvalue().splitlines()]
    assert (difference["id"], difference["before"], difference["result"]) == (1, {"min": 8}, None)


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"id": 1}', '{"id": 1, "kind": "smell", "raw": "x"}', '{"kind": "thc", "raw": 5}'],
)
def test_command_reports_the_number_of_an_invalid_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "strings.jsonl"
    file.write_text(line)

    with pytest.raises(CommandError, match="line 1") as failed:
        call_command("clean_strings", str(file))
    assert failed.value.returncode == 2
