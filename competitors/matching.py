"""Matching of offers: how an offer is described to the matching, and known by its description."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal

from catalog.ingest.cleaning.potency import read_potency
from catalog.ingest.vocabulary import plain_words
from catalog.matching import MatchCandidate, brand_key
from competitors.models import CompetitorOffer
from mlops.pipelines.errors import RecordRejected

ALIAS_REASON = "same description confirmed"
"""Reason of a match that a confirmation of the same description gives."""
Range = tuple[Decimal, Decimal]


def description_hash(offer: CompetitorOffer) -> str:
    """
    Return the SHA-256 of brand, name, size and category in normalized spelling.

    Without a brand the description holds for the competitor alone: other shops write other brands'
    products with the same words.
    """
    parts = (
        brand_key(offer.brand) or f"of {offer.competitor_id}",
        " ".join(plain_words(offer.name)),
        "".join(offer.size.lower().split()),
        offer.category,
    )
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def offer_candidate(
    offer: CompetitorOffer, brand_aliases: Mapping[str, str] | None = None
) -> MatchCandidate:
    """
    Return the attributes of an offer that are compared.

    brand_aliases: the brand that staff confirmed for a brand, by the key of the latter.
    """
    return MatchCandidate(
        merge_key=str(offer.pk),
        name=offer.name,
        language=offer.language,
        brand=(brand_aliases or {}).get(brand_key(offer.brand), offer.brand) or None,
        gtin=offer.gtin or None,
        category=offer.category or None,
        size=offer.size,
        thc_mg=offer.thc_mg,
        thc=_percent_range(offer, "thc"),
        cbd=_percent_range(offer, "cbd"),
    )


def _percent_range(offer: CompetitorOffer, name: str) -> Range | None:
    text = getattr(offer, name)
    if not text:
        return None
    try:
        reading = read_potency(
            text, field=name, language=offer.language, context={"category": offer.category}
        )
    except RecordRejected:
        return None
    return None if reading.low is None or reading.high is None else (reading.low, reading.high)
