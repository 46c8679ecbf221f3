"""Retention: expired rows are deleted, every rule leaves a record, legal holds are respected."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from dateutil.relativedelta import relativedelta
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pglock.core import advisory_id

from customers.models import (
    ChatMessage,
    ChatSession,
    CustomerProfile,
    Interaction,
    PersonalAccess,
)
from customers.services import profiles
from mlops.models import (
    Alert,
    InboxEvent,
    LegalHold,
    OutboxEvent,
    QuarantinedRecord,
    RetentionSweep,
    SystemMetric,
)
from mlops.privacy import retention
from mlops.privacy.legal_holds import lift_legal_holds, set_legal_hold
from mlops.privacy.partitions import make_partitions, partitions
from mlops.privacy.retention import (
    RetentionRule,
    last_sweeps,
    next_sweep,
    retention_rules,
    sweep,
)
from mlops.tasks import sweep_retention
from tests.factories.catalog import ProductFactory
from tests.factories.customers import (
    ChatMessageFactory,
    ChatSessionFactory,
    InteractionFactory,
    MessageFeedbackFactory,
)
from tests.factories.mlops import (
    InboxEventFactory,
    OutboxEventFactory,
    QuarantinedRecordFactory,
    RunFactory,
    SystemMetricFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now().replace(microsecond=0)
YEAR = timedelta(days=365)
MINUTE = timedelta(minutes=1)
EXPIRED_MONTH = NOW - relativedelta(months=15)


@pytest.fixture(autouse=True)
def _current_partitions() -> Iterator[None]:
    """Start and end every test with the partitions of this and the next three months."""
    make_partitions()
    yield
    with connection.cursor() as cursor:
        for table in ("chat_messages", "system_metrics"):
            for name, (start, _) in partitions(table).items():
                if start < NOW - timedelta(days=40):
                    cursor.execute(f"DROP TABLE {name}")
    make_partitions()


def _create_partition(table: str, month: datetime) -> str:
    start = month.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = start + relativedelta(months=1)
    name = f"{table}_{start:%Y_%b}".lower()
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {name} PARTITION OF {table}"
            f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )
    return name


@pytest.fixture
def customer() -> CustomerProfile:
    """Return a customer."""
    return profiles.register_customer(external_id="LOYAL-0001", by="key:test")


def _create_session(
    customer: CustomerProfile | None = None, started_at: datetime = NOW
) -> ChatSession:
    return ChatSessionFactory.create(customer=customer, session_start=started_at)


def _create_message(session: ChatSession, created_at: datetime) -> UUID:
    message = ChatMessageFactory.create(
        session=session, created_at=created_at, message_text="hello"
    )
    return UUID(str(message.id))


def _message_ids() -> set[UUID]:
    return set(ChatMessage.objects.values_list("id", flat=True))


def _create_inbox_event(received_at: datetime) -> InboxEvent:
    return InboxEventFactory.create(occurred_at=received_at, received_at=received_at)


def _sweep_by_rule(*, dry_run: bool = False) -> dict[str, RetentionSweep]:
    return {record.rule: record for record in sweep(now=NOW, dry_run=dry_run)}


def test_every_rule_leaves_a_record_even_when_nothing_is_deleted() -> None:
    rules = {rule.name for rule in retention_rules()}
    assert len(rules) >= 10

    counts = sweep_retention()

    records = RetentionSweep.objects.all()
    assert counts == dict.fromkeys(rules, 0)
    assert {record.rule for record in records} == rules
    assert all(
        record.finished_at and not record.error and not record.is_dry_run for record in records
    )


def test_expired_months_of_chats_are_dropped_as_partitions(customer: CustomerProfile) -> None:
    cutoff = NOW - YEAR
    expired_partition = _create_partition("chat_messages", EXPIRED_MONTH)
    partial_partition = _create_partition("chat_messages", cutoff)
    session = _create_session(customer, EXPIRED_MONTH)
    _create_message(session, EXPIRED_MONTH)
    _create_message(session, cutoff - MINUTE)  # expired, in the month that contains the cutoff
    _create_message(session, datetime(2001, 1, 1, tzinfo=UTC))  # in the default partition
    retained = {_create_message(session, cutoff + MINUTE), _create_message(session, NOW)}

    (first,) = sweep(only=["chat messages"], now=NOW)
    (second,) = sweep(only=["chat messages"], now=NOW)

    assert (first.deleted, first.skipped_by_hold, first.error) == (3, 0, "")
    assert second.deleted == 0
    assert _message_ids() == retained
    assert expired_partition not in partitions("chat_messages")
    assert partial_partition in partitions("chat_messages")
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [expired_partition])
        assert cursor.fetchone() == (None,)


def test_metrics_are_deleted_only_by_whole_months() -> None:
    cutoff = NOW - timedelta(days=92)
    expired = NOW - relativedelta(months=6)
    _create_partition("system_metrics", cutoff)
    _create_partition("system_metrics", expired)
    for measured_at in (cutoff - MINUTE, expired, NOW):
        SystemMetricFactory.create(measured_at=measured_at)

    (dry_run,) = sweep(only=["system metrics"], now=NOW, dry_run=True)
    (record,) = sweep(only=["system metrics"], now=NOW)

    # On the first minute of a month the metric before the cutoff belongs to an expired month.
    is_first_minute = (cutoff - MINUTE).month != cutoff.month
    assert dry_run.deleted == 1 + is_first_minute
    assert record.deleted == 1 + is_first_minute
    assert SystemMetric.objects.count() == 2 - is_first_minute


def test_a_legal_hold_retains_the_data_of_one_person_until_it_is_lifted(
    customer: CustomerProfile,
) -> None:
    partition = _create_partition("chat_messages", EXPIRED_MONTH)
    held_session = _create_session(customer, EXPIRED_MONTH)
    other_session = _create_session(None, EXPIRED_MONTH)
    held_message = _create_message(held_session, EXPIRED_MONTH)
    _create_message(other_session, EXPIRED_MONTH)
    MessageFeedbackFactory.create(session=held_session, given_at=EXPIRED_MONTH)
    counsel = User.objects.create_user("counsel")
    hold = set_legal_hold(subject=UUID(str(customer.pk)), reason="claim", by=counsel)

    records = _sweep_by_rule()

    messages = records["chat messages"]
    feedback = records["feedback on answers"]
    assert (messages.deleted, messages.skipped_by_hold) == (1, 1)
    assert (feedback.deleted, feedback.skipped_by_hold) == (0, 1)
    assert _message_ids() == {held_message}
    assert partition in partitions("chat_messages")
    assert set(ChatSession.objects.values_list("pk", flat=True)) == {held_session.pk}

    lift_legal_holds(holds=[hold], by=counsel)
    sweep(now=NOW)

    assert _message_ids() == set()
    assert partition not in partitions("chat_messages")
    assert not ChatSession.objects.exists()


def test_chat_sessions_are_deleted_when_they_have_no_messages_and_no_feedback(
    customer: CustomerProfile,
) -> None:
    expired = NOW - YEAR - timedelta(days=1)
    _create_session(customer, expired)
    with_message = _create_session(customer, expired)
    with_feedback = _create_session(customer, expired)
    recent = _create_session(customer, NOW)
    _create_message(with_message, NOW)
    MessageFeedbackFactory.create(session=with_feedback, is_helpful=False, given_at=NOW)

    (record,) = sweep(only=["chat sessions"], now=NOW)

    assert record.deleted == 1
    retained = {with_message.pk, with_feedback.pk, recent.pk}
    assert set(ChatSession.objects.values_list("pk", flat=True)) == retained


def _create_rows_around_each_cutoff(customer: CustomerProfile) -> list[str]:
    """Create two rows for each other rule, a minute older and younger; return the rules' names."""
    product = ProductFactory.create()
    run = RunFactory.create(pipeline="streams")

    def quarantine(closed_at: datetime | None, source: str = "customer_interactions") -> None:
        QuarantinedRecordFactory.create(source=source, payload={}, run=run, closed_at=closed_at)

    def interaction(occurred_at: datetime) -> None:
        InteractionFactory.create(
            kind="view", customer=customer, product=product, occurred_at=occurred_at
        )

    def access(accessed_at: datetime) -> None:
        PersonalAccess.objects.create(
            customer_id=customer.pk, actor="a", action="b", accessed_at=accessed_at
        )

    def outbox_event(published_at: datetime | None, recorded_at: datetime = NOW) -> None:
        OutboxEventFactory.create(published_at=published_at, recorded_at=recorded_at)

    def sweep_record(started_at: datetime) -> None:
        RetentionSweep.objects.create(
            rule="x", table="x", cutoff_at=started_at, started_at=started_at
        )

    creators: dict[str, tuple[timedelta, Callable[[datetime], object]]] = {
        "interactions": (2 * YEAR, interaction),
        "access to personal data": (2 * YEAR, access),
        "event inbox": (timedelta(days=90), _create_inbox_event),
        "event outbox": (timedelta(days=30), outbox_event),
        "retention sweeps": (2 * YEAR, sweep_record),
        "quarantine of streams": (YEAR, quarantine),
    }
    PersonalAccess.objects.all().delete()
    for retention_period, create in creators.values():
        create(NOW - retention_period - MINUTE)
        create(NOW - retention_period + MINUTE)
    # Old rows that the rules do not apply to.
    outbox_event(None, recorded_at=NOW - 9 * YEAR)
    quarantine(None)
    quarantine(NOW - 9 * YEAR, source="ocs")
    return list(creators)


def test_each_rule_deletes_rows_that_are_a_minute_too_old(customer: CustomerProfile) -> None:
    rules = _create_rows_around_each_cutoff(customer)

    records = _sweep_by_rule()

    assert {rule: records[rule].deleted for rule in rules} == dict.fromkeys(rules, 1)
    assert Interaction.objects.count() == 1
    assert InboxEvent.objects.count() == 1
    assert PersonalAccess.objects.count() == 1
    assert OutboxEvent.objects.count() == 2
    assert QuarantinedRecord.objects.count() == 3
    assert RetentionSweep.objects.filter(rule="x").count() == 1


def test_quarantine_and_outbox_that_mention_a_person_on_hold_are_retained(
    customer: CustomerProfile,
) -> None:
    run = RunFactory.create(pipeline="streams")
    for external_id in ("LOYAL-0001", "LOYAL-0002"):
        QuarantinedRecordFactory.create(
            source="customer_interactions",
            payload={"external_id": external_id},
            payload_hash=external_id,
            run=run,
            closed_at=NOW - 2 * YEAR,
        )
        OutboxEventFactory.create(key=external_id, published_at=NOW - YEAR)
    set_legal_hold(subject=UUID(str(customer.pk)), reason="claim", by=None)

    records = _sweep_by_rule()

    for rule in ("quarantine of streams", "event outbox"):
        assert (records[rule].deleted, records[rule].skipped_by_hold) == (1, 1), rule
    assert QuarantinedRecord.objects.get().payload == {"external_id": "LOYAL-0001"}


def test_a_dry_run_counts_what_a_sweep_deletes(customer: CustomerProfile) -> None:
    _create_rows_around_each_cutoff(customer)
    _create_partition("chat_messages", EXPIRED_MONTH)
    _create_message(_create_session(customer, EXPIRED_MONTH), EXPIRED_MONTH)

    counted = {rule: record.deleted for rule, record in _sweep_by_rule(dry_run=True).items()}
    is_dry_run = RetentionSweep.objects.exclude(rule="x").values_list("is_dry_run", flat=True)
    assert all(is_dry_run)
    assert len(_message_ids()) == 1

    deleted = {rule: record.deleted for rule, record in _sweep_by_rule().items()}
    # The session has no messages only after the sweep has deleted them.
    deleted["chat sessions"] -= 1
    assert counted == deleted
    assert deleted["chat messages"] == 1


def test_a_rule_that_fails_leaves_an_alert_and_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = RetentionRule(
        name="event inbox",
        model="mlops.InboxEvent",
        age_column="no_such_column",
        retention_period=timedelta(days=90),
        reason="a mistake",
    )
    with monkeypatch.context() as patch:
        patch.setitem(retention.RETENTION_RULES._registry, "event inbox", broken)
        records = _sweep_by_rule()

    assert "no_such_column" in records.pop("event inbox").error
    assert {record.error for record in records.values()} == {""}
    alert = Alert.objects.get(code="retention_failed", closed_at=None)
    assert alert.subject == "event inbox"

    sweep(now=NOW)
    assert not Alert.objects.filter(closed_at=None).exists()


def test_many_rows_are_deleted_in_chunks_and_continued_after_the_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event_inbox (id, topic, type, channel, occurred_at, received_at)"
            " SELECT gen_random_uuid(), 't', 't', 'rest', now(), %s FROM generate_series(1, 25000)",
            [NOW - timedelta(days=100)],
        )

    (limited,) = sweep(only=["event inbox"], now=NOW, time_limit=timedelta(0))

    assert limited.deleted == 10_000
    assert InboxEvent.objects.count() == 15_000
    assert "next sweep" in limited.error
    assert not Alert.objects.exists()

    chunk_sizes: list[int] = []
    delete_chunk = retention._delete_chunk

    def record_chunk_size(*arguments: Any) -> int:
        chunk_sizes.append(delete_chunk(*arguments))
        return chunk_sizes[-1]

    monkeypatch.setattr(retention, "_delete_chunk", record_chunk_size)
    (complete,) = sweep(only=["event inbox"], now=NOW)

    assert chunk_sizes == [10_000, 5_000, 0]
    assert complete.deleted == 15_000
    assert not InboxEvent.objects.exists()


def test_a_killed_sweep_has_recorded_what_it_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(_deadline: float) -> None:
        raise Killed

    _create_inbox_event(NOW - timedelta(days=91))
    with monkeypatch.context() as patch:
        patch.setattr(retention, "_check_deadline", die)
        with pytest.raises(Killed):
            sweep(only=["event inbox"], now=NOW)

    record = RetentionSweep.objects.get(rule="event inbox")
    assert record.deleted == 1
    assert record.finished_at is None


def _connect_again() -> "psycopg.Connection[Any]":
    """Open another connection to the test database."""
    params = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg.connect(**{name: params[name] for name in names})


def test_a_rule_that_another_process_applies_is_skipped() -> None:
    high, low = advisory_id("retention:event inbox")
    with _connect_again() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [(high << 32) | low])
        errors = {rule: record.error for rule, record in _sweep_by_rule().items()}

    assert errors.pop("event inbox") == "Another sweep is in progress."
    assert set(errors.values()) == {""}
    assert not Alert.objects.exists()


def test_files_that_another_process_expires_are_skipped() -> None:
    high, low = advisory_id("retention:frozen training sets")
    with _connect_again() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [(high << 32) | low])
        (record,) = sweep(only=["frozen training sets"], now=NOW)

    assert record.error == "Another sweep is in progress."


def test_month_that_stays_locked_is_left_for_the_next_sweep_with_an_alert(
    customer: CustomerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_LOCK_TIMEOUT", "10ms")
    name = _create_partition("chat_messages", EXPIRED_MONTH)
    _create_message(_create_session(customer, EXPIRED_MONTH), EXPIRED_MONTH)
    with _connect_again() as other:
        other.execute(f"SELECT FROM {name}")  # its transaction keeps a lock
        (record,) = sweep(only=["chat messages"], now=NOW)

    assert (record.deleted, len(_message_ids())) == (0, 1)
    assert "lock timeout" in record.error
    assert Alert.objects.get(closed_at=None).subject == "chat messages"


def test_month_that_ends_at_the_cutoff_is_dropped(customer: CustomerProfile) -> None:
    name = _create_partition("chat_messages", EXPIRED_MONTH)
    _create_message(_create_session(customer, EXPIRED_MONTH), EXPIRED_MONTH)
    _start, end = partitions("chat_messages")[name]
    rule = next(rule for rule in retention_rules() if rule.name == "chat messages")

    (record,) = sweep(only=["chat messages"], now=end + rule.retention_period)

    assert record.deleted == 1
    assert name not in partitions("chat_messages")


def test_keys_of_deleted_rows_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    expired = _create_inbox_event(NOW - timedelta(days=91))
    _create_inbox_event(NOW - timedelta(days=89))
    reported: list[Any] = []
    rule = next(rule for rule in retention_rules() if rule.name == "event inbox")
    monkeypatch.setitem(
        retention.RETENTION_RULES._registry,
        "event inbox",
        replace(rule, on_deleted=reported.extend),
    )

    sweep(only=["event inbox"], now=NOW)

    assert reported == [expired.pk]


def test_last_sweep_of_a_rule_is_the_newest_that_deleted() -> None:
    sweep(only=["event inbox"], now=NOW)
    (newest,) = sweep(only=["event inbox"], now=NOW)
    sweep(only=["event inbox"], now=NOW, dry_run=True)

    assert last_sweeps() == {"event inbox": newest}


@pytest.fixture
def sweep_task() -> PeriodicTask:
    """Return the daily entry of the sweep, six hours after its last run, beside another entry."""
    daily = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.DAYS)
    PeriodicTask.objects.all().delete()
    PeriodicTask.objects.create(
        name="other", task="config.tasks.other", interval=daily, last_run_at=timezone.now()
    )
    return PeriodicTask.objects.create(
        name="sweep",
        task="mlops.tasks.sweep_retention",
        interval=daily,
        last_run_at=timezone.now() - timedelta(hours=6),
    )


def test_next_sweep_is_a_day_after_the_last(sweep_task: PeriodicTask) -> None:
    next_run = next_sweep()

    assert next_run is not None
    assert sweep_task.last_run_at is not None
    assert abs(next_run - sweep_task.last_run_at - timedelta(days=1)) < 5 * MINUTE


def test_overdue_sweep_is_next_now(sweep_task: PeriodicTask) -> None:
    PeriodicTask.objects.filter(pk=sweep_task.pk).update(last_run_at=NOW - timedelta(days=3))
    before = timezone.now()

    next_run = next_sweep()

    assert next_run is not None
    assert before <= next_run <= timezone.now()


def test_disabled_sweep_has_no_next_run(sweep_task: PeriodicTask) -> None:
    PeriodicTask.objects.filter(pk=sweep_task.pk).update(enabled=False)

    assert next_sweep() is None


def test_a_locked_row_is_skipped_without_waiting() -> None:
    _create_inbox_event(NOW - timedelta(days=91))
    locked = _create_inbox_event(NOW - timedelta(days=91))
    with _connect_again() as other:
        other.execute("SELECT FROM event_inbox WHERE id = %s FOR UPDATE", [locked.pk])
        (record,) = sweep(only=["event inbox"], now=NOW)

    assert record.deleted == 1
    assert InboxEvent.objects.get().pk == locked.pk


def test_no_legal_hold_can_be_set_between_its_check_and_the_deletion(
    customer: CustomerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _create_partition("chat_messages", EXPIRED_MONTH)
    _create_message(_create_session(customer, EXPIRED_MONTH), EXPIRED_MONTH)
    hold_condition = retention._hold_condition
    attempts: list[Future[Any]] = []

    def set_hold() -> None:
        set_legal_hold(subject=UUID(str(customer.pk)), reason="claim", by=None)
        connections.close_all()

    with ThreadPoolExecutor() as pool:

        def check_while_a_hold_is_set(*arguments: Any) -> Any:
            condition = hold_condition(*arguments)
            if not attempts:
                attempts.append(pool.submit(set_hold))
                is_set = wait(attempts, timeout=0.5).done
                assert not is_set  # it waits for the end of the deletion
            return condition

        monkeypatch.setattr(retention, "_hold_condition", check_while_a_hold_is_set)
        (record,) = sweep(only=["chat messages"], now=NOW)
        attempts[0].result(timeout=10)

    assert record.deleted == 1
    assert record.error == ""
    assert LegalHold.objects.count() == 1


def test_command_prints_a_row_for_each_rule() -> None:
    out = StringIO()

    call_command("sweep_retention", "--dry-run", stdout=out)

    for rule in retention_rules():
        assert rule.name in out.getvalue()
    assert RetentionSweep.objects.filter(is_dry_run=True).count() == len(retention_rules())


def test_command_applies_one_rule_and_rejects_an_unknown_one() -> None:
    call_command("sweep_retention", "--rule", "event inbox", stdout=StringIO())
    assert RetentionSweep.objects.filter(is_dry_run=False).count() == 1

    with pytest.raises(CommandError):
        call_command("sweep_retention", "--rule", "nonsense", stdout=StringIO())


def test_rules_refer_to_existing_columns_and_have_reasons() -> None:
    for rule in retention_rules():
        columns = {field.column for field in rule.model_class._meta.local_fields}
        assert rule.age_column in columns
        assert rule.reason
