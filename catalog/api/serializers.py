"""What of a product leaves, and for whom."""

from typing import ClassVar

from catalog.models import Product
from config.access import Audience
from config.api import AudienceSerializer

_VERIFIED = (
    "id", "name", "name_fr", "brand", "sku", "gtin", "category", "strain_type", "strain", "lineage",
    "thc_percentage", "thc_percentage_low", "thc_percentage_high", "cbd_percentage", "cbd_percentage_low",
    "cbd_percentage_high", "thc_mg", "cbd_mg", "mg_unit", "weight_grams", "volume_ml", "dried_grams", "pieces", "price",
    "terpenes", "terpene_basis", "updated_at",
)  # fmt: skip
_STAFF = ("source", "effects", "effects_basis")


class ProductSerializer(AudienceSerializer):
    """A product; effects are for staff only (Cannabis Act s. 17)."""

    audiences: ClassVar = {
        **dict.fromkeys(_VERIFIED, Audience.VERIFIED),
        **dict.fromkeys(_STAFF, Audience.STAFF),
    }

    class Meta:
        model = Product
        fields = (*_VERIFIED, *_STAFF)
        read_only_fields = fields
