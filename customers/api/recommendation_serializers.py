"""Serializers of recommendations and of feedback on them."""

from functools import cache
from typing import Any, ClassVar

from rest_framework import serializers

from catalog.api.serializers import PRODUCT_FIELD_HELP, ProductSerializer
from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from config.api.keys import Audience
from config.api.serializers import ModelResponseSerializer, ResponseSerializer
from customers.models import RecommendationFeedback, Scenario
from customers.recommendations import (
    FALLBACK_LEVELS,
    FallbackLevel,
    RecommendationResult,
    RecommendedProduct,
)

MAX_FEEDBACK_ITEMS = 100


def _visible_to(audience: Audience, *fields: str) -> dict[str, Audience]:
    return dict.fromkeys(fields, audience)


class RecommendationReasonSerializer(ResponseSerializer):
    """A fact that explains why a product is recommended."""

    audiences: ClassVar = _visible_to(
        Audience.VERIFIED, "type", "value", "text", "similar_to_product_id"
    )
    type = serializers.CharField(
        help_text="Reason type, for example `previously_purchased`, `same_brand` or `price_band`."
    )
    value = serializers.CharField(
        allow_blank=True,
        help_text="Value of the reason, for example a brand; empty if it has none.",
    )
    text = serializers.CharField(help_text="Reason as a short text in the response language.")
    similar_to_product_id = serializers.UUIDField(
        allow_null=True,
        help_text="Product of the history, page or basket that shares the value; null if none.",
    )


class RecommendationRuleSerializer(ResponseSerializer):
    """A staff rule that changed the score of a product."""

    audiences: ClassVar = _visible_to(Audience.STAFF, "name", "action", "reason")
    name = serializers.CharField(help_text="Name of the rule.")
    action = serializers.CharField(help_text="Action of the rule: `boost` or `demote`.")
    reason = serializers.CharField(help_text="Reason that staff gave for the rule.")


class RecommendedProductSerializer(ModelResponseSerializer):
    """
    A recommended product with the reasons for it; staff also see the score and the rules.

    Only the OpenAPI schema uses this class; `serialize_recommendations` produces the response.
    """

    audiences: ClassVar = {
        **PRODUCT_FIELDS,
        "reasons": Audience.VERIFIED,
        "score": Audience.STAFF,
        "score_components": Audience.STAFF,
        "rules": Audience.STAFF,
    }
    reasons = RecommendationReasonSerializer(
        many=True, help_text="Up to four reasons, the strongest first."
    )
    score = serializers.FloatField(help_text="Final ranking score; higher ranks first.")
    score_components = serializers.DictField(
        child=serializers.FloatField(),
        help_text=(
            "Contribution of each candidate source to the score: `repurchase`, `co_purchase`, "
            "`embedding_similarity`, `popularity`, `newness`."
        ),
    )
    rules = RecommendationRuleSerializer(
        many=True, help_text="Staff rules that boosted or demoted the product."
    )

    class Meta:
        model = Product
        fields = (*PRODUCT_FIELDS, "reasons", "score", "score_components", "rules")
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            name: {"help_text": text} for name, text in PRODUCT_FIELD_HELP.items()
        }


class FallbackSerializer(ResponseSerializer):
    """Fallback level and reasons of a recommendation response."""

    audiences: ClassVar = _visible_to(Audience.VERIFIED, "level", "reasons")
    level = serializers.ChoiceField(
        choices=[level.code for level in FallbackLevel],
        help_text=(
            "`none`: complete result; `degraded`: a service was unavailable; `not_personalized`: "
            "the history of the customer was not used; `popular`: popular products only; `empty`: "
            "no products."
        ),
    )
    reasons = serializers.ListField(
        child=serializers.ChoiceField(choices=list(FALLBACK_LEVELS)),
        help_text="Why the response degraded; empty for level `none`.",
    )


class RecommendationSerializer(ResponseSerializer):
    """A recommendation response."""

    audiences: ClassVar = {
        **_visible_to(
            Audience.VERIFIED,
            "recommendation_id",
            "scenario",
            "title",
            "is_personalized",
            "model_version",
            "fallback",
            "created_at",
            "results",
        ),
        "applied_filters": Audience.STAFF,
    }
    recommendation_id = serializers.UUIDField(
        help_text="Identifier of this response, to be sent with feedback."
    )
    scenario = serializers.ChoiceField(
        choices=Scenario.Name.choices, help_text="Scenario that was requested."
    )
    title = serializers.CharField(
        help_text="Heading for the recommended products in the response language."
    )
    is_personalized = serializers.BooleanField(
        help_text=(
            "Whether the history of the customer was used; only with the consents `history` and "
            "`profiling`."
        )
    )
    model_version = serializers.CharField(
        help_text="Version of the ranking, `recommendation-…` of the trained model or `blend-…` of "
        "fixed weights, then the number of the statistics."
    )
    applied_filters = serializers.ListField(
        child=serializers.CharField(), help_text="Hard filters that every product passed."
    )
    fallback = FallbackSerializer(help_text="Whether and why the response degraded.")
    created_at = serializers.DateTimeField(
        help_text="Time at which the response was computed; earlier than now for a cached one."
    )
    results = RecommendedProductSerializer(
        many=True, help_text="Recommended products, the best first."
    )


class RecommendationFeedbackItemSerializer(ResponseSerializer):
    """An outcome of one recommended product."""

    audiences: ClassVar = _visible_to(Audience.VERIFIED, "product_id", "type")
    product_id = serializers.UUIDField(help_text="Product of the recommendation response.")
    type = serializers.ChoiceField(
        choices=RecommendationFeedback.Kind.choices,
        help_text="Outcome: the product was shown, clicked or bought.",
    )


class RecommendationFeedbackSerializer(ResponseSerializer):
    """Feedback on the products of a recommendation response."""

    audiences: ClassVar = _visible_to(
        Audience.VERIFIED, "recommendation_id", "session_id", "feedback"
    )
    recommendation_id = serializers.UUIDField(
        help_text="Identifier of the recommendation response."
    )
    session_id = serializers.CharField(
        max_length=100,
        default="",
        allow_blank=True,
        help_text=(
            "Session in which the products were shown. Each outcome counts once per session; "
            "without a session, once in all."
        ),
    )
    feedback = RecommendationFeedbackItemSerializer(  # type: ignore[call-arg]  # max_length: of the list
        many=True,
        allow_empty=False,
        max_length=MAX_FEEDBACK_ITEMS,
        help_text=f"Outcomes, 1 to {MAX_FEEDBACK_ITEMS}.",
    )


class RecordedFeedbackSerializer(ResponseSerializer):
    """Result of recording feedback."""

    audiences: ClassVar = _visible_to(Audience.VERIFIED, "recommendation_id", "recorded_count")
    recommendation_id = serializers.UUIDField(
        help_text="Identifier of the recommendation response."
    )
    recorded_count = serializers.IntegerField(
        help_text="Number of outcomes that had not been recorded before."
    )


def serialize_recommendations(
    result: RecommendationResult, *, title: str, audience: Audience
) -> dict[str, Any]:
    """Return the response body of a result, with the fields that an audience may see."""
    body: dict[str, Any] = {
        "recommendation_id": str(result.id),
        "scenario": result.scenario.name,
        "title": title,
        "is_personalized": result.is_personalized,
        "model_version": result.model_version,
        "fallback": {
            "level": result.fallback_level.code,
            "reasons": list(result.fallback_reasons),
        },
        "created_at": result.created_at.isoformat(),
        "results": [
            _serialize_product(recommendation, audience)
            for recommendation in result.recommendations
        ],
    }
    if audience >= Audience.STAFF:
        body["applied_filters"] = list(result.applied_filters)
    return body


def _serialize_product(recommendation: RecommendedProduct, audience: Audience) -> dict[str, Any]:
    body: dict[str, Any] = {
        **_product_serializer(audience).to_representation(recommendation.product),
        "reasons": recommendation.reasons,
    }
    if audience >= Audience.STAFF:
        body["score"] = round(recommendation.score, 6)
        body["score_components"] = {
            source: round(value, 6) for source, value in recommendation.score_components.items()
        }
        body["rules"] = [
            {"name": rule.name, "action": rule.action, "reason": rule.reason}
            for rule in recommendation.rules
        ]
    return body


@cache
def _product_serializer(audience: Audience) -> ProductSerializer:
    """
    Return the product serializer of an audience, created once.

    Creating its thirty fields takes longer than serializing a product.
    """
    return ProductSerializer(context={"audience": audience})
