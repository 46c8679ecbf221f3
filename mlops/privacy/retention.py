"""Retention: rules that applications register in `retention.py`, applied every night."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

import pglock
import structlog
from django.apps import apps
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Model
from django.utils import timezone

from config.declarations import DeclarationRegistry
from config.errors import CultivarError
from mlops.models import RetentionSweep
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.legal_holds import subjects_on_hold
from mlops.privacy.partitions import partitions
from mlops.privacy.personal_data import identify
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
ALERT_CODE = "retention_failed"
TIME_LIMIT = timedelta(minutes=25)
_MAX_ATTEMPTS = 3
_LOCK_TIMEOUT = "2s"
_LOCK_HOLDS = "LOCK TABLE legal_holds IN SHARE MODE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """
    Rule that deletes rows of a table when `age_column` is older than `retention_period`.

    Whole months of a table that is partitioned by month (`is_monthly`) are dropped as partitions.

    condition: SQL condition over the alias `t`: which rows the rule applies to.
    subject_sql, mentions_sql: SQL for the id of the person a row belongs to, or for text that may
    mention them; rows of persons under a legal hold are skipped.
    deletes_partial_months: delete expired rows of the month that contains the cutoff one by one;
    otherwise that month is deleted when all of it has expired.
    chunk_size: rows per transaction.
    expire: for files instead of rows: deletes those older than the cutoff; gets the cutoff, the
    persons under a legal hold and whether to count only; returns how many were deleted, and how
    many a hold protects.
    on_deleted: called with the keys of deleted rows, in the transaction of the deletion; not for
    partitions, which are dropped as a whole.
    """

    name: str
    model: str
    age_column: str
    retention_period: timedelta
    reason: str
    condition: str = "true"
    subject_sql: str = ""
    mentions_sql: str = ""
    is_monthly: bool = False
    deletes_partial_months: bool = True
    chunk_size: int = 10_000
    on_deleted: Callable[[Sequence[Any]], object] | None = None
    expire: Callable[[datetime, Sequence[UUID], bool], tuple[int, int]] | None = None

    @property
    def model_class(self) -> type[Model]:
        """The Django model."""
        return apps.get_model(self.model)

    @property
    def table(self) -> str:
        """The name of the model's table."""
        return self.model_class._meta.db_table


class SweepOutOfTime(CultivarError):
    """The time of a rule is over before all expired rows are deleted."""

    code = "sweep_out_of_time"

    def __init__(self) -> None:
        super().__init__("The time limit was reached; the next sweep continues.")


class SweepInProgress(CultivarError):
    """Another process is applying the same rule."""

    code = "sweep_in_progress"

    def __init__(self) -> None:
        super().__init__("Another sweep is in progress.")


RETENTION_RULES = DeclarationRegistry[str, RetentionRule]("retention", name_of=attrgetter("name"))
register = RETENTION_RULES.register


def retention_rules() -> list[RetentionRule]:
    """Return every registered rule."""
    return RETENTION_RULES.all()


def sweep(
    *,
    dry_run: bool = False,
    only: Sequence[str] = (),
    now: datetime | None = None,
    time_limit: timedelta = TIME_LIMIT,
) -> list[RetentionSweep]:
    """
    Apply every rule, or those named in `only`; return a record of each.

    A rule that fails leaves its error and an alert; the other rules are applied. Each rule gets an
    equal share of the remaining time; the next sweep continues what was not finished. dry_run: only
    count. Safe to repeat, to kill and to run in several processes.
    """
    moment = now or timezone.now()
    due = [rule for rule in retention_rules() if not only or rule.name in only]
    ends_at = time.monotonic() + time_limit.total_seconds()
    sweeps = []
    for index, rule in enumerate(due):
        time_share = (ends_at - time.monotonic()) / (len(due) - index)
        sweeps.append(
            _apply_rule(
                rule,
                cutoff=moment - rule.retention_period,
                deadline=time.monotonic() + time_share,
                dry_run=dry_run,
            )
        )
    return sweeps


def last_sweeps() -> dict[str, RetentionSweep]:
    """Return the newest sweep of each rule by its name, without dry runs."""
    sweeps = RetentionSweep.objects.filter(is_dry_run=False)
    newest = sweeps.order_by("rule", "-started_at", "-id").distinct("rule")
    return {sweep.rule: sweep for sweep in newest}


def next_sweep() -> datetime | None:
    """Return when Celery beat runs the next sweep; None when the schedule entry is disabled."""
    from django_celery_beat.models import PeriodicTask

    entry = PeriodicTask.objects.filter(task="mlops.tasks.sweep_retention", enabled=True).first()
    if entry is None:
        return None
    delay: timedelta = entry.schedule.remaining_estimate(entry.last_run_at or timezone.now())
    return timezone.now() + max(delay, timedelta(0))  # negative: it is overdue


def _apply_rule(
    rule: RetentionRule, *, cutoff: datetime, deadline: float, dry_run: bool
) -> RetentionSweep:
    record = RetentionSweep.objects.create(
        rule=rule.name, table=rule.table, cutoff_at=cutoff, is_dry_run=dry_run
    )
    rows = RetentionSweep.objects.filter(pk=record.pk)
    error = ""
    try:
        if rule.expire:
            deleted, skipped = _expire(rule, rule.expire, cutoff, dry_run=dry_run)
            rows.update(deleted=deleted, skipped_by_hold=skipped)
        elif dry_run:
            rows.update(deleted=_count(rule, cutoff, is_on_hold=False))
        else:
            _delete(rule, cutoff, deadline, record)
        if not rule.expire:
            rows.update(skipped_by_hold=_count(rule, cutoff, is_on_hold=True))
    except (SweepOutOfTime, SweepInProgress) as interruption:
        error = str(interruption)
    except Exception as failure:  # the other rules must be applied whatever fails here
        error = f"{type(failure).__name__}: {failure!s}".splitlines()[0]
        log.warning("retention.failed", rule=rule.name, error_type=type(failure).__name__)
        open_alert(
            code=ALERT_CODE, subject=rule.name, message=f"{rule.table} could not be swept: {error}"
        )
    else:
        if not dry_run:
            close_alerts(codes=(ALERT_CODE,), subject=rule.name)
    rows.update(error=error, finished_at=timezone.now())
    record.refresh_from_db()
    return record


def _expire(
    rule: RetentionRule,
    expire: Callable[[datetime, Sequence[UUID], bool], tuple[int, int]],
    cutoff: datetime,
    *,
    dry_run: bool,
) -> tuple[int, int]:
    """Delete expired files; no legal hold is set meanwhile. Raises SweepInProgress."""
    with pglock.advisory(f"retention:{rule.name}", timeout=0) as is_acquired:
        if not is_acquired:
            raise SweepInProgress
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_LOCK_HOLDS)
            return expire(cutoff, subjects_on_hold(), dry_run)


def _delete(rule: RetentionRule, cutoff: datetime, deadline: float, record: RetentionSweep) -> None:
    """Delete expired rows. Raises SweepInProgress, SweepOutOfTime."""
    with pglock.advisory(f"retention:{rule.name}", timeout=0) as is_acquired:
        if not is_acquired:
            raise SweepInProgress
        if rule.is_monthly:
            for name, (_, end) in sorted(partitions(rule.table).items(), key=lambda item: item[1]):
                if end <= cutoff:
                    _drop_partition(rule, name, cutoff, record)
                    _check_deadline(deadline)
        for table in _tables_to_delete_from(rule, cutoff):
            while _delete_chunk(rule, table, cutoff, record):
                _check_deadline(deadline)


def _tables_to_delete_from(rule: RetentionRule, cutoff: datetime) -> list[str]:
    """
    Return the tables or partitions from which expired rows are deleted one by one.

    Of a monthly table these are expired months that could not be dropped, the month that contains
    the cutoff, and the default partition.
    """
    if not rule.is_monthly:
        return [rule.table]
    expired = [
        name
        for name, (start, end) in partitions(rule.table).items()
        if end <= cutoff or (rule.deletes_partial_months and start < cutoff)
    ]
    return [*sorted(expired), f"{rule.table}_default"]


def _check_deadline(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise SweepOutOfTime


def _drop_partition(
    rule: RetentionRule, partition: str, cutoff: datetime, record: RetentionSweep
) -> None:
    """Drop a month, unless a legal hold or the rule's condition excludes some of its rows."""
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # Other users of the table queue behind our lock request: do not wait for long.
                cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                is_on_hold, params = _lock_holds(cursor, rule, cutoff)
                is_excluded = f"({is_on_hold}) OR NOT ({rule.condition})"
                cursor.execute(
                    f"SELECT count(*), coalesce(bool_or({is_excluded}), false) FROM {partition} t",
                    params,
                )
                row_count, has_excluded_rows = cursor.fetchone()
                if not has_excluded_rows:
                    cursor.execute(f"ALTER TABLE {rule.table} DETACH PARTITION {partition}")
                    cursor.execute(f"DROP TABLE {partition}")
                    _add_deleted(record, row_count)
        except OperationalError:  # the table was locked for longer
            if attempt == _MAX_ATTEMPTS:
                raise
        else:
            return


def _delete_chunk(rule: RetentionRule, table: str, cutoff: datetime, record: RetentionSweep) -> int:
    """Delete expired rows that are not locked, up to the chunk size; return how many."""
    key = ", ".join(str(field.column) for field in rule.model_class._meta.pk_fields)
    with transaction.atomic(), connection.cursor() as cursor:
        is_on_hold, params = _lock_holds(cursor, rule, cutoff)
        cursor.execute(
            f"""
            WITH expired AS (
              SELECT {key} FROM {table} t
              WHERE t.{rule.age_column} < %(cutoff)s AND ({rule.condition}) AND NOT ({is_on_hold})
              LIMIT {rule.chunk_size} FOR UPDATE SKIP LOCKED
            ) DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM expired)
            {f"RETURNING {key}" if rule.on_deleted else ""}
            """,
            params,
        )
        deleted = int(cursor.rowcount)
        if rule.on_deleted and deleted:
            rule.on_deleted([key for (key,) in cursor.fetchall()])
        _add_deleted(record, deleted)
        return deleted


def _add_deleted(record: RetentionSweep, count: int) -> None:
    """Add to the count in the transaction of the deletion, so that a killed sweep is recorded."""
    if count:
        RetentionSweep.objects.filter(pk=record.pk).update(deleted=F("deleted") + count)


def _count(rule: RetentionRule, cutoff: datetime, *, is_on_hold: bool) -> int:
    """Return how many expired rows are under a legal hold, or are not."""
    hold_condition, params = _hold_condition(rule, cutoff)
    if is_on_hold and hold_condition == "false":
        return 0
    total = 0
    with connection.cursor() as cursor:
        for table in _tables_to_delete_from(rule, cutoff):
            cursor.execute(
                f"SELECT count(*) FROM {table} t"
                f" WHERE t.{rule.age_column} < %(cutoff)s AND ({rule.condition})"
                f" AND ({hold_condition}) = %(is_on_hold)s",
                {**params, "is_on_hold": is_on_hold},
            )
            total += int(cursor.fetchone()[0])
    return total


def _lock_holds(
    cursor: CursorWrapper, rule: RetentionRule, cutoff: datetime
) -> tuple[str, dict[str, Any]]:
    """Prevent new legal holds until the end of the transaction; return the current condition."""
    cursor.execute(_LOCK_HOLDS)
    return _hold_condition(rule, cutoff)


def _hold_condition(rule: RetentionRule, cutoff: datetime) -> tuple[str, dict[str, Any]]:
    """Return an SQL condition that is true for rows under a legal hold, with its parameters."""
    subjects = subjects_on_hold() if rule.subject_sql or rule.mentions_sql else []
    params: dict[str, Any] = {"cutoff": cutoff, "subjects": subjects}
    if not subjects:
        return "false", params
    if rule.subject_sql:
        return f"coalesce({rule.subject_sql} = ANY(%(subjects)s::uuid[]), false)", params
    persons = [identify(subject) or Identifiers(subject) for subject in subjects]
    params["patterns"] = [pattern for person in persons for pattern in person.patterns]
    return f"coalesce({rule.mentions_sql} ~* ANY(%(patterns)s::text[]), false)", params
