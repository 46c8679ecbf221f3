"""Who may see which field of a product: said once, for answers, exports and what is encoded for search."""

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
    "mg_unit",
    "weight_grams",
    "volume_ml",
    "dried_grams",
    "pieces",
    "price",
    "terpenes",
    "terpene_basis",
    "updated_at",
)
# Effects are for staff only (Cannabis Act, s. 17).
_STAFF = ("source", "effects", "effects_basis")

PRODUCT_FIELDS: Final[dict[str, Audience]] = {
    **dict.fromkeys(_VERIFIED, Audience.VERIFIED),
    **dict.fromkeys(_STAFF, Audience.STAFF),
}
