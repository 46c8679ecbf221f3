"""Recommendation responses: what verified clients get, and what staff see besides."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from config.api.keys import Audience
from customers.api.recommendation_serializers import serialize_recommendations
from customers.models import BusinessRule, Scenario
from customers.recommendations import FallbackLevel, RecommendationResult, RecommendedProduct

ID = UUID(int=5)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
REASONS = [{"type": "same_brand", "value": "A", "text": "same brand"}]
STAFF_FIELDS = {"source", "effects", "effects_source", "score", "score_components", "rules"}


def _body(audience: Audience) -> dict[str, Any]:
    recommended = RecommendedProduct(
        product=Product(id=ID, name="Pink Kush", effects=["sleepy"], updated_at=NOW),
        score=0.123456789,
        score_components={"popularity": 0.987654321},
        rules=(BusinessRule(name="spring", action="boost", reason="overstock"),),
        reasons=REASONS,
    )
    result = RecommendationResult(
        id=ID,
        scenario=Scenario(name="home"),
        model_version="blend-2.17",
        applied_filters=("in_stock",),
        fallback_level=FallbackLevel.DEGRADED,
        fallback_reasons=("vectors_unavailable",),
        recommendations=[recommended],
        language="en",
        is_personalized=True,
        valid_until=NOW,
        dependencies=frozenset(),
        created_at=NOW,
    )
    return serialize_recommendations(result, title="For you", audience=audience)


def test_verified_clients_get_the_result_without_the_fields_for_staff() -> None:
    body = _body(Audience.VERIFIED)
    (product,) = body.pop("results")

    assert body == {
        "recommendation_id": str(ID),
        "scenario": "home",
        "title": "For you",
        "is_personalized": True,
        "model_version": "blend-2.17",
        "fallback": {"level": "degraded", "reasons": ["vectors_unavailable"]},
        "created_at": "2026-05-01T00:00:00+00:00",
    }
    assert set(product) == {*PRODUCT_FIELDS, "reasons"} - STAFF_FIELDS
    assert (product["name"], product["reasons"]) == ("Pink Kush", REASONS)


def test_staff_see_filters_effects_scores_and_rules() -> None:
    body = _body(Audience.STAFF)
    (product,) = body["results"]

    assert body["applied_filters"] == ["in_stock"]
    assert set(product) == {*PRODUCT_FIELDS, "reasons"} | STAFF_FIELDS
    assert product["effects"] == ["sleepy"]
    assert product["score"] == 0.123457
    assert product["score_components"] == {"popularity": 0.987654}
    assert product["rules"] == [{"name": "spring", "action": "boost", "reason": "overstock"}]
