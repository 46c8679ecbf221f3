"""
Deleting an expired month of chats: a dropped partition against DELETE in chunks, at least 10 x.

Each round copies the same messages into an expired month once for each alternative, and sweeps
them: by the rule for chat messages, which counts rows and checks legal holds; and by the same rule
without partitions, 10,000 rows at a time. Further ratios: against one DELETE, which blocks others
for its whole duration; and against the chunks under a legal hold on one person, where both
alternatives delete row by row and the ratio is about 1.
"""

import io
import uuid
from collections.abc import Callable, Sequence
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
MIN_RATIO = 10.0
_RULE = "chat messages"
_SESSION_COUNT = 1_000
_TEXT = (
    "Do you have something like Pink Kush, but milder, for under thirty dollars? I had it in {}."
)
_Delete = Callable[[RetentionRule], None]


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return how many times as long the DELETE statements take."""
    chunks = Comparison(
        name=f"a month of {size:,} messages dropped, against DELETE in chunks", limit=MIN_RATIO
    )
    at_once = Comparison(name="the same, against one DELETE")
    on_hold = Comparison(name="the same under a legal hold, against DELETE in chunks")
    month = (timezone.now() - relativedelta(months=15)).astimezone(UTC)
    month = month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    customer = CustomerProfile.objects.create(external_customer_id="bench")
    customer.refresh_from_db()
    sessions = [
        ChatSession.objects.create(id=uuid.uuid4(), session_start=month)
        for _ in range(_SESSION_COUNT - 1)
    ]
    sessions.append(
        ChatSession.objects.create(id=uuid.uuid4(), session_start=month, customer=customer)
    )
    measure_deletion = partial(_measure_deletion, month, size, [session.pk for session in sessions])
    for number in range(rounds):
        seconds = {
            delete: measure_deletion(delete)
            for delete in _alternating([_drop, _delete_in_chunks, _delete_at_once], number)
        }
        chunks.ratios.append(seconds[_delete_in_chunks] / seconds[_drop])
        at_once.ratios.append(seconds[_delete_at_once] / seconds[_drop])
        hold = set_legal_hold(subject=customer.pk, reason="bench", by=None)
        seconds = {
            delete: measure_deletion(delete, remaining=size // _SESSION_COUNT)
            for delete in _alternating([_drop, _delete_in_chunks], number)
        }
        on_hold.ratios.append(seconds[_delete_in_chunks] / seconds[_drop])
        lift_legal_holds(holds=[hold], by=None)
        advance()
    return [chunks, at_once, on_hold]


def _alternating(alternatives: Sequence[_Delete], number: int) -> Sequence[_Delete]:
    """Return the alternatives in reverse order in every second round."""
    return alternatives[::-1] if number % 2 else alternatives


def _measure_deletion(
    month: datetime,
    size: int,
    sessions: Sequence[uuid.UUID],
    delete: _Delete,
    *,
    remaining: int = 0,
) -> float:
    """Fill the month, and return how long its deletion takes. Raises AssertionError."""
    _fill(month, size, sessions)
    rule = next(rule for rule in retention_rules() if rule.name == _RULE)
    seconds = measure_seconds(partial(delete, rule))
    if ChatMessage.objects.count() != remaining:
        raise AssertionError(
            f"{ChatMessage.objects.count()} messages remain, {remaining} were expected"
        )
    return seconds


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
            "DELETE FROM chat_messages WHERE created_at < %s",
            [timezone.now() - rule.retention_period],
        )


def _fill(month: datetime, size: int, sessions: Sequence[uuid.UUID]) -> None:
    """Copy messages into a new partition, spread over the month and the sessions."""
    name = f"chat_messages_{month:%Y_%b}".lower()
    end = month + relativedelta(months=1)
    columns = "id, session_id, message_text, created_at, role, language, redacted_text"
    with connection.cursor() as cursor:
        if name in partitions("chat_messages"):
            cursor.execute(f"DROP TABLE {name}")
        cursor.execute(
            f"CREATE TABLE {name} PARTITION OF chat_messages FOR VALUES"
            f" FROM ('{month.isoformat()}') TO ('{end.isoformat()}')"
        )
        rows = io.StringIO()
        interval = timedelta(days=28) / size
        for number in range(size):
            text = _TEXT.format(number)
            row = (
                uuid.uuid4(),
                sessions[number % len(sessions)],
                text,
                month + number * interval,
                "customer",
                "en",
                text,
            )
            rows.write("\t".join(map(str, row)) + "\n")
        with cursor.copy(f"COPY chat_messages ({columns}) FROM STDIN") as copy:
            copy.write(rows.getvalue())
        cursor.execute(f"ANALYZE {name}")
