"""OpenAPI examples of the intake of events, which is part of the engine."""

from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view

_PURCHASE = {
    "topic": "customer_interactions",
    "id": "6f1c2a9e-7a53-4c5e-9f0b-2d8e4b7c1a10",
    "type": "purchase",
    "version": 1,
    "occurred_at": "2026-11-20T17:42:00-05:00",
    "data": {
        "order_id": "1001-20261120-0457",
        "external_id": "LOYAL-0001",
        "store_code": "TOR-QUEEN",
        "lines": [{"product_id": "OCS-100245", "quantity": 2, "unit_price": "29.95"}],
    },
}
_UNKNOWN_STOCK_COUNT = {
    "topic": "inventory_updates",
    "id": "0b0f5f0e-3c1d-4f6a-8a68-5b1d2f9e7c33",
    "type": "stock",
    "occurred_at": "2026-11-20T17:45:00-05:00",
    "data": {"store_code": "TOR-QUEEN", "product_id": "OCS-999999", "quantity": 12},
}
_REQUEST = OpenApiExample(
    "Purchase and stock count",
    request_only=True,
    value={"events": [_PURCHASE, _UNKNOWN_STOCK_COUNT]},
)
_RESPONSE = OpenApiExample(
    "One accepted, one rejected",
    response_only=True,
    value={
        "accepted": 1,
        "duplicate": 0,
        "rejected": 1,
        "ignored": 0,
        "results": [
            {
                "index": 0,
                "id": _PURCHASE["id"],
                "status": "accepted",
                "code": "",
                "reason": "",
                "field": "",
                "warnings": [],
            },
            {
                "index": 1,
                "id": _UNKNOWN_STOCK_COUNT["id"],
                "status": "rejected",
                "code": "product_unknown",
                "reason": "product OCS-999999 is not known",
                "field": "data.product_id",
                "warnings": [],
            },
        ],
    },
)


class EventExamples(OpenApiViewExtension):  # type: ignore[no-untyped-call]  # registers itself
    """The description of the intake, with events of a store."""

    target_class = "mlops.api.events.EventsView"

    def view_replacement(self) -> type[Any]:
        """Return the view with the examples."""

        @extend_schema_view(post=extend_schema(examples=[_REQUEST, _RESPONSE]))
        class EventsView(self.target_class):  # type: ignore[name-defined,misc]
            pass

        return EventsView
