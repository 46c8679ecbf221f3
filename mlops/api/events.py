"""REST intake of events: the same inbox, event types and handlers as for Kafka."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.idempotency import IdempotentView
from config.api.keys import Audience, binding_of, client_of
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import has_scope
from config.api.serializers import ResponseSerializer
from config.errors import BadInput
from mlops.streams.batches import STATUSES, ingest_batch
from mlops.streams.event_types import event_topics

MAX_BATCH_SIZE = 500


class EventSerializer(ResponseSerializer):
    """One event: its topic, and the fields that every event has."""

    audiences: ClassVar = dict.fromkeys(
        ("topic", "id", "type", "version", "occurred_at", "data"), Audience.VERIFIED
    )
    topic = serializers.ChoiceField(
        choices=event_topics(), help_text="Topic that the event belongs to."
    )
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


class EventWarningSerializer(ResponseSerializer):
    """Remark on an event that was accepted."""

    audiences: ClassVar = dict.fromkeys(("code", "field", "message"), Audience.VERIFIED)
    code = serializers.CharField(
        help_text="`customer_unknown` and `no_consent`: stored without the customer (only for keys"
        " with the scope `customers:read`). `product_unknown`: a line that was quarantined."
        " `line_ignored`, `quantity_zero`: a line that is not stored. `lines_repeated`: lines that"
        " were stored before. `price_rounded`. `negative_quantity`: stored as 0."
    )
    field = serializers.CharField(help_text="Field that the warning is about.")
    message = serializers.CharField(help_text="The warning in English.")


class EventResultSerializer(ResponseSerializer):
    """Result of one event."""

    audiences: ClassVar = dict.fromkeys(
        ("index", "id", "status", "code", "reason", "field", "warnings"), Audience.VERIFIED
    )
    index = serializers.IntegerField(help_text="Position of the event in the request, from 0.")
    id = serializers.CharField(
        allow_blank=True,
        help_text="Id of the event; if it is invalid, as received, shortened.",
    )
    status = serializers.ChoiceField(
        choices=STATUSES,
        help_text="`accepted`: applied. `duplicate`: the same was applied before. `rejected`: not"
        " applied, for `reason`. `ignored`: valid, and without effect, for `reason`.",
    )
    code = serializers.CharField(
        allow_blank=True,
        help_text="Code of the reason: `invalid`, `id_reused` (the id was used for an event with"
        " other content), `product_unknown`, `store_unknown`, `topic_unknown`,"
        " `permission_denied`, `not_applicable`, `receipt_repeated` (a duplicate under another id)"
        " or `own_price` (ignored).",
    )
    reason = serializers.CharField(
        allow_blank=True, help_text="Why the event was rejected, ignored or stored in part."
    )
    field = serializers.CharField(
        allow_blank=True, help_text="Field that caused the rejection, for example `data.quantity`."
    )
    warnings = EventWarningSerializer(
        many=True, help_text="What was not stored, or not as it was sent."
    )


class EventBatchResultSerializer(ResponseSerializer):
    """Result of a batch: counts by status, and the result of each event in the same order."""

    audiences: ClassVar = dict.fromkeys((*STATUSES, "results"), Audience.VERIFIED)
    accepted = serializers.IntegerField(help_text="Number of events that were applied.")
    duplicate = serializers.IntegerField(help_text="Number of events that were applied before.")
    rejected = serializers.IntegerField(help_text="Number of events that were not applied.")
    ignored = serializers.IntegerField(help_text="Number of events that have no effect.")
    results = EventResultSerializer(many=True, help_text="Result of each event, in request order.")


class EventsView(IdempotentView):
    """Intake of event batches."""

    permission_classes = (IsAuthenticated, has_scope("events:write"))

    @extend_schema(
        operation_id="events_create",
        summary="Send a batch of events",
        request=EventBatchSerializer,
        responses=EventBatchResultSerializer,
        tags=["events"],
    )
    def post(self, request: Request) -> Response:
        """
        Apply up to 500 events and return the result of each.

        Each event is applied once, even if it is sent again; an id that was used for an event with
        other content is rejected. Events of one topic are applied in the order of the batch. An
        event that cannot be applied is quarantined and does not block the others. The response is
        400 only when the body is not a batch. Required scope: `events:write`; an event type may
        require another one as well.
        """
        reject_unknown_parameters(request.query_params, known=set())
        items = _parse_batch(request.data)
        client = client_of(request)
        scopes = frozenset(client.key.scopes) if client else frozenset[str]()
        binding = binding_of(request)
        return Response(ingest_batch(items, scopes=scopes, binding=binding))


def _parse_batch(body: Any) -> Sequence[Any]:
    """Return the events of a request body. Raises BadInput."""
    if not isinstance(body, dict) or set(body) != {"events"}:
        raise BadInput("", gettext("must be an object with the single field `events`"))
    events = body["events"]
    if not isinstance(events, list) or not 1 <= len(events) <= MAX_BATCH_SIZE:
        raise BadInput(
            "events",
            gettext("must be a list of 1 to %(maximum)s events") % {"maximum": MAX_BATCH_SIZE},
        )
    return events
