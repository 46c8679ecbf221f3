"""Enrichment: what the reference tables know of the strain a listing names. Rather nothing than a wrong strain."""

from dataclasses import replace

from catalog.ingest.records import CleanListing
from catalog.reference.strains import Strain, fold, strains
from catalog.reference.terpenes import terpene_key

_GENETIC = frozenset({"dried-flower", "pre-rolls", "vapes", "extracts"})
# Ends of a name that speak of its form, not of its strain.
_FORMS = (
    "pre-roll",
    "pre-rolls",
    "préroulé",
    "préroulés",
    "milled",
    "vape",
    "cartridge",
    "flower",
    "whole flower",
    "grind",
)


def enrich_listing(listing: CleanListing) -> CleanListing:
    """Fill strain, terpenes, lineage and effects; a supplier's own terpenes win. Twice is the same as once."""
    claimed = tuple(dict.fromkeys(key for name in listing.terpenes if (key := terpene_key(name))))
    strain = find_strain(listing.name) if listing.category in _GENETIC else None
    has_claim = bool(claimed) and listing.terpene_basis != "strain-mean"
    if has_claim:
        terpenes, basis = claimed, "supplier"
    elif strain and strain.terpenes:
        terpenes, basis = strain.terpenes, "strain-mean"
    else:
        terpenes, basis = (), None
    return replace(
        listing,
        terpenes=terpenes,
        terpene_basis=basis,
        strain=strain.name if strain else None,
        lineage=strain.parents if strain else (),
        effects=strain.effects if strain else (),
    )


def find_strain(name: str) -> Strain | None:
    """Return the strain whose whole name this is, form words aside; None for any other name."""
    words = name.lower()
    for form in sorted(_FORMS, key=len, reverse=True):
        words = words.removesuffix(form).strip(" -")
    return strains().get(fold(words))
