"""Audience of each product field, for API responses, exports and embeddings."""

from typing import Final

from config.api.keys import Audience

_VERIFIED = (
    "id",
    "name",
    "name_fr",
    "brand",
    "sku",
    "gtin",
    "category",
    "strain_type",
    "strain",
    "lineage",
    "thc_percentage",
    "thc_percentage_low",
    "thc_percentage_high",
    "cbd_percentage",
    "cbd_percentage_low",
    "cbd_percentage_high",
    "thc_mg",
    "cbd_mg",
    "mg_basis",
    "weight_grams",
    "volume_ml",
    "dried_equivalent_grams",
    "unit_count",
    "price",
    "terpenes",
    "terpene_source",
    "updated_at",
)
# Effects are for staff only (Cannabis Act, s. 17).
_STAFF = ("source", "effects", "effects_source")

PRODUCT_FIELDS: Final[dict[str, Audience]] = {
    **dict.fromkeys(_VERIFIED, Audience.VERIFIED),
    **dict.fromkeys(_STAFF, Audience.STAFF),
}

SEARCHED_PRODUCT_FIELDS: Final[dict[str, Audience]] = {
    **PRODUCT_FIELDS,
    "highlights": Audience.VERIFIED,
    "score": Audience.STAFF,
    "score_components": Audience.STAFF,
}
"""Fields of products in search results."""

SIMILAR_PRODUCT_FIELDS: Final[dict[str, Audience]] = {
    **PRODUCT_FIELDS,
    "reasons": Audience.VERIFIED,
    "score": Audience.STAFF,
    "score_components": Audience.STAFF,
}
"""Fields of products similar to another."""
