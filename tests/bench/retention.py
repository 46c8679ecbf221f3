"""Forgetting a month of chats: its partition detached and dropped, against DELETE of the same rows in chunks; at least 10 x.

Each round copies as many messages into a month that is old enough, once for each way, and has them swept: by the rule for
chat messages as it is, which counts them and asks for legal holds; and by the same rule as if the table did not lie by
month, 10,000 rows at a time. Further lines: against one DELETE of all of them, which holds others up; and against the
chunks while a legal hold keeps one person's messages, so that either way rows go one by one and the ratio is about 1.
"""

import io
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from dateutil.relativedelta import relativedelta
from django.db import connection, transaction
from django.utils import timezone

from customers.models import ChatMessage, ChatSession, CustomerProfile
from mlops.privacy import retention
from mlops.privacy.legal_holds import lift_legal_holds, set_legal_hold
from mlops.privacy.partitions import partitions
from mlops.privacy.retention import RetentionRule, retention_rules, sweep
from tests.bench.comparison import Comparison, measure_seconds

SIZE = 100_000
LEAST_TIMES = 10.0
_RULE = "chat messages"
_SESSIONS = 1_000
_TEXT = (
    "Do you have something like Pink Kush, but milder, for under thirty dollars? I had it in {}."
)


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return how many times as long deleting takes."""
    chunks = Comparison(
        name=f"a month of {size:,} messages dropped, against DELETE in chunks", limit=LEAST_TIMES
    )
    at_once = Comparison(name="the same, against one DELETE")
    held = Comparison(name="the same with somebody held by law, against DELETE in chunks")
    month = (timezone.now() - relativedelta(months=15)).astimezone(UTC)
    month = month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    customer = CustomerProfile.objects.create(external_customer_id="bench")
    customer.refresh_from_db()
    sessions = [
        ChatSession.objects.create(id=uuid.uuid4(), session_start=month)
        for _ in range(_SESSIONS - 1)
    ]
    sessions.append(
        ChatSession.objects.create(id=uuid.uuid4(), session_start=month, customer=customer)
    )
    took = partial(_seconds, month, size, [session.pk for session in sessions])
    for number in range(rounds):
        ways = [_drop, _delete_in_chunks, _delete_at_once]
        spent = {way: took(way) for way in (reversed(ways) if number % 2 else ways)}
        chunks.ratios.append(spent[_delete_in_chunks] / spent[_drop])
        at_once.ratios.append(spent[_delete_at_once] / spent[_drop])
        kept = set_legal_hold(subject=customer.pk, reason="bench", by=None)
        left = size // _SESSIONS
        pair = [_drop, _delete_in_chunks]
        spent = {way: took(way, left=left) for way in (reversed(pair) if number % 2 else pair)}
        held.ratios.append(spent[_delete_in_chunks] / spent[_drop])
        lift_legal_holds(holds=[kept], by=None)
        advance()
    return [chunks, at_once, held]


def _seconds(
    month: datetime,
    size: int,
    sessions: list[uuid.UUID],
    way: Callable[[RetentionRule], None],
    *,
    left: int = 0,
) -> float:
    """Fill the month, and return how long it takes to empty it; raises AssertionError when it is not."""
    _fill(month, size, sessions)
    rule = next(rule for rule in retention_rules() if rule.name == _RULE)
    spent = measure_seconds(partial(way, rule))
    if ChatMessage.objects.count() != left:
        raise AssertionError(
            f"{ChatMessage.objects.count()} messages are left where {left} should be"
        )
    return spent


def _drop(_rule: RetentionRule) -> None:
    sweep(only=[_RULE])


def _delete_in_chunks(rule: RetentionRule) -> None:
    retention.register(replace(rule, is_monthly=False))
    try:
        sweep(only=[_RULE])
    finally:
        retention.register(rule)


@transaction.atomic
def _delete_at_once(rule: RetentionRule) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM chat_messages WHERE created_at < %s", [timezone.now() - rule.retention_period]
        )


def _fill(month: datetime, size: int, sessions: list[uuid.UUID]) -> None:
    """Copy messages, spread over the month and the sessions, into a new partition."""
    name = f"chat_messages_{month:%Y_%b}".lower()
    with connection.cursor() as cursor:
        if name in partitions("chat_messages"):
            cursor.execute(f"DROP TABLE {name}")
        cursor.execute(
            f"CREATE TABLE {name} PARTITION OF chat_messages FOR VALUES"
            f" FROM ('{month.isoformat()}') TO ('{(month + relativedelta(months=1)).isoformat()}')"
        )
        rows = io.StringIO()
        step = timedelta(days=28) / size
        for number in range(size):
            text = _TEXT.format(number)
            told = (
                uuid.uuid4(),
                sessions[number % len(sessions)],
                text,
                month + number * step,
                "customer",
                "en",
                text,
            )
            rows.write("\t".join(map(str, told)) + "\n")
        columns = "id, session_id, message_text, created_at, role, language, redacted_text"
        with cursor.copy(f"COPY chat_messages ({columns}) FROM STDIN") as copy:
            copy.write(rows.getvalue())
        cursor.execute(f"ANALYZE {name}")
