"""How long rows are kept: rules declared by each application in a file `retention.py`, applied every night."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pglock
import structlog
from django.apps import apps
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Model
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from config.errors import CultivarError
from mlops.models import RetentionSweep
from mlops.privacy.identifiers import Subject
from mlops.privacy.legal_holds import held_subjects
from mlops.privacy.partitions import partitions
from mlops.privacy.personal_data import identify
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
CODE = "retention-failed"
LIMIT = timedelta(minutes=25)
_TRIES, _WAIT = 3, "2s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    Rows of a table go when `column` is older than `keep`; whole months at a time where the table lies by month.

    condition: SQL over the alias `t` that tells which rows are meant. subject, or names: SQL that yields whose a row is, or
    text that may name them, so that legal holds are kept. is_exact: of the month that `keep` falls into, what is older goes
    as well, row by row; else the month goes when all of it is old enough.
    """

    name: str
    model: str
    column: str
    keep: timedelta
    why: str
    condition: str = "true"
    subject: str = ""
    names: str = ""
    is_monthly: bool = False
    is_exact: bool = True
    chunk: int = 10_000

    @property
    def kind(self) -> type[Model]:
        """The model."""
        return apps.get_model(self.model)

    @property
    def table(self) -> str:
        """Its table."""
        return self.kind._meta.db_table


class OutOfTime(CultivarError):
    """A rule's share of the night is over."""

    code = "out-of-time"

    def __init__(self) -> None:
        super().__init__("The time was up; the rest goes at the next sweep.")


class SweptElsewhere(CultivarError):
    """Another process applies the same rule."""

    code = "swept-elsewhere"

    def __init__(self) -> None:
        super().__init__("Another sweep is under way.")


_rules: dict[str, Rule] = {}


def declare(*told: Rule) -> None:
    """Add rules."""
    _rules.update({rule.name: rule for rule in told})


def rules() -> list[Rule]:
    """Return every rule."""
    autodiscover_modules("retention")
    return list(_rules.values())


def sweep(
    *,
    dry_run: bool = False,
    only: Sequence[str] = (),
    now: datetime | None = None,
    limit: timedelta = LIMIT,
) -> list[RetentionSweep]:
    """
    Apply every rule and note each, also one that removed nothing; return the notes.

    A rule that fails leaves its error and an alert, and does not keep the others waiting. What does not fit into the time
    goes at the next sweep. dry_run: only counts. Safe to repeat, to kill and to run twice at once.
    """
    moment, due = now or timezone.now(), [rule for rule in rules() if not only or rule.name in only]
    ends = time.monotonic() + limit.total_seconds()
    done = []
    for place, rule in enumerate(due):
        share = (ends - time.monotonic()) / (len(due) - place)
        done.append(
            _apply(
                rule, before=moment - rule.keep, deadline=time.monotonic() + share, dry_run=dry_run
            )
        )
    return done


def next_sweep() -> datetime | None:
    """Return when the clock sweeps next; None when it is switched off."""
    from django_celery_beat.models import PeriodicTask

    entry = PeriodicTask.objects.filter(task="mlops.tasks.sweep_retention", enabled=True).first()
    if entry is None:
        return None
    since, ahead, _ = entry.schedule.remaining_delta(timezone.now())
    moment: datetime = since + ahead
    return moment


def _apply(rule: Rule, *, before: datetime, deadline: float, dry_run: bool) -> RetentionSweep:
    made = RetentionSweep.objects.create(
        rule=rule.name, table=rule.table, before=before, is_rehearsal=dry_run
    )
    error = ""
    try:
        if dry_run:
            RetentionSweep.objects.filter(pk=made.pk).update(
                removed=_count(rule, before, is_held=False)
            )
        else:
            with pglock.advisory(f"retention:{rule.name}", timeout=0) as is_ours:
                if not is_ours:
                    raise SweptElsewhere
                _remove(rule, before, deadline, made)
        RetentionSweep.objects.filter(pk=made.pk).update(held=_count(rule, before, is_held=True))
    except (OutOfTime, SweptElsewhere) as reason:
        error = str(reason)
    except Exception as failure:  # whatever it is, the other rules go on
        error = f"{type(failure).__name__}: {failure!s}".splitlines()[0]
        log.warning("retention failed", rule=rule.name, reason=type(failure).__name__)
        open_alert(
            code=CODE, subject=rule.name, message=f"{rule.table} could not be swept: {error}"
        )
    else:
        if not dry_run:
            close_alerts(codes=(CODE,), subject=rule.name)
    RetentionSweep.objects.filter(pk=made.pk).update(error=error, finished_at=timezone.now())
    made.refresh_from_db()
    return made


def _remove(rule: Rule, before: datetime, deadline: float, made: RetentionSweep) -> None:
    if rule.is_monthly:
        for name, (_, end) in sorted(partitions(rule.table).items(), key=lambda told: told[1]):
            if end <= before:
                _drop(rule, name, before, made)
                _in_time(deadline)
    for table in _tables(rule, before):
        while _remove_chunk(rule, table, before, made):
            _in_time(deadline)


def _tables(rule: Rule, before: datetime) -> list[str]:
    """Return where rows go one by one: months that a hold keeps, the month that ends it, the default partition's strays."""
    if not rule.is_monthly:
        return [rule.table]
    months = partitions(rule.table).items()
    old = [
        name for name, (start, end) in months if end <= before or (rule.is_exact and start < before)
    ]
    return [*sorted(old), f"{rule.table}_default"]


def _in_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise OutOfTime


def _drop(rule: Rule, partition: str, before: datetime, made: RetentionSweep) -> None:
    """Drop a month whole, unless a legal hold names somebody in it or the rule does not mean all of its rows."""
    for attempt in range(1, _TRIES + 1):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # Whoever waits for the table waits no longer than this for us.
                cursor.execute(f"SET LOCAL lock_timeout = '{_WAIT}'")
                held, values = _hold_still(cursor, rule, before)
                cursor.execute(
                    f"SELECT count(*), coalesce(bool_or(({held}) OR NOT ({rule.condition})), false) FROM {partition} t",
                    values,
                )
                count, stays = cursor.fetchone()
                if not stays:
                    cursor.execute(f"ALTER TABLE {rule.table} DETACH PARTITION {partition}")
                    cursor.execute(f"DROP TABLE {partition}")
                    _note(made, count)
            return
        except OperationalError:  # somebody held the table for longer
            if attempt == _TRIES:
                raise


def _remove_chunk(rule: Rule, table: str, before: datetime, made: RetentionSweep) -> int:
    key = ", ".join(str(field.column) for field in rule.kind._meta.pk_fields)
    with transaction.atomic(), connection.cursor() as cursor:
        held, values = _hold_still(cursor, rule, before)
        cursor.execute(
            f"""
            WITH due AS (
              SELECT {key} FROM {table} t WHERE t.{rule.column} < %(before)s AND ({rule.condition}) AND NOT ({held})
              LIMIT {rule.chunk} FOR UPDATE SKIP LOCKED
            ) DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM due)
            """,
            values,
        )
        count = int(cursor.rowcount)
        _note(made, count)
        return count


def _note(made: RetentionSweep, count: int) -> None:
    """Count in the transaction that removes, so that a kill leaves what was done."""
    if count:
        RetentionSweep.objects.filter(pk=made.pk).update(removed=F("removed") + count)


def _count(rule: Rule, before: datetime, *, is_held: bool) -> int:
    held, values = _held(rule, before)
    if is_held and held == "false":
        return 0
    counted = 0
    with connection.cursor() as cursor:
        for table in _tables(rule, before):
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE t.{rule.column} < %(before)s AND ({rule.condition})"
                f" AND ({held}) = %(is_held)s",
                {**values, "is_held": is_held},
            )
            counted += int(cursor.fetchone()[0])
    return counted


def _hold_still(cursor: CursorWrapper, rule: Rule, before: datetime) -> tuple[str, dict[str, Any]]:
    """Let no legal hold be set until the end of the transaction; return what those that are set keep."""
    cursor.execute("LOCK TABLE legal_holds IN SHARE MODE")
    return _held(rule, before)


def _held(rule: Rule, before: datetime) -> tuple[str, dict[str, Any]]:
    """Return SQL that is true of rows that a legal hold keeps, and its values with those of the rule."""
    subjects = held_subjects() if rule.subject or rule.names else []
    values: dict[str, Any] = {"before": before, "held": subjects}
    if not subjects:
        return "false", values
    if rule.subject:
        return f"coalesce({rule.subject} = ANY(%(held)s::uuid[]), false)", values
    people = [identify(subject) or Subject(subject) for subject in subjects]
    values["patterns"] = [pattern for person in people for pattern in person.patterns]
    return f"coalesce({rule.names} ~* ANY(%(patterns)s::text[]), false)", values
