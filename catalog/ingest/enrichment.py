"""
Enrichment of listings: strain, lineage, terpenes and effects.

An uncertain strain is left open: no strain is better than a wrong one.
"""

from dataclasses import replace
from typing import Any

from catalog.effects import predict_effects
from catalog.ingest.records import CleanListing
from catalog.ingest.strain_names import StrainMatch
from catalog.ingest.strains import strain_names
from catalog.reference.terpenes import terpene_key

_STRAIN_CATEGORIES = frozenset({"dried_flower", "pre_rolls", "vapes", "extracts"})
# Origins of terpenes that the source itself states; others were added by enrichment.
_LISTING_TERPENE_SOURCES = frozenset({"measured", "supplier"})


def enrich_listing(listing: CleanListing) -> CleanListing:
    """
    Return the listing with strain, terpenes, lineage and effects, each with its origin; idempotent.

    Terpenes: laboratory measurement of the product, else the supplier's statement, else the mean of
    the strain's laboratory samples. Effects: reported for the strain, else predicted by the model.
    A strain type that the supplier leaves open stays open: public claims of types are unreliable.
    """
    match = find_strain(listing)
    strain = match.strain if match else None
    terpenes, terpene_source = _terpenes(listing, match)
    effects = strain.effects if strain else ()
    effects_source = "reported" if effects else None
    if strain and not effects and (effects := predict_effects(strain)):
        effects_source = "model"
    facts: dict[str, Any] = {
        "terpenes": terpenes,
        "terpene_source": terpene_source,
        "strain": strain.name if strain else None,
        "strain_match": match.method if match else None,
        "lineage": strain.parents if strain else (),
        "effects": effects,
        "effects_source": effects_source,
    }
    # Copying a listing of 40 fields takes longer than comparing seven; most have no strain.
    changes = {name: value for name, value in facts.items() if getattr(listing, name) != value}
    return replace(listing, **changes) if changes else listing


def find_strain(listing: CleanListing) -> StrainMatch | None:
    """Return the strain named by the listing; None for categories not sold by strain."""
    if listing.category not in _STRAIN_CATEGORIES:
        return None
    may_be_flavor = listing.category == "vapes"
    return strain_names().find(listing.name, brand=listing.brand or "", may_be_flavor=may_be_flavor)


def _terpenes(
    listing: CleanListing, match: StrainMatch | None
) -> tuple[tuple[str, ...], str | None]:
    """Return terpene keys and their origin."""
    stated = tuple(dict.fromkeys(key for name in listing.terpenes if (key := terpene_key(name))))
    origin = listing.terpene_source or "supplier"
    if stated and origin in _LISTING_TERPENE_SOURCES:
        return stated, origin
    if match and match.strain.terpenes:
        return match.strain.terpenes, "strain_mean"
    return (), None
