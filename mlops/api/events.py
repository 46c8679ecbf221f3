"""REST intake of events: the same inbox, event types and handlers as for Kafka."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.idempotency import run_idempotently
from config.api.keys import Audience, client_of
from config.api.openapi import IDEMPOTENCY_KEY_PARAMETER
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import CanSendEvents
from config.api.serializers import ResponseSerializer
from config.errors import BadInput
from mlops.models import InboxEvent
from mlops.streams.decoding import decode_event
from mlops.streams.event_types import TOPICS, event_types
from mlops.streams.intake import apply_events

MAX_BATCH_SIZE = 500
MAX_ID_LENGTH = 36
Status = Literal["accepted", "duplicate", "rejected"]
STATUSES: tuple[Status, ...] = ("accepted", "duplicate", "rejected")


class EventSerializer(ResponseSerializer):
    """One event: its topic, and the fields that every event has."""

    audiences: ClassVar = dict.fromkeys(
        ("topic", "id", "type", "version", "occurred_at", "data"), Audience.VERIFIED
    )
    topic = serializers.ChoiceField(choices=TOPICS, help_text="Topic that the event belongs to.")
    id = serializers.UUIDField(
        help_text="Unique id of the event, assigned by the client. An event that is sent again"
        " with the same id is applied once."
    )
    type = serializers.CharField(
        max_length=50, help_text="Type of the event, for example `purchase` or `metric`."
    )
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=1000,
        help_text="Version of the schema of `data`; 1 by default.",
    )
    occurred_at = serializers.DateTimeField(help_text="Time of the event, with its time zone.")
    data = serializers.DictField(  # type: ignore[assignment]  # a field, taken from the class
        help_text="Content of the event, by the schema of its type and version."
    )


class EventBatchSerializer(ResponseSerializer):
    """Batch of events, in the order in which they are to be applied."""

    audiences: ClassVar = {"events": Audience.VERIFIED}
    events = serializers.ListField(
        child=EventSerializer(),
        min_length=1,
        max_length=MAX_BATCH_SIZE,
        help_text="1 to 500 events. Events of one topic are applied in this order.",
    )


class EventResultSerializer(ResponseSerializer):
    """Result of one event."""

    audiences: ClassVar = dict.fromkeys(
        ("index", "id", "status", "reason", "field"), Audience.VERIFIED
    )
    index = serializers.IntegerField(help_text="Position of the event in the request, from 0.")
    id = serializers.CharField(allow_blank=True, help_text="Id of the event as received.")
    status = serializers.ChoiceField(
        choices=STATUSES,
        help_text="`accepted`: applied. `duplicate`: an event with this id was applied before."
        " `rejected`: not applied, for `reason`.",
    )
    reason = serializers.CharField(allow_blank=True, help_text="Why the event was rejected.")
    field = serializers.CharField(
        allow_blank=True, help_text="Field that caused the rejection, for example `data.quantity`."
    )


class EventBatchResultSerializer(ResponseSerializer):
    """Result of a batch: counts by status, and the result of each event in the same order."""

    audiences: ClassVar = dict.fromkeys((*STATUSES, "results"), Audience.VERIFIED)
    accepted = serializers.IntegerField(help_text="Number of events that were applied.")
    duplicate = serializers.IntegerField(help_text="Number of events that were applied before.")
    rejected = serializers.IntegerField(help_text="Number of events that were not applied.")
    results = EventResultSerializer(many=True, help_text="Result of each event, in request order.")


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """Status of one event, with the reason and field of a rejection."""

    status: Status
    reason: str = ""
    field: str = ""


class EventNotAuthorized(Exception):
    """The event has no known topic, or the API key lacks the scope of its type."""

    def __init__(self, reason: str, field: str) -> None:
        self.reason = reason
        self.field = field


_EXAMPLE_EVENT = {
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
_EXAMPLE_INVALID_EVENT = {
    "topic": "inventory_updates",
    "id": "0b0f5f0e-3c1d-4f6a-8a68-5b1d2f9e7c33",
    "type": "stock",
    "occurred_at": "2026-11-20T17:45:00-05:00",
    "data": {"store_code": "TOR-QUEEN", "product_id": "OCS-100245", "quantity": -1},
}
_REQUEST_EXAMPLE = OpenApiExample(
    "Purchase and stock count",
    request_only=True,
    value={"events": [_EXAMPLE_EVENT, _EXAMPLE_INVALID_EVENT]},
)
_RESPONSE_EXAMPLE = OpenApiExample(
    "One accepted and one rejected",
    response_only=True,
    value={
        "accepted": 1,
        "duplicate": 0,
        "rejected": 1,
        "results": [
            {
                "index": 0,
                "id": _EXAMPLE_EVENT["id"],
                "status": "accepted",
                "reason": "",
                "field": "",
            },
            {
                "index": 1,
                "id": _EXAMPLE_INVALID_EVENT["id"],
                "status": "rejected",
                "reason": "data.quantity: Input should be greater than or equal to 0",
                "field": "data.quantity",
            },
        ],
    },
)


class EventsView(APIView):
    """Intake of event batches."""

    permission_classes = (IsAuthenticated, CanSendEvents)

    @extend_schema(
        operation_id="events_create",
        summary="Send a batch of events",
        request=EventBatchSerializer,
        responses=EventBatchResultSerializer,
        examples=[_REQUEST_EXAMPLE, _RESPONSE_EXAMPLE],
        parameters=[IDEMPOTENCY_KEY_PARAMETER],
        tags=["events"],
    )
    def post(self, request: Request) -> Response:
        """
        Apply up to 500 events and return the result of each.

        Each event is applied once, even if it is sent again. Events of one topic are applied in
        the order of the batch. An event that cannot be applied is quarantined and does not block
        the others. The response is 400 only when the body is not a batch. Required scope:
        `events:write`; an event type may require another one as well.
        """
        reject_unknown_parameters(request.query_params, known=set())
        items = _parse_batch(request.data)
        client = client_of(request)
        scopes = frozenset(client.key.scopes) if client else frozenset[str]()
        return run_idempotently(request, lambda: Response(ingest_batch(items, scopes=scopes)))


def ingest_batch(items: Sequence[Any], *, scopes: frozenset[str]) -> dict[str, Any]:
    """
    Apply a batch of events; return counts by status and the result of each item, in order.

    Events that cannot be applied are quarantined; they do not block the others. Items without a
    known topic or the required scope are rejected without quarantine. Safe to repeat.
    """
    outcomes: dict[int, EventOutcome] = {}
    indexes_by_topic: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        try:
            topic = _authorize(item, scopes)
        except EventNotAuthorized as error:
            outcomes[index] = EventOutcome("rejected", error.reason, error.field)
        else:
            indexes_by_topic[topic].append(index)

    for topic, indexes in indexes_by_topic.items():
        topic_outcomes = _apply(topic, [items[index] for index in indexes])
        outcomes.update(zip(indexes, topic_outcomes, strict=True))

    results = [
        {
            "index": index,
            "id": _event_id(item),
            "status": outcomes[index].status,
            "reason": outcomes[index].reason,
            "field": outcomes[index].field,
        }
        for index, item in enumerate(items)
    ]
    counts: dict[str, int] = {
        status: sum(outcome.status == status for outcome in outcomes.values())
        for status in STATUSES
    }
    return {**counts, "results": results}


def _parse_batch(body: Any) -> Sequence[Any]:
    """Return the events of a request body. Raises BadInput."""
    if not isinstance(body, dict) or set(body) != {"events"}:
        raise BadInput("", "must be an object with the single field `events`")
    events = body["events"]
    if not isinstance(events, list) or not 1 <= len(events) <= MAX_BATCH_SIZE:
        raise BadInput("events", f"must be a list of 1 to {MAX_BATCH_SIZE} events")
    return events


def _authorize(item: Any, scopes: frozenset[str]) -> str:
    """Return the topic of an event that the client may send. Raises EventNotAuthorized."""
    topic = item.get("topic") if isinstance(item, Mapping) else None
    if not isinstance(topic, str) or topic not in TOPICS:
        raise EventNotAuthorized(f"must be one of {', '.join(TOPICS)}", "topic")
    event_type = event_types().get((topic, str(item.get("type"))))
    if event_type and event_type.scope not in scopes:
        raise EventNotAuthorized(f"requires an API key with the scope {event_type.scope}", "type")
    return topic


def _apply(topic: str, items: Sequence[Mapping[str, Any]]) -> list[EventOutcome]:
    """Decode and apply events of one topic; return their outcomes in the same order."""
    payloads = [{name: value for name, value in item.items() if name != "topic"} for item in items]
    result = apply_events(
        [decode_event(payload, topic=topic) for payload in payloads],
        topic=topic,
        channel=InboxEvent.Channel.REST,
    )
    outcomes = [EventOutcome("accepted") for _ in items]
    for index in result.duplicates:
        outcomes[index] = EventOutcome("duplicate")
    for rejected in result.rejected:
        outcomes[rejected.index] = EventOutcome("rejected", rejected.reason, rejected.field)
    return outcomes


def _event_id(item: Any) -> str:
    """Return the id as received, for the client to recognize; empty if there is none."""
    event_id = item.get("id", "") if isinstance(item, Mapping) else ""
    return str(event_id)[:MAX_ID_LENGTH]
