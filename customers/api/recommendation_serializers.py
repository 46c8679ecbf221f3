"""What of a recommendation leaves, and what may be told of one."""

from functools import cache
from typing import Any, ClassVar

from rest_framework import serializers

from catalog.api.serializers import ProductSerializer
from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from config.api.conventions import AnswerSerializer, AudienceSerializer
from config.api.keys import Audience
from customers.models import RecommendationFeedback, Scenario
from customers.recommendations.result import LEVELS, Answer, Pick

MOST_TOLD = 100


def _all(*fields: str) -> dict[str, Audience]:
    return dict.fromkeys(fields, Audience.VERIFIED)


class RecommendationReasonSerializer(AnswerSerializer):
    """A fact for which a product is recommended."""

    audiences: ClassVar = _all("kind", "value", "text", "like")
    kind = serializers.CharField()
    value = serializers.CharField(allow_blank=True)
    text = serializers.CharField(help_text="in the person's language")
    like = serializers.UUIDField(allow_null=True, help_text="the product that it shares this with")


class RecommendationRuleSerializer(AnswerSerializer):
    """A rule of staff's that moved a product."""

    audiences: ClassVar = dict.fromkeys(("name", "deed", "reason"), Audience.STAFF)
    name = serializers.CharField()
    deed = serializers.CharField()
    reason = serializers.CharField()


class RecommendedProductSerializer(AudienceSerializer):
    """
    A recommended product, and why; staff see the score, what each leg gave to it, and the rules that moved it.

    What the schema says of it; `told_of` writes it, with a serializer of products that is made once.
    """

    audiences: ClassVar = {
        **PRODUCT_FIELDS,
        "reasons": Audience.VERIFIED,
        "score": Audience.STAFF,
        "parts": Audience.STAFF,
        "rules": Audience.STAFF,
    }
    reasons = RecommendationReasonSerializer(many=True)
    score = serializers.FloatField()
    parts = serializers.DictField(
        child=serializers.FloatField(),
        help_text="of the score, by leg: again, alike, taste, popular, new",
    )
    rules = RecommendationRuleSerializer(many=True)

    class Meta:
        model = Product
        fields = (*PRODUCT_FIELDS, "reasons", "score", "parts", "rules")
        read_only_fields = fields


class FallbackSerializer(AnswerSerializer):
    """How far an answer is from what was asked for."""

    audiences: ClassVar = _all("level", "why")
    level = serializers.IntegerField(
        help_text="0 all of it, 1 without a part that did not answer, 2 not personal, 3 what sells, 4 nothing"
    )
    why = serializers.ListField(child=serializers.ChoiceField(choices=list(LEVELS)))


class RecommendationSerializer(AnswerSerializer):
    """What is recommended, and how it came to be."""

    audiences: ClassVar = _all(
        "recommendation_id",
        "scenario",
        "title",
        "is_personal",
        "model_version",
        "filters",
        "fallback",
        "made_at",
        "count",
        "results",
    )
    recommendation_id = serializers.UUIDField(help_text="what feedback refers to")
    scenario = serializers.ChoiceField(choices=Scenario.Name.choices)
    title = serializers.CharField(help_text="of the scenario, in the person's language")
    is_personal = serializers.BooleanField(
        help_text="whether it rests on what the person did; only with their consent"
    )
    model_version = serializers.CharField()
    filters = serializers.ListField(
        child=serializers.CharField(), help_text="what every product was held against"
    )
    fallback = FallbackSerializer()
    made_at = serializers.DateTimeField()
    count = serializers.IntegerField()
    results = RecommendedProductSerializer(many=True)


class _ToldSerializer(AnswerSerializer):
    audiences: ClassVar = _all("product", "kind")
    product = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=RecommendationFeedback.Kind.choices)


class RecommendationFeedbackSerializer(AnswerSerializer):
    """What became of recommended products."""

    audiences: ClassVar = _all("recommendation_id", "session", "feedback")
    recommendation_id = serializers.UUIDField()
    session = serializers.CharField(
        max_length=100,
        default="",
        allow_blank=True,
        help_text="the visit: told in each of them, it counts in each",
    )
    feedback = _ToldSerializer(many=True, allow_empty=False, max_length=MOST_TOLD)  # type: ignore[call-arg]  # of many


class RecordedFeedbackSerializer(AnswerSerializer):
    """How much of it had not been told before."""

    audiences: ClassVar = _all("recommendation_id", "recorded")
    recommendation_id = serializers.UUIDField()
    recorded = serializers.IntegerField()


def told_of(answer: Answer, *, title: str, audience: Audience) -> dict[str, Any]:
    """Return an answer as it leaves to an audience."""
    return {
        "recommendation_id": str(answer.id),
        "scenario": answer.scenario.name,
        "title": title,
        "is_personal": answer.is_personal,
        "model_version": answer.model_version,
        "filters": list(answer.filters),
        "fallback": {"level": answer.level, "why": list(answer.why)},
        "made_at": answer.made_at.isoformat(),
        "count": len(answer.picks),
        "results": [_pick(pick, audience) for pick in answer.picks],
    }


def _pick(pick: Pick, audience: Audience) -> dict[str, Any]:
    told: dict[str, Any] = {
        **_products_for(audience).to_representation(pick.product),
        "reasons": pick.reasons,
    }
    if audience >= Audience.STAFF:
        told["score"] = round(pick.score, 6)
        told["parts"] = {leg: round(part, 6) for leg, part in pick.parts.items()}
        told["rules"] = [
            {"name": rule.name, "deed": rule.deed, "reason": rule.reason} for rule in pick.rules
        ]
    return told


@cache
def _products_for(audience: Audience) -> ProductSerializer:
    """Return what tells products to an audience; made once, as its thirty fields take longer to make than to read."""
    return ProductSerializer(context={"audience": audience})
