"""What of a product leaves, and what of it may be sent."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE
from catalog.search.highlighting import highlights
from config.api.conventions import AnswerSerializer, AudienceSerializer
from config.api.keys import Audience


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
    reason = serializers.CharField(
        required=False, help_text="why it is changed; kept in the history"
    )

    class Meta:
        model = Product
        fields = (*CORRECTABLE, "reason")


class FoundProductSerializer(AudienceSerializer):
    """A product that was found, with the words that found it; staff see the score and what it is made of."""

    audiences: ClassVar = {
        **PRODUCT_FIELDS,
        "highlights": Audience.VERIFIED,
        "score": Audience.STAFF,
        "scoring": Audience.STAFF,
    }
    highlights = serializers.SerializerMethodField(
        help_text="fields with <mark> around words that were asked for"
    )
    score = serializers.SerializerMethodField()
    scoring = serializers.SerializerMethodField(
        help_text="rank and cosine by leg, share of words, fit, business weights"
    )

    class Meta:
        model = Product
        fields = (*PRODUCT_FIELDS, "highlights", "score", "scoring")
        read_only_fields = fields

    def get_highlights(self, product: Product) -> dict[str, str]:
        """Return marked fields."""
        return highlights(product, self.context.get("words", ()))

    def get_score(self, product: Product) -> float | None:
        """Return the fused score, 0 to 1 before business weights."""
        candidate = self.context.get("candidates", {}).get(str(product.pk))
        return round(candidate.score, 4) if candidate else None

    def get_scoring(self, product: Product) -> dict[str, Any]:
        """Return what the score is made of."""
        candidate = self.context.get("candidates", {}).get(str(product.pk))
        if candidate is None:
            return {}
        return {
            "ranks": candidate.ranks,
            "cosines": {leg: round(score, 4) for leg, score in candidate.scores.items()},
            "share": round(candidate.share, 4),
            "fit": round(candidate.fit, 4),
            "business": candidate.business,
            "exact": candidate.is_exact,
        }


@extend_schema_serializer(many=False)  # it answers a list, and is none
class SearchAnswerSerializer(AnswerSerializer):
    """What was found, how the question was understood, and counts by facet."""

    audiences: ClassVar = dict.fromkeys(
        (
            "total",
            "count",
            "next",
            "legs",
            "understood",
            "given_up",
            "did_you_mean",
            "facets",
            "results",
        ),
        Audience.VERIFIED,
    )
    total = serializers.IntegerField(help_text="products that answer, on all pages")
    count = serializers.IntegerField(help_text="products on this page")
    next = serializers.CharField(allow_null=True, help_text="cursor of the next page")
    legs = serializers.ListField(
        child=serializers.CharField(), help_text="what took part in finding and ordering"
    )
    understood = serializers.ListField(
        child=serializers.DictField(),
        help_text="what the question says of price, potency, size …; `ignore` their keys",
    )
    given_up = serializers.ListField(
        child=serializers.CharField(), help_text="keys given up, as nothing met them all"
    )
    did_you_mean = serializers.CharField(
        allow_null=True, help_text="the question with its spelling mended; it was used"
    )
    facets = serializers.DictField(child=serializers.ListField(child=serializers.DictField()))
    results = FoundProductSerializer(many=True)


class SimilarProductSerializer(AudienceSerializer):
    """A product like another, with the facts they share; staff see what makes the cosine."""

    audiences: ClassVar = {
        **PRODUCT_FIELDS,
        "reasons": Audience.VERIFIED,
        "score": Audience.STAFF,
        "breakdown": Audience.STAFF,
    }
    reasons = serializers.SerializerMethodField(help_text="facts that both share")
    score = serializers.SerializerMethodField()
    breakdown = serializers.SerializerMethodField(
        help_text="parts of the cosine: text, chemistry, type, price, names"
    )

    class Meta:
        model = Product
        fields = (*PRODUCT_FIELDS, "reasons", "score", "breakdown")
        read_only_fields = fields

    def get_reasons(self, product: Product) -> list[dict[str, Any]]:
        """Return what both share."""
        return list(self.context["likeness"][str(product.pk)].reasons)

    def get_score(self, product: Product) -> float:
        """Return the cosine."""
        return float(round(self.context["likeness"][str(product.pk)].score, 4))

    def get_breakdown(self, product: Product) -> dict[str, float]:
        """Return what makes the cosine."""
        parts = self.context["likeness"][str(product.pk)].breakdown
        return {name: round(value, 4) for name, value in parts.items()}


class SimilarAnswerSerializer(AnswerSerializer):
    """Products like another, or near a picture or a vector."""

    audiences: ClassVar = {"count": Audience.VERIFIED, "results": Audience.VERIFIED}
    count = serializers.IntegerField()
    results = SimilarProductSerializer(many=True)


class NearAnswerSerializer(AnswerSerializer):
    """Products near a picture or a vector."""

    audiences: ClassVar = {"count": Audience.VERIFIED, "results": Audience.VERIFIED}
    count = serializers.IntegerField()
    results = ProductSerializer(many=True)


class VectorQuestionSerializer(AnswerSerializer):
    """A vector to search by."""

    audiences: ClassVar = dict.fromkeys(("collection", "vector", "stamp", "limit"), Audience.STAFF)
    collection = serializers.ChoiceField(
        choices=("product_embeddings", "product_texts"), default="product_embeddings"
    )
    vector = serializers.ListField(child=serializers.FloatField(), min_length=1, max_length=2048)
    stamp = serializers.CharField(
        max_length=16, help_text="of what made the vector; another than the index's is refused"
    )
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class ImageQuestionSerializer(AnswerSerializer):
    """A picture to search by."""

    audiences: ClassVar = dict.fromkeys(("image", "limit"), Audience.VERIFIED)
    image = serializers.FileField(help_text="PNG, JPEG or WebP, 5 MB at most")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
