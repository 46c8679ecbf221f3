"""Matching of labeled offers of real menus, from the page of a platform to the decision."""

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from competitors.services.match_evaluation import (
    EvaluatedOffer,
    LabelsUnreadable,
    Result,
    evaluate_matching,
    read_labeled_offers,
    read_products,
    tally_by_group,
)
from tests.unit.competitors.reading import SAMPLES

OFFERS = SAMPLES / "labeled_offers.jsonl"
CATALOGUE = SAMPLES / "labeled_catalogue.jsonl"
_PRODUCT = {"id": "p1", "name": "Pink Kush", "brand": "Tweed", "category": "dried_flower"}
_OFFER: dict[str, Any] = {
    "id": "o1",
    "fold": "tuning",
    "platform": "shopify",
    "language": "en",
    "page": {
        "products": [
            {
                "id": 1,
                "title": "Pink Kush",
                "vendor": "Tweed",
                "product_type": "Dried Flower",
                "variants": [{"id": 11, "title": "3.5g", "price": "29.95", "available": True}],
            }
        ]
    },
    "record": "11",
    "right": ["p1"],
}


@pytest.fixture(scope="module")
def evaluated() -> list[EvaluatedOffer]:
    products = read_products(CATALOGUE.read_text(encoding="utf-8").splitlines())
    lines = OFFERS.read_text(encoding="utf-8").splitlines()
    return evaluate_matching(read_labeled_offers(lines, known=products), products)


def test_labels_are_many_and_hard(evaluated: list[EvaluatedOffer]) -> None:
    labels = Counter(item.labeled.label for item in evaluated)
    languages = Counter(item.labeled.offer.language for item in evaluated)

    assert labels == {"product": 166, "none": 205, "unclear": 27}
    assert languages == {"en": 319, "fr": 79}


def test_no_brand_is_in_both_halves(evaluated: list[EvaluatedOffer]) -> None:
    folds: dict[str, set[str]] = {}
    for item in evaluated:
        brand = "".join(filter(str.isalnum, item.labeled.offer.brand.lower()))
        folds.setdefault(brand, set()).add(item.labeled.fold)

    assert all(len(found) == 1 for found in folds.values())


@pytest.mark.parametrize(("group", "recall"), [("all", 0.6), ("held-out", 0.64), ("tuning", 0.57)])
def test_precision_and_recall_of_automatic_matches(
    evaluated: list[EvaluatedOffer], group: str, recall: float
) -> None:
    """Recall is low since many products of the catalogue state no dose: a person decides them."""
    tally = tally_by_group(evaluated)[group]

    assert tally.precision is not None
    assert tally.recall is not None
    assert tally.precision >= 0.99
    assert tally.recall >= recall
    assert tally.results[Result.AUTOMATIC_UNCLEAR] <= 2


def test_product_is_matched_proposed_or_found_by_search(evaluated: list[EvaluatedOffer]) -> None:
    tally = tally_by_group(evaluated)["all"]
    missed = tally.results[Result.PROPOSED_WITHOUT] + tally.results[Result.UNMATCHED_WRONG]

    assert missed / tally.labels["product"] <= 0.02
    assert tally.results[Result.PROPOSED_NEEDLESSLY] / tally.labels["none"] <= 0.02


def test_french_offers_are_matched(evaluated: list[EvaluatedOffer]) -> None:
    tallies = tally_by_group(evaluated)

    assert (tallies["tuning, fr"].precision, tallies["held-out, fr"].precision) == (1, 1)
    assert (tallies["held-out, fr"].recall or 0) >= 0.68


def _write(path: Path, *lines: Any) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def test_command_prints_results_and_mistakes(tmp_path: Path) -> None:
    offers = _write(tmp_path / "offers.jsonl", _OFFER, {**_OFFER, "id": "o2", "right": []})
    catalogue = _write(
        tmp_path / "catalogue.jsonl", {**_PRODUCT, "weight_grams": "3.5"}, {**_PRODUCT, "id": "p2"}
    )
    out = io.StringIO()

    call_command(
        "evaluate_offer_matching",
        str(offers),
        catalogue=catalogue,
        mistakes="tuning",
        stdout=out,
    )

    assert "tuning, dried_flower" in out.getvalue()
    assert "o2: automatic, wrong: Pink Kush, Tweed, dried_flower, 3.5g" in out.getvalue()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("peach", "line 1: not JSON"),
        ("[1]", "line 1: not a JSON object"),
        ({"id": "o1"}, "line 1: not a labeled offer"),
        ({**_OFFER, "platform": "peach"}, "line 1: not a labeled offer"),
        ({**_OFFER, "record": "12"}, "line 1: the page has no record '12'"),
        ({**_OFFER, "page": {"items": []}}, "line 1: The answer has no list of products"),
        ({**_OFFER, "right": ["p9"]}, "line 1: unknown product p9"),
    ],
)
def test_line_that_is_no_labeled_offer_is_named(line: Any, error: str) -> None:
    text = line if isinstance(line, str) else json.dumps(line)

    with pytest.raises(LabelsUnreadable, match=error):
        read_labeled_offers([text], known=["p1"])


@pytest.mark.parametrize(
    ("product", "error"),
    [
        ({"id": "p1"}, "line 1: name: is missing"),
        ({"name": "Pink Kush"}, "line 1: not a product"),
        ({**_PRODUCT, "thc_mg": "many"}, "line 1: not a product"),
    ],
)
def test_line_that_is_no_product_is_named(product: dict[str, str], error: str) -> None:
    with pytest.raises(LabelsUnreadable, match=error):
        read_products([json.dumps(product)])


def test_unreadable_file_ends_the_command_with_code_2(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("evaluate_offer_matching", str(tmp_path / "missing.jsonl"))

    assert caught.value.returncode == 2
