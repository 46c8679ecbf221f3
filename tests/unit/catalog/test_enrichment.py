"""Enrichment: whole names match strains, parts do not; the supplier's terpenes take precedence."""

from decimal import Decimal
from typing import Any

import pytest

from catalog.ingest.enrichment import enrich_listing, find_strain
from catalog.ingest.records import CleanListing
from catalog.ingest.strain_names import StrainNames
from catalog.reference.strains import strains
from catalog.reference.terpenes import terpenes


@pytest.fixture(scope="module")
def reference_names() -> StrainNames:
    """Return the names of the reference tables."""
    return StrainNames(strains())


@pytest.fixture(autouse=True)
def _only_reference_strains(monkeypatch: pytest.MonkeyPatch, reference_names: StrainNames) -> None:
    """Use the reference tables without the strains that operators import into the database."""
    monkeypatch.setattr("catalog.ingest.enrichment.strain_names", lambda: reference_names)


def _listing(**facts: Any) -> CleanListing:
    known: dict[str, Any] = {
        "source": "ocs",
        "external_id": "1",
        "language": "en",
        "merge_key": "k",
        "name": "Blue Dream",
        "raw_name": "Blue Dream",
        "brand": None,
        "producer": None,
        "sku": None,
        "gtin": None,
        "category": "dried_flower",
        "strain_type": None,
        "thc": None,
        "cbd": None,
        "weight_grams": None,
        "unit_count": None,
        "price": Decimal(1),
        "price_kind": "retail",
        "url": None,
    }
    return CleanListing(**{**known, **facts})


@pytest.mark.parametrize(
    "name", ["Wedding Cake", "wedding-cake Pre-Roll", "Wedding Cake Flower", "WEDDING CAKE"]
)
def test_whole_name_matches_its_strain(name: str) -> None:
    match = find_strain(_listing(name=name))
    assert match is not None
    assert (match.strain.parents, match.method) == (("Triangle Kush", "Animal Mints"), "exact")


@pytest.mark.parametrize(
    "name", ["Strawberry Cake", "Wedding Cake Strawberry Kiwi", "Indica Blend", ""]
)
def test_part_of_a_name_matches_no_strain(name: str) -> None:
    assert find_strain(_listing(name=name)) is None


def test_laboratory_means_fill_missing_terpenes() -> None:
    enriched = enrich_listing(_listing())

    assert (enriched.strain, enriched.lineage, enriched.terpene_source) == (
        "Blue Dream",
        ("Blueberry", "Haze"),
        "strain_mean",
    )
    assert enriched.terpenes
    assert enrich_listing(enriched) == enriched


def test_terpenes_of_the_supplier_take_precedence() -> None:
    enriched = enrich_listing(_listing(terpenes=("Limonene", "no such thing")))
    assert (enriched.terpenes, enriched.terpene_source) == (("limonene",), "supplier")


def test_beverage_has_no_strain() -> None:
    assert enrich_listing(_listing(category="beverages")).strain is None


def test_reference_tables_contain_known_terpenes_only() -> None:
    assert {terpene for strain in strains().values() for terpene in strain.terpenes} <= set(
        terpenes()
    )
    assert all(len(strain.parents) != 1 for strain in strains().values())


def test_measured_terpenes_keep_their_origin_and_a_mean_stays_a_mean() -> None:
    measured = enrich_listing(_listing(terpenes=("Limonene",), terpene_source="measured"))

    assert (measured.terpenes, measured.terpene_source) == (("limonene",), "measured")

    mean = enrich_listing(_listing())

    assert enrich_listing(mean).terpene_source == "strain_mean"


def test_missing_strain_type_stays_open() -> None:
    assert enrich_listing(_listing(name="Acapulco Gold")).strain_type is None


def test_match_states_its_method() -> None:
    known = {
        name: find_strain(_listing(name=name))
        for name in ("Grand Daddy Purps", "Zkittles", "Blue Dream Fog")
    }
    assert {name: match.method if match else None for name, match in known.items()} == {
        "Grand Daddy Purps": "alias",
        "Zkittles": "close",
        "Blue Dream Fog": None,
    }


def test_flavor_of_a_vape_matches_no_strain() -> None:
    assert find_strain(_listing(name="Blueberry")) is not None
    assert find_strain(_listing(name="Blueberry", category="vapes")) is None
