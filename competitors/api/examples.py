"""OpenAPI examples of competitors, prices and positions."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

PRODUCT_ID = "0d2f7d4a-6a43-4a38-9f3d-1f4f6a2b7c11"
_POSITION: dict[str, Any] = {
    "product_id": PRODUCT_ID,
    "name": "Pink Kush",
    "brand": "San Rafael '71",
    "category": "dried_flower",
    "own_price": "34.95",
    "own_net_price": "34.95",
    "competitor_count": 3,
    "min_price": "31.95",
    "median_price": "33.50",
    "max_price": "36.00",
    "rank": 3,
    "index": "1.0433",
    "difference": "1.45",
    "position": "above",
    "observed_at": "2026-11-28T14:05:00Z",
}
_OFFER: dict[str, Any] = {
    "offer_id": "6f1a2f0e-77b1-4c7e-8a54-8f6d1f0c2a11",
    "competitor": "high-street",
    "location": "Queen West",
    "province": "ON",
    "name": "Pink Kush 3.5g",
    "url": "https://high-street.example/products/pink-kush",
    "price": "31.95",
    "regular_price": "35.95",
    "sale_price": "31.95",
    "member_price": None,
    "promotions": [{"type": "multi_buy", "text": "2 for $60", "quantity": 2, "total": "60"}],
    "currency": "CAD",
    "is_tax_included": False,
    "net_price": "31.95",
    "price_per_gram": "9.1286",
    "price_per_gram_equivalent": "9.1286",
    "price_per_thc_mg": None,
    "price_per_piece": None,
    "stock": "in_stock",
    "match_status": "confirmed",
    "confidence": "1.00",
    "is_evidence": True,
    "observed_at": "2026-11-28T14:05:00Z",
}

COMPETITOR = OpenApiExample(
    "Competitor",
    value={
        "id": "b0f7c1d2-3e4f-4a5b-8c6d-7e8f9a0b1c2d",
        "code": "high-street",
        "name": "High Street Cannabis",
        "platform": "shopify",
        "province": "ON",
        "is_enabled": True,
        "status": "healthy",
        "status_reason": "",
        "last_good_crawl_at": "2026-11-28T14:10:00Z",
        "offer_count": 412,
        "usual_offer_count": 409,
        "locations": [
            {
                "id": "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f",
                "name": "Queen West",
                "province": "ON",
                "licence_number": "CRSA1234567",
            }
        ],
    },
    response_only=True,
)
COMPETITOR_PRICES = OpenApiExample(
    "Competitors' prices",
    value={"product_id": PRODUCT_ID, "position": _POSITION, "results": [_OFFER]},
    response_only=True,
)
PRICE_HISTORY = OpenApiExample(
    "Price history",
    value={
        "product_id": PRODUCT_ID,
        "start_date": "2026-11-01",
        "end_date": "2026-11-28",
        "step": "week",
        "results": [
            {
                "start": "2026-11-02",
                "competitor": "high-street",
                "min_price": "31.95",
                "max_price": "35.95",
                "last_price": "31.95",
                "last_unit_price": "9.1286",
                "in_stock": True,
                "observation_count": 8,
            }
        ],
    },
    response_only=True,
)
PRICE_POSITION = OpenApiExample("Price position", value=_POSITION, response_only=True)
