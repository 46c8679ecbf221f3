"""What of a product leaves, and for whom."""

from typing import ClassVar

from catalog.models import Product
from config.access import Audience
from config.api import AudienceSerializer


class ProductSerializer(AudienceSerializer):
    """A product; effects are for staff only (Cannabis Act s. 17)."""

    audiences: ClassVar = {
        **dict.fromkeys(
            (
                "id", "name", "name_fr", "brand", "sku", "gtin", "category", "strain_type", "strain", "lineage",
                "thc_percentage", "thc_percentage_low", "thc_percentage_high", "cbd_percentage", "cbd_percentage_low",
                "cbd_percentage_high", "weight_grams", "pieces", "price", "terpenes", "terpene_basis", "updated_at",
            ),
            Audience.VERIFIED,
        ),
        "source": Audience.STAFF,
        "effects": Audience.STAFF,
    }  # fmt: skip

    class Meta:
        model = Product
        fields = (
            "id", "name", "name_fr", "brand", "sku", "gtin", "category", "strain_type", "strain", "lineage",
            "thc_percentage", "thc_percentage_low", "thc_percentage_high", "cbd_percentage", "cbd_percentage_low",
            "cbd_percentage_high", "weight_grams", "pieces", "price", "terpenes", "terpene_basis", "updated_at",
            "source", "effects",
        )  # fmt: skip
        read_only_fields = fields
