"""What has been kept for long enough goes, every rule leaves a row, and a legal hold is kept."""

import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from dateutil.relativedelta import relativedelta
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from catalog.models import Product
from customers.models import (
    ChatMessage,
    ChatSession,
    CustomerProfile,
    Interaction,
    MessageFeedback,
    PersonalAccess,
)
from customers.services import profiles
from mlops.models import (
    Alert,
    InboxEvent,
    LegalHold,
    OutgoingEvent,
    QuarantinedRecord,
    RetentionSweep,
    Run,
    SystemMetric,
)
from mlops.privacy import retention
from mlops.privacy.legal_holds import hold, lift
from mlops.privacy.partitions import make_partitions, partitions
from mlops.privacy.retention import Rule, rules, sweep
from mlops.tasks import sweep_retention

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now().replace(microsecond=0)
YEAR = timedelta(days=365)


@pytest.fixture(autouse=True)
def _months() -> Iterator[None]:
    """Let every test begin and end with this and the next three months' partitions."""
    make_partitions()
    yield
    with connection.cursor() as cursor:
        for table in ("chat_messages", "system_metrics"):
            for name, (start, _) in partitions(table).items():
                if start < NOW - timedelta(days=40):
                    cursor.execute(f"DROP TABLE {name}")
    make_partitions()


def _make_month(table: str, month: datetime) -> str:
    first = month.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    name = f"{table}_{first:%Y_%b}".lower()
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{first.isoformat()}')"
            f" TO ('{(first + relativedelta(months=1)).isoformat()}')"
        )
    return name


@pytest.fixture
def customer() -> CustomerProfile:
    """Somebody."""
    return profiles.register(external_customer_id="LOYAL-0001", by="key:test")


def _session(customer: CustomerProfile | None = None, start: datetime = NOW) -> ChatSession:
    return ChatSession.objects.create(id=uuid.uuid4(), customer=customer, session_start=start)


def _message(session: ChatSession, when: datetime) -> UUID:
    made = ChatMessage.objects.create(
        id=uuid.uuid4(), session=session, created_at=when, message_text="hello"
    )
    return UUID(str(made.id))


def _messages() -> set[UUID]:
    return set(ChatMessage.objects.values_list("id", flat=True))


def _last(rule: str) -> RetentionSweep:
    return RetentionSweep.objects.filter(rule=rule).order_by("-id")[0]


def test_every_rule_leaves_a_row_even_when_nothing_is_removed() -> None:
    told = sweep_retention()
    assert told == {rule.name: 0 for rule in rules()}
    rows = RetentionSweep.objects.all()
    assert {row.rule for row in rows} == {rule.name for rule in rules()}
    assert all(row.finished_at and not row.error and not row.is_rehearsal for row in rows)
    assert len(rules()) >= 10


def test_old_months_of_chats_are_dropped_whole(customer: CustomerProfile) -> None:
    old, border = NOW - relativedelta(months=15), NOW - YEAR
    dropped, kept = _make_month("chat_messages", old), _make_month("chat_messages", border)
    session = _session(customer, old)
    _message(session, old)
    _message(
        session, border - timedelta(minutes=1)
    )  # of a month that is not over; yet it was promised to go
    stays = {_message(session, border + timedelta(minutes=1)), _message(session, NOW)}
    _message(session, datetime(2001, 1, 1, tzinfo=UTC))  # lies in the default partition
    (made,) = sweep(only=["chat messages"], now=NOW)
    assert (made.removed, made.held, made.error) == (3, 0, "")
    assert _messages() == stays
    assert dropped not in partitions("chat_messages")
    assert kept in partitions("chat_messages")
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [dropped])
        assert cursor.fetchone() == (None,)
    (again,) = sweep(only=["chat messages"], now=NOW)
    assert again.removed == 0


def test_metrics_go_by_whole_months_alone() -> None:
    _make_month("system_metrics", NOW - timedelta(days=92))
    _make_month("system_metrics", NOW - relativedelta(months=6))
    for when in (NOW - timedelta(days=92, minutes=1), NOW - relativedelta(months=6), NOW):
        SystemMetric.objects.create(
            id=uuid.uuid4(), source="s", name="n", value=1, measured_at=when
        )
    (rehearsed,) = sweep(only=["system metrics"], now=NOW, dry_run=True)
    (made,) = sweep(only=["system metrics"], now=NOW)
    is_first = (NOW - timedelta(days=92, minutes=1)).month != (NOW - timedelta(days=92)).month
    assert rehearsed.removed == made.removed == 1 + is_first
    assert SystemMetric.objects.count() == 2 - is_first


def test_a_held_person_keeps_a_month_that_others_lose(customer: CustomerProfile) -> None:
    old = NOW - relativedelta(months=15)
    month = _make_month("chat_messages", old)
    theirs, others = _session(customer, old), _session(None, old)
    held = {_message(theirs, old)}
    _message(others, old)
    MessageFeedback.objects.create(
        session=theirs, message_id=uuid.uuid4(), is_helpful=True, given_at=old
    )
    by = User.objects.create_user("counsel")
    made = hold(subject=UUID(str(customer.pk)), reason="claim", by=by)
    done = {one.rule: one for one in sweep(now=NOW)}
    assert (done["chat messages"].removed, done["chat messages"].held) == (1, 1)
    assert (done["feedback on answers"].removed, done["feedback on answers"].held) == (0, 1)
    assert _messages() == held
    assert month in partitions("chat_messages")
    assert set(ChatSession.objects.values_list("pk", flat=True)) == {theirs.pk}
    lift(holds=[made], by=by)
    sweep(now=NOW)
    assert _messages() == set()
    assert month not in partitions("chat_messages")
    assert not ChatSession.objects.exists()


def test_chat_sessions_go_when_nothing_of_them_is_left(customer: CustomerProfile) -> None:
    old = NOW - YEAR - timedelta(days=1)
    empty, talking, commented, young = (_session(customer, start) for start in (old, old, old, NOW))
    _message(talking, NOW)
    MessageFeedback.objects.create(
        session=commented, message_id=uuid.uuid4(), is_helpful=False, given_at=NOW
    )
    (made,) = sweep(only=["chat sessions"], now=NOW)
    assert made.removed == 1
    assert set(ChatSession.objects.values_list("pk", flat=True)) == {
        talking.pk,
        commented.pk,
        young.pk,
    }
    assert empty.pk


def _two_of_each(customer: CustomerProfile) -> dict[str, Any]:
    """Make a row that is a minute too old for each other rule, and one that is a minute too young."""
    product = Product.objects.create(name="Pink Kush", merge_key="test:1", price=30)
    product.refresh_from_db()
    run = Run.objects.create(
        pipeline="streams", source="customer_interactions", status=Run.Status.SUCCEEDED
    )

    def quarantine(when: datetime | None, source: str = "customer_interactions") -> None:
        QuarantinedRecord.objects.create(
            source=source,
            reason="r",
            payload={},
            payload_hash=uuid.uuid4().hex,
            run=run,
            closed_at=when,
        )

    makers: dict[str, tuple[timedelta, Any]] = {
        "interactions": (
            2 * YEAR,
            lambda t: Interaction.objects.create(
                kind="view", customer=customer, product=product, occurred_at=t
            ),
        ),
        "access to personal data": (
            2 * YEAR,
            lambda t: PersonalAccess.objects.create(
                customer_id=customer.pk, actor="a", action="b", at=t
            ),
        ),
        "event inbox": (
            timedelta(days=90),
            lambda t: InboxEvent.objects.create(
                topic="t", type="t", way="rest", occurred_at=t, received_at=t
            ),
        ),
        "event outbox": (
            timedelta(days=30),
            lambda t: OutgoingEvent.objects.create(
                topic="t", key="k", type="t", data={}, published_at=t
            ),
        ),
        "retention sweeps": (
            2 * YEAR,
            lambda t: RetentionSweep.objects.create(rule="x", table="x", before=t, started_at=t),
        ),
        "quarantine of streams": (YEAR, quarantine),
    }
    PersonalAccess.objects.all().delete()
    for keep, make in makers.values():
        make(NOW - keep - timedelta(minutes=1))
        make(NOW - keep + timedelta(minutes=1))
    # What no rule means, however old it is.
    OutgoingEvent.objects.create(topic="t", key="k", type="t", data={}, noted_at=NOW - 9 * YEAR)
    quarantine(None)
    quarantine(NOW - 9 * YEAR, source="ocs")
    return makers


def test_each_rule_removes_what_is_a_minute_too_old(customer: CustomerProfile) -> None:
    makers = _two_of_each(customer)
    done = {one.rule: one for one in sweep(now=NOW)}
    assert {rule: done[rule].removed for rule in makers} == dict.fromkeys(makers, 1)
    assert (
        Interaction.objects.count()
        == InboxEvent.objects.count()
        == PersonalAccess.objects.count()
        == 1
    )
    assert OutgoingEvent.objects.count() == 2
    assert QuarantinedRecord.objects.count() == 3
    assert RetentionSweep.objects.filter(rule="x").count() == 1


def test_quarantine_and_outbox_that_name_a_held_person_stay(customer: CustomerProfile) -> None:
    run = Run.objects.create(
        pipeline="streams", source="customer_interactions", status=Run.Status.SUCCEEDED
    )
    for number in ("LOYAL-0001", "LOYAL-0002"):
        QuarantinedRecord.objects.create(
            source="customer_interactions",
            reason="r",
            payload={"customer": number},
            payload_hash=number,
            run=run,
            closed_at=NOW - 2 * YEAR,
        )
        OutgoingEvent.objects.create(
            topic="t", key=number, type="t", data={}, published_at=NOW - YEAR
        )
    hold(subject=UUID(str(customer.pk)), reason="claim", by=None)
    done = {one.rule: (one.removed, one.held) for one in sweep(now=NOW)}
    assert (done["quarantine of streams"], done["event outbox"]) == ((1, 1), (1, 1))
    assert QuarantinedRecord.objects.get().payload == {"customer": "LOYAL-0001"}


def test_a_dry_run_counts_what_a_sweep_removes(customer: CustomerProfile) -> None:
    _two_of_each(customer)
    _make_month("chat_messages", NOW - relativedelta(months=15))
    _message(_session(customer, NOW - relativedelta(months=15)), NOW - relativedelta(months=15))
    rehearsed = {one.rule: one.removed for one in sweep(now=NOW, dry_run=True)}
    assert all(one.is_rehearsal for one in RetentionSweep.objects.exclude(rule="x"))
    assert len(_messages()) == 1
    removed = {one.rule: one.removed for one in sweep(now=NOW)}
    removed["chat sessions"] -= 1  # is empty only once its message is gone
    assert rehearsed == removed
    assert removed["chat messages"] == 1


def test_a_rule_that_fails_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = Rule(
        name="event inbox",
        model="mlops.InboxEvent",
        column="no_such_column",
        keep=timedelta(days=90),
        why="a slip",
    )
    with monkeypatch.context() as patch:
        patch.setitem(retention._rules, "event inbox", broken)
        done = {one.rule: one for one in sweep(now=NOW)}
    assert "no_such_column" in done.pop("event inbox").error
    assert {one.error for one in done.values()} == {""}
    alert = Alert.objects.get(code="retention-failed", closed_at=None)
    assert alert.subject == "event inbox"
    sweep(now=NOW)
    assert not Alert.objects.filter(closed_at=None).exists()


def test_many_rows_go_in_chunks_and_what_time_does_not_allow_goes_the_next_night(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO event_inbox (id, topic, type, way, occurred_at, received_at)"
            " SELECT gen_random_uuid(), 't', 't', 'rest', now(), %s FROM generate_series(1, 25000)",
            [NOW - timedelta(days=100)],
        )
    (late,) = sweep(only=["event inbox"], now=NOW, limit=timedelta(0))
    assert (late.removed, InboxEvent.objects.count()) == (10_000, 15_000)
    assert "next sweep" in late.error
    assert not Alert.objects.exists()
    chunks: list[int] = []
    before = retention._remove_chunk

    def count(*arguments: Any) -> int:
        chunks.append(before(*arguments))
        return chunks[-1]

    monkeypatch.setattr(retention, "_remove_chunk", count)
    (made,) = sweep(only=["event inbox"], now=NOW)
    assert (chunks, made.removed, InboxEvent.objects.count()) == ([10_000, 5_000, 0], 15_000, 0)


def test_a_sweep_that_is_killed_has_counted_what_it_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def die(_deadline: float) -> None:
        raise Killed

    InboxEvent.objects.create(
        topic="t", type="t", way="rest", occurred_at=NOW, received_at=NOW - timedelta(days=91)
    )
    with monkeypatch.context() as patch:
        patch.setattr(retention, "_in_time", die)
        with pytest.raises(Killed):
            sweep(only=["event inbox"], now=NOW)
    died = _last("event inbox")
    assert (died.removed, died.finished_at) == (1, None)


def test_a_rule_that_another_process_applies_is_left_to_it() -> None:
    import psycopg
    from pglock.core import advisory_id

    told = connection.get_connection_params()
    key = advisory_id("retention:event inbox")
    with psycopg.connect(
        **{name: told[name] for name in ("host", "port", "user", "password", "dbname")}
    ) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [(key[0] << 32) | key[1]])
        done = {one.rule: one.error for one in sweep(now=NOW)}
    assert done.pop("event inbox") == "Another sweep is under way."
    assert set(done.values()) == {""}
    assert not Alert.objects.exists()


def test_a_row_that_somebody_holds_is_not_waited_for(customer: CustomerProfile) -> None:
    import psycopg

    mine, other = (
        InboxEvent.objects.create(
            topic="t", type="t", way="rest", occurred_at=NOW, received_at=NOW - timedelta(days=91)
        )
        for _ in range(2)
    )
    told = connection.get_connection_params()
    address = {name: told[name] for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**address) as held:
        held.execute("SELECT FROM event_inbox WHERE id = %s FOR UPDATE", [other.pk])
        (made,) = sweep(only=["event inbox"], now=NOW)
    assert made.removed == 1
    assert InboxEvent.objects.get().pk == other.pk != mine.pk


def test_no_hold_is_set_between_a_look_at_holds_and_the_removal(
    customer: CustomerProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = NOW - relativedelta(months=15)
    _make_month("chat_messages", old)
    _message(_session(customer, old), old)
    before = retention._held
    holding: list[Future[Any]] = []

    def set_hold() -> None:
        hold(subject=UUID(str(customer.pk)), reason="claim", by=None)
        connections.close_all()

    def look(*arguments: Any) -> Any:
        seen = before(*arguments)
        if not holding:
            holding.append(pool.submit(set_hold))
            assert not wait(holding, timeout=0.5).done  # until what was looked at is done
        return seen

    with ThreadPoolExecutor() as pool:
        monkeypatch.setattr(retention, "_held", look)
        (made,) = sweep(only=["chat messages"], now=NOW)
        holding[0].result(timeout=10)
    assert (made.removed, made.error, LegalHold.objects.count()) == (1, "", 1)


def test_the_command_prints_a_row_a_rule() -> None:
    out = StringIO()
    call_command("sweep_retention", "--dry-run", stdout=out)
    for rule in rules():
        assert rule.name in out.getvalue()
    assert RetentionSweep.objects.filter(is_rehearsal=True).count() == len(rules())
    call_command("sweep_retention", "--rule", "event inbox", stdout=out)
    assert RetentionSweep.objects.filter(is_rehearsal=False).count() == 1
    with pytest.raises(CommandError):
        call_command("sweep_retention", "--rule", "nonsense", stdout=out)


def test_rules_name_columns_that_are_there() -> None:
    for rule in rules():
        assert rule.column in {field.column for field in rule.kind._meta.local_fields}
        assert rule.why
