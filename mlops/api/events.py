"""The door of events for whoever has no stream: the same inbox, the same handlers."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api.idempotency import HEADER, run_idempotently
from config.api.keys import Audience, client_of
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import CanSendEvents
from config.api.serializers import ResponseSerializer
from config.errors import BadInput
from mlops.models import InboxEvent
from mlops.streams.decoding import UndecodableEvent, decode_event
from mlops.streams.event_types import TOPICS, Event, event_types
from mlops.streams.intake import apply_events

MOST = 500
STATUSES = ("applied", "repeated", "rejected")


class SentEventSerializer(ResponseSerializer):
    """One event: its topic, and what every event has."""

    audiences: ClassVar = dict.fromkeys(
        ("topic", "id", "type", "version", "occurred_at", "data"), Audience.VERIFIED
    )
    topic = serializers.ChoiceField(choices=TOPICS)
    id = serializers.UUIDField(help_text="of the event; sent again, it is applied once")
    type = serializers.CharField(max_length=50)
    version = serializers.IntegerField(
        required=False, min_value=1, max_value=1000, help_text="of the data's schema; 1"
    )
    occurred_at = serializers.DateTimeField(help_text="when it happened, with its time zone")
    data = serializers.DictField()  # type: ignore[assignment]  # a field, taken from the class


class EventBatchSerializer(ResponseSerializer):
    """Events, in the order in which they are to be applied."""

    audiences: ClassVar = {"events": Audience.VERIFIED}
    events = serializers.ListField(child=SentEventSerializer(), min_length=1, max_length=MOST)


class EventResultSerializer(ResponseSerializer):
    """What became of one event."""

    audiences: ClassVar = dict.fromkeys(("id", "status", "reason", "field"), Audience.VERIFIED)
    id = serializers.CharField(allow_blank=True, help_text="as it was sent")
    status = serializers.ChoiceField(
        choices=STATUSES, help_text="repeated: it had come before and was not applied again"
    )
    reason = serializers.CharField(allow_blank=True, help_text="why it was rejected")
    field = serializers.CharField(allow_blank=True)


class EventResultsSerializer(ResponseSerializer):
    """What became of each event, in their order."""

    audiences: ClassVar = dict.fromkeys((*STATUSES, "results"), Audience.VERIFIED)
    applied = serializers.IntegerField()
    repeated = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = EventResultSerializer(many=True)


class EventsView(APIView):
    """Take in events."""

    permission_classes = (IsAuthenticated, CanSendEvents)

    @extend_schema(
        operation_id="events_create",
        request=EventBatchSerializer,
        responses=EventResultsSerializer,
        parameters=[
            OpenApiParameter(
                HEADER,
                str,
                OpenApiParameter.HEADER,
                description="same key, same body: the same answer, 24 h",
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """
        Apply up to 500 events, each once however often it comes; the answer tells of each what became of it.

        What cannot be applied is kept in quarantine and does not keep the others back. Events of one topic are applied in
        their order. 400 only where the body is no batch.
        """
        reject_unknown_parameters(request.query_params, known=set())
        told = _batch(request.data)
        client = client_of(request)
        scopes = frozenset(client.key.scopes) if client else frozenset[str]()
        return run_idempotently(request, lambda: Response(_answer(told, scopes)))


def _batch(body: Any) -> Sequence[Any]:
    if not isinstance(body, dict) or set(body) != {"events"}:
        raise BadInput("", "must be an object with the one field `events`")
    told = body["events"]
    if not isinstance(told, list) or not 1 <= len(told) <= MOST:
        raise BadInput("events", f"must be a list of 1 to {MOST} events")
    return told


def _answer(told: Sequence[Any], scopes: frozenset[str]) -> dict[str, Any]:
    results: list[dict[str, str] | None] = [None] * len(told)
    by_topic: dict[str, list[int]] = {}
    for place, one in enumerate(told):
        topic, refusal = _topic(one, scopes)
        if topic:
            by_topic.setdefault(topic, []).append(place)
        else:
            results[place] = _result(one, "rejected", *refusal)
    for topic, places in by_topic.items():
        for place, result in zip(
            places, _take_in(topic, [told[place] for place in places]), strict=True
        ):
            results[place] = result
    counts = {
        status: sum(one is not None and one["status"] == status for one in results)
        for status in STATUSES
    }
    return {**counts, "results": results}


def _topic(one: Any, scopes: frozenset[str]) -> tuple[str, tuple[str, str]]:
    """Return the topic; where there is none, or the key may not send such events, an empty one and why, and which field."""
    topic = one.get("topic") if isinstance(one, Mapping) else None
    if not isinstance(topic, str) or topic not in TOPICS:
        return "", (f"must be one of {', '.join(TOPICS)}", "topic")
    kind = event_types().get((topic, str(one.get("type"))))
    if kind and kind.scope not in scopes:
        return "", (f"needs a key with the scope {kind.scope}", "type")
    return topic, ("", "")


def _take_in(topic: str, told: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    envelopes = [{name: value for name, value in one.items() if name != "topic"} for one in told]
    events: list[Event | UndecodableEvent] = [
        decode_event(envelope, topic=topic) for envelope in envelopes
    ]
    done = apply_events(events, topic=topic, channel=InboxEvent.Channel.REST)
    why = {one.place: (one.reason, one.field) for one in done.rejected}
    repeated = set(done.repeated)
    return [
        _result(one, "rejected", *why[place])
        if place in why
        else _result(one, "repeated" if place in repeated else "applied")
        for place, one in enumerate(told)
    ]


def _result(one: Any, status: str, reason: str = "", field: str = "") -> dict[str, str]:
    told = one.get("id", "") if isinstance(one, Mapping) else ""
    return {"id": str(told)[:36], "status": status, "reason": reason, "field": field}
