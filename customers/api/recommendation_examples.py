"""OpenAPI examples of the recommendation endpoints."""

from drf_spectacular.utils import OpenApiExample

from catalog.api.examples import EXAMPLE_PRODUCT

_RECOMMENDATION_ID = "4f2c7a3e-5d0c-4a83-9c53-0c5b8d2e7a10"
_PRODUCT_ID = "9b1d5f60-6f0e-4c56-8f6e-1a2b3c4d5e6f"
_PRODUCT = {
    **EXAMPLE_PRODUCT,
    "id": _PRODUCT_ID,
    "name": "Blue Dream",
    "name_fr": "Blue Dream",
    "brand": "Pure Sunfarms",
    "sku": "BD-35-HYBRID",
    "gtin": "00628582000012",
    "strain_type": "hybrid",
    "strain": "Blue Dream",
    "lineage": ["Blueberry", "Haze"],
    "price": "29.95",
}

PERSONALIZED_EXAMPLE = OpenApiExample(
    "Personalized",
    summary="Customer with the consents history and profiling",
    value={
        "recommendation_id": _RECOMMENDATION_ID,
        "scenario": "home",
        "title": "For you",
        "is_personalized": True,
        "model_version": "blend-2.17",
        "fallback": {"level": "none", "reasons": []},
        "created_at": "2026-11-28T14:00:00+00:00",
        "results": [
            {
                **_PRODUCT,
                "reasons": [
                    {
                        "type": "previously_purchased",
                        "value": "",
                        "text": "You bought it before",
                        "similar_to_product_id": None,
                    },
                    {
                        "type": "same_brand",
                        "value": "Pure Sunfarms",
                        "text": "Same brand: Pure Sunfarms",
                        "similar_to_product_id": "1c9e6679-7425-40de-944b-e07fc1f90ae7",
                    },
                ],
            }
        ],
    },
    response_only=True,
    status_codes=["200"],
)
NOT_PERSONALIZED_EXAMPLE = OpenApiExample(
    "Not personalized",
    summary="Best sellers of the store for an anonymous session",
    value={
        "recommendation_id": _RECOMMENDATION_ID,
        "scenario": "home",
        "title": "For you",
        "is_personalized": False,
        "model_version": "blend-2.17",
        "fallback": {"level": "not_personalized", "reasons": ["anonymous"]},
        "created_at": "2026-11-28T14:00:00+00:00",
        "results": [
            {
                **_PRODUCT,
                "reasons": [
                    {
                        "type": "category",
                        "value": "dried_flower",
                        "text": "Category: dried flower",
                        "similar_to_product_id": None,
                    }
                ],
            }
        ],
    },
    response_only=True,
    status_codes=["200"],
)
FEEDBACK_REQUEST_EXAMPLE = OpenApiExample(
    "Shown and clicked",
    summary="A product was shown, then clicked",
    value={
        "recommendation_id": _RECOMMENDATION_ID,
        "session_id": "session-7f3c",
        "feedback": [
            {"product_id": _PRODUCT_ID, "type": "shown"},
            {"product_id": _PRODUCT_ID, "type": "clicked"},
        ],
    },
    request_only=True,
)
FEEDBACK_RESPONSE_EXAMPLE = OpenApiExample(
    "Recorded",
    summary="Both outcomes are new",
    value={"recommendation_id": _RECOMMENDATION_ID, "recorded_count": 2},
    response_only=True,
    status_codes=["200"],
)
