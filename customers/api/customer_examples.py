"""OpenAPI examples of the customer, consent and privacy endpoints."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_CUSTOMER_ID = "0d5f6ad4-9f0b-4b0e-9a57-0f8f5b0f3f4b"
_PRODUCT_ID = "9b1d5f60-6f0e-4c56-8f6e-1a2b3c4d5e6f"
_NO_PREFERENCES: dict[str, Any] = {
    "thc_range": None,
    "cbd_range": None,
    "price_range": None,
    "strain_types": None,
    "disliked_brands": None,
    "disliked_categories": None,
    "disliked_strain_types": None,
}
_CUSTOMER = {
    "id": _CUSTOMER_ID,
    "external_id": "L-1042",
    "province": "AB",
    "language": "en",
    "store_code": "queen-west",
    "age_verified_for": ["AB"],
    "verification_method": "in_person",
    "age_verified_at": "2026-11-20T15:04:05Z",
    "verified_age": 18,
    "consents": ["history", "profiling"],
    "preferences": {
        **_NO_PREFERENCES,
        "thc_range": [15, 22.5],
        "strain_types": ["indica"],
        "disliked_brands": ["Loud & Co"],
    },
    "stated_preferences": {
        **_NO_PREFERENCES,
        "thc_range": [15, 22.5],
        "disliked_brands": ["Loud & Co"],
    },
    "derived_preferences": {
        **_NO_PREFERENCES,
        "thc_range": [10.9, 18.1],
        "strain_types": ["indica"],
    },
    "purchase_frequency": 4,
    "average_order_value": "58.40",
    "created_at": "2026-09-01T12:00:00Z",
    "updated_at": "2026-11-20T15:04:05Z",
}
_CONSENT = {
    "id": "6f0a2f0e-0a39-4a7d-9d0b-6f4f2f1f7c11",
    "purpose": "history",
    "version": "2026-11",
    "language": "en",
    "channel": "till",
    "given_at": "2026-09-01T12:01:00Z",
    "withdrawn_at": None,
}
_RECEIPT = {
    "id": "c2f7a1c4-3c1f-4f2e-8b6e-2f5d4e3c2b1a",
    "subject": _CUSTOMER_ID,
    "status": "done",
    "requested_by": "key:Wq3kZt1p",
    "reason": "requested by the customer",
    "started_at": "2026-11-28T14:00:00Z",
    "finished_at": "2026-11-28T14:00:01Z",
    "deleted": {"customer_profiles": 1, "purchases": 12, "redis": 2},
    "redacted": {"chat_messages": 1},
    "retained": {"personal_access": 4},
    "remaining": {},
    "is_dry_run": False,
}


def _request(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)


def _response(name: str, value: Any, status: str = "200") -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[status])


REGISTRATION_REQUEST_EXAMPLE = _request(
    "Register a customer of a store",
    {"external_id": "L-1042", "province": "AB", "language": "en", "store_code": "queen-west"},
)
REGISTRATION_RESPONSE_EXAMPLE = _response(
    "Registered customer",
    {
        **_CUSTOMER,
        "age_verified_for": [],
        "verification_method": "",
        "age_verified_at": None,
        "verified_age": None,
        "consents": [],
        "preferences": _NO_PREFERENCES,
        "stated_preferences": _NO_PREFERENCES,
        "derived_preferences": _NO_PREFERENCES,
        "purchase_frequency": None,
        "average_order_value": None,
        "updated_at": "2026-09-01T12:00:00Z",
    },
    status="201",
)
CUSTOMER_EXAMPLE = _response("Customer with two consents", _CUSTOMER)
CORRECTION_REQUEST_EXAMPLE = _request(
    "Set the language, state one preference, remove another",
    {"language": "fr", "disliked_brands": ["Loud & Co"], "thc_range": None},
)
CONSENT_REQUEST_EXAMPLE = _request(
    "Consent given at the till",
    {"purpose": "history", "version": "2026-11", "language": "en", "channel": "till"},
)
CONSENT_CREATED_EXAMPLE = _response("Recorded consent", _CONSENT, status="201")
CONSENT_EXAMPLE = _response("Active consent", _CONSENT)
CONSENT_EXISTING_EXAMPLE = _response("Consent given before", _CONSENT, status="200")
WITHDRAWAL_EXAMPLE = _response(
    "One consent withdrawn", {"purpose": "history", "withdrawn_count": 1}
)
CONSENT_TEXTS_EXAMPLE = _response(
    "Texts in English",
    {
        "results": [
            {
                "purpose": "chat",
                "version": "2026-11",
                "language": "en",
                "text": "Keep my conversations under my customer number, for at most a year.",
            }
        ]
    },
)
PURCHASE_EXAMPLE = _response(
    "Line of a receipt",
    {
        "id": "1f2e3d4c-5b6a-4788-99aa-bbccddeeff00",
        "order_id": "R-20261120-77",
        "line": 0,
        "store_code": "queen-west",
        "product_id": _PRODUCT_ID,
        "quantity": 2,
        "unit_price": "29.95",
        "purchased_at": "2026-11-20T15:00:00Z",
    },
)
INTERACTION_EXAMPLE = _response(
    "Product view",
    {
        "id": "2a3b4c5d-6e7f-4809-8a1b-2c3d4e5f6071",
        "type": "view",
        "session_id": "session-7f3c",
        "store_code": None,
        "product_id": _PRODUCT_ID,
        "quantity": None,
        "occurred_at": "2026-11-20T14:55:00Z",
    },
)
AGE_VERIFICATION_REQUEST_EXAMPLE = _request(
    "Identification shown in the store",
    {"verification_method": "in_person", "verified_age": 18},
)
EXPORT_EXAMPLE = _response(
    "Personal data by store",
    {
        "format_version": 1,
        "customer_id": _CUSTOMER_ID,
        "data": {
            "customer_profiles": [{"id": _CUSTOMER_ID, "external_customer_id": "L-1042"}],
            "purchases": [],
        },
    },
)
ERASURE_REQUEST_EXAMPLE = _request(
    "Erase a customer", {"reason": "requested by the customer", "dry_run": False}
)
DRY_RUN_REQUEST_EXAMPLE = _request(
    "Count what would be deleted", {"reason": "requested by the customer", "dry_run": True}
)
ERASURE_EXAMPLE = _response("Receipt of a complete erasure", _RECEIPT)
DRY_RUN_EXAMPLE = _response(
    "Dry run",
    {**_RECEIPT, "status": "", "started_at": None, "finished_at": None, "is_dry_run": True},
)
