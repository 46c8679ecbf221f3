"""Matching on hand-labeled pairs of real menus: merged pairs are the same product."""

import csv
from collections import Counter
from pathlib import Path

from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.records import ProductRecord
from catalog.matching import MatchCandidate, compare_products
from catalog.models import Product
from catalog.services.duplicates import match_candidate

PAIRS = Path(__file__).parents[2] / "samples" / "duplicate_pairs.csv"


def test_precision_and_recall_of_merges() -> None:
    """Label `unclear`: not decidable from the texts, so that merging would be a guess."""
    with PAIRS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    bands = Counter(
        (row["label"], compare_products(_candidate(row, "left"), _candidate(row, "right")).band)
        for row in rows
    )
    labels = Counter(row["label"] for row in rows)
    merged = sum(count for (_, band), count in bands.items() if band == "same")

    assert (labels["same"], labels["different"], labels["unclear"]) == (55, 210, 25)
    assert bands["different", "same"] == 0
    assert bands["same", "same"] / merged >= 0.96
    assert bands["same", "same"] / labels["same"] >= 0.7
    assert (bands["same", "same"] + bands["same", "review"]) / labels["same"] >= 0.95
    assert bands["different", "review"] / labels["different"] <= 0.03


def _candidate(row: dict[str, str], side: str) -> MatchCandidate:
    values = {
        name.removeprefix(f"{side}_"): value for name, value in row.items() if name.startswith(side)
    }
    record = ProductRecord(
        source=values["list"],
        external_id=side,
        language=values["language"],
        price_kind="retail",
        payload={},
        price=None,
        name=values["name"],
        brand=values["brand"],
        category=values["category"],
        size=values["size"],
        gtin=values["gtin"],
        strain_type=values["strain_type"],
        thc=values["thc"],
        cbd=values["cbd"],
    )
    listing = clean_listing(record)
    product = Product(
        merge_key=listing.merge_key,
        name=listing.name,
        brand=listing.brand,
        gtin=listing.gtin,
        category=listing.category,
        strain_type=listing.strain_type,
        weight_grams=listing.weight_grams,
        volume_ml=listing.volume_ml,
        unit_count=listing.unit_count,
        measures=list(listing.measures),
    )
    for name, potency in (("thc", listing.thc), ("cbd", listing.cbd)):
        if potency and potency.unit == "percent":
            setattr(product, f"{name}_percentage_low", potency.low)
            setattr(product, f"{name}_percentage_high", potency.high)
        elif potency:
            setattr(product, f"{name}_mg", potency.high)
    return match_candidate(product, {})
