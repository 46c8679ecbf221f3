"""Gate of the cleaning rules on labeled strings of suppliers: shares may not get worse."""

from collections import Counter

import pytest

from catalog.ingest.cleaning.strings import CleanedString
from tests.samples.normalizer import LabeledString, Verdict, read_labels

LABELS = read_labels()
MIN_RIGHT = 0.98
MAX_WRONG = 0.005
# Counts of right strings and of wrong ones without a flag, by draw.
REACHED = {"1": (478, 0), "2": (284, 1), "3": (329, 0)}


def verdicts(draw: str) -> Counter[str]:
    return Counter(label.judge(label.clean()) for label in LABELS if label.draw == draw)


@pytest.mark.parametrize("draw", REACHED)
def test_shares_do_not_get_worse(draw: str) -> None:
    counts = verdicts(draw)

    right, wrong = REACHED[draw]
    assert (counts["right"] >= right, counts["wrong"] <= wrong) == (True, True), counts
    assert right >= MIN_RIGHT * counts.total()
    assert wrong <= MAX_WRONG * counts.total()


def label(kind: str, expected: str, *, brand: str = "") -> LabeledString:
    context = {"category": "", "column": "", "brand": brand}
    return LabeledString("1", kind, "test", "en", context, "", expected)


POTENCY = {"min": 20.0, "max": 20.0, "mg": None, "per": None}


@pytest.mark.parametrize(
    ("expected", "cleaned", "verdict"),
    [
        ("20%", CleanedString(result=POTENCY), "right"),
        ("20%", CleanedString(result=POTENCY, flags=("unit_assumed",)), "right"),
        ("2%", CleanedString(result=POTENCY), "wrong"),
        ("2%", CleanedString(result=POTENCY, flags=("unit_assumed",)), "flagged"),
        ("20%", CleanedString(refused="contains no amount"), "open"),
        ("-", CleanedString(refused="contains no amount"), "right"),
        ("-", CleanedString(result=POTENCY), "wrong"),
        ("-", CleanedString(result=POTENCY, flags=("unlabeled",)), "flagged"),
        ("?", CleanedString(result=POTENCY, flags=("unlabeled",)), "right"),
        ("?", CleanedString(result=POTENCY), "wrong"),
        ("?20%", CleanedString(refused="contains no amount"), "right"),
        ("?30%", CleanedString(result=POTENCY, flags=("unlabeled",)), "flagged"),
    ],
)
def test_reading_is_judged(expected: str, cleaned: CleanedString, verdict: Verdict) -> None:
    assert label("thc", expected).judge(cleaned) == verdict


@pytest.mark.parametrize(
    ("expected", "brand", "verdict"),
    [
        ("Acme :: Pink Kush", "", "right"),
        ("Pink Kush", "", "wrong"),
        ("Pink Kush", "Acme", "right"),
        ("Blue Dream || Pink Kush", "Acme", "right"),
    ],
)
def test_name_is_judged_with_the_brand_that_it_contains(
    expected: str, brand: str, verdict: Verdict
) -> None:
    cleaned = CleanedString(result={"brand": "Acme", "name": "Pink Kush"})

    assert label("name", expected, brand=brand).judge(cleaned) == verdict
