"""How long the engines keep what they note."""

from datetime import timedelta

from mlops.privacy.retention import Rule, declare
from mlops.streams.event_types import TOPICS

_YEAR = timedelta(days=365)
_NAMES = "concat_ws(chr(10), {})"
_TOPICS = ", ".join(f"'{topic}'" for topic in TOPICS)

declare(
    Rule(
        name="event inbox",
        model="mlops.InboxEvent",
        column="received_at",
        keep=timedelta(days=90),
        why="no producer sends an event again after so long",
    ),
    Rule(
        name="event outbox",
        model="mlops.OutgoingEvent",
        column="published_at",
        keep=timedelta(days=30),
        condition="t.published_at IS NOT NULL",
        names=_NAMES.format("t.key, t.data::text"),
        why="it was published",
    ),
    Rule(
        name="system metrics",
        model="mlops.SystemMetric",
        column="measured_at",
        keep=timedelta(days=92),
        names="t.message",
        is_monthly=True,
        is_exact=False,
        why="charts show three months",
    ),
    Rule(
        name="retention sweeps",
        model="mlops.RetentionSweep",
        column="started_at",
        keep=2 * _YEAR,
        why="proof of what was forgotten, for two audits",
    ),
    Rule(
        name="quarantine of streams",
        model="mlops.QuarantinedRecord",
        column="closed_at",
        keep=_YEAR,
        condition=f"t.closed_at IS NOT NULL AND t.source IN ({_TOPICS})",
        names=_NAMES.format("t.payload::text, t.fixed_payload::text, t.external_id"),
        why="it was mended or put away",
    ),
)
