"""Batches of events from REST: the outcome of each event."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import gettext

from config.scopes import KeyBinding
from mlops.models import InboxEvent
from mlops.streams.decoding import decode_event
from mlops.streams.event_types import (
    Outcome,
    Status,
    StoreReference,
    event_topics,
    event_types,
    rejected,
)
from mlops.streams.intake import apply_events

MAX_ID_LENGTH = 36
STATUSES: tuple[Status, ...] = ("accepted", "duplicate", "rejected", "ignored")


class EventNotAuthorized(Exception):
    """The event has no known topic, or the API key lacks the scope of its type."""

    def __init__(self, code: str, reason: str, field: str) -> None:
        self.outcome = rejected(code, reason, field)


def ingest_batch(
    items: Sequence[Any], *, scopes: frozenset[str], binding: KeyBinding | None = None
) -> dict[str, Any]:
    """
    Apply a batch of events; return counts by status and the result of each item, in order.

    Events that cannot be applied are quarantined; they do not block the others. Items without a
    known topic or the required scope, and those of stores that the key does not reach, are rejected
    without quarantine. Safe to repeat.
    """
    outcomes: dict[int, Outcome] = {}
    indexes_by_topic: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        try:
            topic = _authorize(item, scopes)
        except EventNotAuthorized as error:
            outcomes[index] = error.outcome
        else:
            indexes_by_topic[topic].append(index)

    if binding is not None and binding.is_bound:
        for topic, indexes in indexes_by_topic.items():
            refused = _outside(topic, {index: items[index] for index in indexes}, binding)
            outcomes.update(refused)
            indexes_by_topic[topic] = [index for index in indexes if index not in refused]

    for topic, indexes in indexes_by_topic.items():
        topic_outcomes = _apply(topic, [items[index] for index in indexes])
        outcomes.update(zip(indexes, topic_outcomes, strict=True))

    results = [
        {
            "index": index,
            "id": _event_id(item),
            "status": outcomes[index].status,
            "code": outcomes[index].code,
            "reason": outcomes[index].reason,
            "field": outcomes[index].field,
            "warnings": [
                {"code": warning.code, "field": warning.field, "message": warning.message}
                for warning in outcomes[index].warnings
                if not warning.scope or warning.scope in scopes
            ],
        }
        for index, item in enumerate(items)
    ]
    counts: dict[str, int] = {
        status: sum(outcome.status == status for outcome in outcomes.values())
        for status in STATUSES
    }
    return {**counts, "results": results}


def _authorize(item: Any, scopes: frozenset[str]) -> str:
    """Return the topic of an event that the client may send. Raises EventNotAuthorized."""
    topic = item.get("topic") if isinstance(item, Mapping) else None
    topics = event_topics()
    if not isinstance(topic, str) or topic not in topics:
        raise EventNotAuthorized("topic_unknown", f"must be one of {', '.join(topics)}", "topic")
    event_type = event_types().get((topic, str(item.get("type"))))
    if event_type and event_type.scope not in scopes:
        reason = f"requires an API key with the scope {event_type.scope}"
        raise EventNotAuthorized("permission_denied", reason, "type")
    return topic


def _outside(
    topic: str, items: Mapping[int, Mapping[str, Any]], binding: KeyBinding
) -> dict[int, Outcome]:
    """Return the outcomes of items of stores that the key does not reach, by index."""
    codes: dict[StoreReference, dict[int, str]] = defaultdict(dict)
    for index, item in items.items():
        event_type = event_types().get((topic, str(item.get("type"))))
        data = item.get("data")
        if event_type is None or event_type.store is None or not isinstance(data, Mapping):
            continue
        code = data.get(event_type.store.field)
        if isinstance(code, str) and code:
            codes[event_type.store][index] = code
    outcomes: dict[int, Outcome] = {}
    for store, codes_by_index in codes.items():
        allowed = set(store.within(set(codes_by_index.values()), binding))
        for index, code in codes_by_index.items():
            if code not in allowed:
                reason = gettext("is outside the provinces and stores of this key")
                field = f"data.{store.field}"
                outcomes[index] = rejected("permission_denied", reason, field)
    return outcomes


def _apply(topic: str, items: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    """Decode and apply events of one topic; return their outcomes in the same order."""
    payloads = [{name: value for name, value in item.items() if name != "topic"} for item in items]
    result = apply_events(
        [decode_event(payload, topic=topic) for payload in payloads],
        topic=topic,
        channel=InboxEvent.Channel.REST,
    )
    return [result.outcomes[index] for index in range(len(items))]


def _event_id(item: Any) -> str:
    """Return the id in the canonical notation, or as received, shortened; empty: there is none."""
    event_id = str(item.get("id", "")) if isinstance(item, Mapping) else ""
    try:
        return str(UUID(event_id))
    except ValueError:
        return event_id[:MAX_ID_LENGTH]
