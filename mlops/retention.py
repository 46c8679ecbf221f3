"""Retention rules of the engine's tables."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from mlops.privacy.retention import RetentionRule, register
from mlops.registry import expire_artifacts, expire_training_sets
from mlops.streams.event_types import event_topics

_YEAR = timedelta(days=365)
_CONCATENATED = "concat_ws(chr(10), {})"
_TOPICS = ", ".join(f"'{topic}'" for topic in event_topics())


def _expire_training_sets(
    cutoff: datetime, subjects: Sequence[UUID], dry_run: bool
) -> tuple[int, int]:
    counts = expire_training_sets(cutoff=cutoff, subjects=subjects, dry_run=dry_run)
    return counts.deleted, counts.skipped_by_hold


def _expire_artifacts(
    cutoff: datetime, _subjects: Sequence[UUID], dry_run: bool
) -> tuple[int, int]:
    counts = expire_artifacts(cutoff=cutoff, dry_run=dry_run)
    return counts.deleted, counts.skipped_by_hold


register(
    RetentionRule(
        name="event inbox",
        model="mlops.InboxEvent",
        age_column="received_at",
        retention_period=timedelta(days=90),
        reason="producers repeat events for less than 90 days",
    ),
    RetentionRule(
        name="event outbox",
        model="mlops.OutboxEvent",
        age_column="published_at",
        retention_period=timedelta(days=30),
        condition="t.published_at IS NOT NULL",
        mentions_sql=_CONCATENATED.format("t.key, t.data::text"),
        reason="the events are published",
    ),
    RetentionRule(
        name="webhook deliveries",
        model="mlops.WebhookDelivery",
        age_column="occurred_at",
        retention_period=timedelta(days=30),
        condition="t.status <> 'pending'",
        mentions_sql="t.data::text",
        reason="deliveries may be replayed for a month",
    ),
    RetentionRule(
        name="console sessions",
        model="config.ConsoleSession",
        age_column="expire_date",
        retention_period=timedelta(days=1),
        reason="the session has ended",
    ),
    RetentionRule(
        name="system metrics",
        model="mlops.SystemMetric",
        age_column="measured_at",
        retention_period=timedelta(days=92),
        mentions_sql="t.message",
        is_monthly=True,
        deletes_partial_months=False,
        reason="charts show three months",
    ),
    RetentionRule(
        name="retention sweeps",
        model="mlops.RetentionSweep",
        age_column="started_at",
        retention_period=2 * _YEAR,
        reason="evidence of deletion for two yearly audits",
    ),
    RetentionRule(
        name="quarantine of streams",
        model="mlops.QuarantinedRecord",
        age_column="closed_at",
        retention_period=_YEAR,
        condition=f"t.closed_at IS NOT NULL AND t.source IN ({_TOPICS})",
        mentions_sql=_CONCATENATED.format("t.payload::text, t.fixed_payload::text, t.external_id"),
        reason="the records are replayed or dismissed",
    ),
    RetentionRule(
        name="drift measurements",
        model="mlops.DriftMeasurement",
        age_column="measured_at",
        retention_period=_YEAR + timedelta(days=31),
        reason="a season is compared with the one a year before",
    ),
    RetentionRule(
        name="requested training",
        model="mlops.RetrainRequest",
        age_column="requested_at",
        retention_period=_YEAR,
        reason="the runs that answered them have their own record",
    ),
    RetentionRule(
        name="outcomes of models",
        model="mlops.OutcomeCount",
        age_column="day",
        retention_period=2 * _YEAR,
        reason="counts without persons; a season is compared with the one a year before",
    ),
    RetentionRule(
        name="frozen training sets",
        model="mlops.TrainingRun",
        age_column="started_at",
        retention_period=timedelta(days=90),
        expire=_expire_training_sets,
        reason="files; those of versions that serve, or served before the champion, stay",
    ),
    RetentionRule(
        name="artifacts of models",
        model="mlops.ModelVersion",
        age_column="created_at",
        retention_period=timedelta(days=180),
        expire=_expire_artifacts,
        reason="files; those of versions that serve, or served before the champion, stay",
    ),
)
