"""Enrichment: what is known of the strain a listing names. Rather nothing than a wrong strain."""

from dataclasses import replace

from catalog.effects import predict_effects
from catalog.ingest.records import CleanListing
from catalog.ingest.strain_names import StrainMatch
from catalog.ingest.strains import strain_names
from catalog.reference.terpenes import terpene_key

_GENETIC = frozenset({"dried-flower", "pre-rolls", "vapes", "extracts"})
# What stands in a listing because a source says so, not because we have added it.
_CLAIMS = frozenset({"measured", "supplier"})


def enrich_listing(listing: CleanListing) -> CleanListing:
    """
    Fill strain, terpenes, lineage and effects, each with where it comes from. Twice is the same as once.

    Terpenes: what a laboratory measured, else what the supplier claims, else the mean of the strain's samples.
    Effects: what is reported of the strain, else what the model says of it. A type that the supplier leaves open stays
    open: what is told of a strain's type is worth too little.
    """
    match = find_strain(listing)
    strain = match.strain if match else None
    terpenes, basis = _terpenes(listing, match)
    effects = strain.effects if strain else ()
    effects_basis = "reported" if effects else None
    if strain and not effects and (effects := predict_effects(strain)):
        effects_basis = "model"
    return replace(
        listing,
        terpenes=terpenes,
        terpene_basis=basis,
        strain=strain.name if strain else None,
        strain_match=match.how if match else None,
        lineage=strain.parents if strain else (),
        effects=effects,
        effects_basis=effects_basis,
    )


def find_strain(listing: CleanListing) -> StrainMatch | None:
    """Return the strain that the listing's name means; None for what is not sold by its strain."""
    if listing.category not in _GENETIC:
        return None
    may_be_flavor = listing.category == "vapes"
    return strain_names().find(listing.name, brand=listing.brand or "", may_be_flavor=may_be_flavor)


def _terpenes(
    listing: CleanListing, match: StrainMatch | None
) -> tuple[tuple[str, ...], str | None]:
    claimed = tuple(dict.fromkeys(key for name in listing.terpenes if (key := terpene_key(name))))
    is_ours = listing.terpene_basis is not None and listing.terpene_basis not in _CLAIMS
    if claimed and not is_ours:
        return claimed, listing.terpene_basis or "supplier"
    if match and match.strain.terpenes:
        return match.strain.terpenes, "strain-mean"
    return (), None
