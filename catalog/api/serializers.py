"""What of a product leaves, and what of it may be sent."""

from typing import ClassVar

from rest_framework import serializers

from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE
from config.access import Audience
from config.api import AudienceSerializer


class ProductSerializer(AudienceSerializer):
    """A product; effects are for staff only (Cannabis Act s. 17)."""

    audiences: ClassVar = PRODUCT_FIELDS

    class Meta:
        model = Product
        fields = tuple(PRODUCT_FIELDS)
        read_only_fields = fields


class ProductValuesSerializer(AudienceSerializer):
    """Values that a client sends of a product, and why."""

    audiences: ClassVar = dict.fromkeys((*CORRECTABLE, "reason"), Audience.STAFF)
    reason = serializers.CharField(required=False, help_text="why it is changed; kept in the history")

    class Meta:
        model = Product
        fields = (*CORRECTABLE, "reason")
