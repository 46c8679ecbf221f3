"""OpenAPI examples of the chat endpoints."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_SESSION = {
    "id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "customer_id": "0d5f6ad4-9f0b-4b0e-9a57-0f8f5b0f3f4b",
    "store_code": "queen-west",
    "language": "fr",
    "started_at": "2026-11-28T14:00:00Z",
    "ended_at": None,
    "message_count": 2,
}
_MESSAGE = {
    "id": "3d6f0a44-2b0c-4f0e-8a51-9d7f1e2c3b4a",
    "role": "customer",
    "text": "Bonjour, avez-vous du Pink Kush?",
    "language": "fr",
    "created_at": "2026-11-28T14:00:05Z",
}


def _request(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value, request_only=True)


def _response(name: str, value: Any, status: str = "200") -> OpenApiExample:
    return OpenApiExample(name, value=value, response_only=True, status_codes=[status])


SESSION_REQUEST_EXAMPLE = _request(
    "Open a session in a store",
    {"customer_id": _SESSION["customer_id"], "store_code": _SESSION["store_code"]},
)
SESSION_CREATED_EXAMPLE = _response(
    "Opened session", {**_SESSION, "language": None, "message_count": 0}, status="201"
)
SESSION_EXAMPLE = _response("Open session", _SESSION)
CLOSED_SESSION_EXAMPLE = _response(
    "Closed session", {**_SESSION, "ended_at": "2026-11-28T14:10:00Z"}
)
MESSAGE_REQUEST_EXAMPLE = _request(
    "Message of the customer", {"text": _MESSAGE["text"], "role": _MESSAGE["role"]}
)
MESSAGE_CREATED_EXAMPLE = _response("Appended message", _MESSAGE, status="201")
MESSAGE_EXAMPLE = _response("Message of the customer", _MESSAGE)
FEEDBACK_REQUEST_EXAMPLE = _request(
    "A helpful reply", {"helpful": True, "comment": "merci, jean@exemple.ca"}
)
FEEDBACK_EXAMPLE = _response(
    "Recorded feedback",
    {
        "id": "5b1f2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        "message_id": "8a7b6c5d-4e3f-4210-9fed-cba987654321",
        "helpful": True,
        "comment": "merci, [EMAIL]",
        "given_at": "2026-11-28T14:09:00Z",
    },
)
