"""Enrichment: a whole name finds its strain, part of one does not; a supplier's own words win."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.ingest.enrichment import enrich_listing, find_strain
from catalog.ingest.records import CleanListing
from catalog.reference.strains import strains
from catalog.reference.terpenes import terpenes


def _listing(**facts: Any) -> CleanListing:
    known: dict[str, Any] = {
        "source": "ocs", "external_id": "1", "language": "en", "merge_key": "k", "name": "Blue Dream",
        "raw_name": "Blue Dream", "brand": None, "producer": None, "sku": None, "gtin": None,
        "category": "dried-flower", "strain_type": None, "thc": None, "cbd": None, "weight_grams": None,
        "pieces": None, "price": Decimal(1), "price_kind": "retail", "url": None,
    }  # fmt: skip
    return CleanListing(**{**known, **facts})


@pytest.mark.parametrize("name", ["Wedding Cake", "wedding-cake Pre-Roll", "Wedding Cake Flower", "WEDDING CAKE"])
def test_whole_name_finds_its_strain(name: str) -> None:
    strain = find_strain(name)
    assert strain is not None
    assert strain.parents == ("Triangle Kush", "Animal Mints")


@pytest.mark.parametrize("name", ["Strawberry Cake", "Wedding Cake Strawberry Kiwi", "Indica Blend", ""])
def test_part_of_a_name_finds_nothing(name: str) -> None:
    assert find_strain(name) is None


def test_laboratory_means_fill_what_the_supplier_leaves_open() -> None:
    enriched = enrich_listing(_listing())
    assert (enriched.strain, enriched.lineage, enriched.terpene_basis) == (
        "Blue Dream",
        ("Blueberry", "Haze"),
        "strain-mean",
    )
    assert enriched.terpenes
    assert enrich_listing(enriched) == enriched


def test_terpenes_the_supplier_names_win() -> None:
    enriched = enrich_listing(_listing(terpenes=("Limonene", "no such thing")))
    assert (enriched.terpenes, enriched.terpene_basis) == (("limonene",), "supplier")


def test_what_is_no_flower_has_no_strain() -> None:
    assert enrich_listing(_listing(category="beverages")).strain is None


def test_tables_speak_of_terpenes_that_exist() -> None:
    assert {terpene for strain in strains().values() for terpene in strain.terpenes} <= set(terpenes())
    assert all(len(strain.parents) != 1 for strain in strains().values())
