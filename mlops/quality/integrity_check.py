"""Integrity check: compare rows with their seals and report changes that nothing authorized."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pglock
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from mlops.models import Alert, IntegritySeal
from mlops.quality.alerts import close_alerts, open_alert
from mlops.quality.integrity_seal import (
    EMPTY_BLOCK,
    SealedTable,
    columns_fingerprint,
    current_blocks,
    digests_sql,
    seal_blocks,
    sealed_columns,
    sealed_state,
    sealed_tables,
    stored_blocks,
    verify_chain,
)

ALERT_CODE = "integrity"
_MAX_BREACHES_IN_MESSAGE = 10


@dataclass(frozen=True, slots=True, order=True)
class IntegrityBreach:
    """An unauthorized change of a row, a digest or a seal; `block` is None for a whole table."""

    table: str
    block: int | None
    kind: str
    row_id: str = ""

    def __str__(self) -> str:
        return f"{_location(self.table, self.block)}: {self.kind} {self.row_id}".strip()


def check_integrity(
    *, tables: Iterable[str] = (), accept: Iterable[tuple[str, int]] = ()
) -> list[IntegrityBreach]:
    """
    Compare all rows with their seals, seal authorized changes, and return the unauthorized ones.

    tables: names of tables; all registered ones by default.
    accept: blocks (table, number) that are sealed as they are.

    A block with a breach keeps its old seal, so that it is reported until a person accepts it.
    There is one alert per block. One check per table at a time; safe to repeat.
    """
    known = sealed_tables()
    accepted_blocks = list(accept)
    breaches = []
    for name in tables or known:
        with pglock.advisory(f"integrity:{name}"):
            accepted = {block for table, block in accepted_blocks if table == name}
            table_breaches = _check_table(known[name], accepted)
        _update_alerts(name, table_breaches)
        breaches += table_breaches
    return breaches


@transaction.atomic
def _check_table(sealed: SealedTable, accepted: set[int]) -> list[IntegrityBreach]:
    with connection.cursor() as cursor:
        columns = sealed_columns(cursor, sealed)
        seals, invalid_seals = verify_chain(sealed.table)
        breaches = [_seal_breach(sealed.table, seal) for seal in invalid_seals]
        current = current_blocks(cursor, sealed, columns)
        if not seals and not accepted and _has_digests(cursor, sealed.table):
            return [IntegrityBreach(sealed.table, None, "every seal is gone")]
        changed = sorted(
            block
            for block in current.keys() | seals.keys()
            if current.get(block, EMPTY_BLOCK) != sealed_state(seals.get(block))
        )
        # After a migration of the columns every digest differs and proves nothing: seal again.
        fingerprint = columns_fingerprint(columns)
        has_same_columns = any(seal.checksum.endswith(fingerprint) for seal in seals.values())
        if has_same_columns:
            to_check = [block for block in changed if block not in accepted]
            breaches += _unauthorized_changes(cursor, sealed, columns, to_check, seals)
        breached = {breach.block for breach in breaches}
        if None not in breached:
            to_seal = [block for block in changed if block not in breached or block in accepted]
            seal_blocks(cursor, sealed, columns, to_seal)
    return [breach for breach in breaches if breach.block not in accepted]


def _has_digests(cursor: CursorWrapper, table: str) -> bool:
    cursor.execute("SELECT EXISTS (SELECT FROM row_digests WHERE table_name = %s)", [table])
    return bool(cursor.fetchone()[0])


def _seal_breach(table: str, seal: IntegritySeal) -> IntegrityBreach:
    kind = f"its seal of {seal.sealed_at:%Y-%m-%d %H:%M} was edited, or one before it is gone"
    return IntegrityBreach(table, seal.block, kind)


def _unauthorized_changes(
    cursor: CursorWrapper,
    sealed: SealedTable,
    columns: Sequence[str],
    blocks: list[int],
    seals: dict[int, IntegritySeal],
) -> list[IntegrityBreach]:
    """Return the rows and digests of these blocks that changed without authorization."""
    if not blocks:
        return []
    stored = stored_blocks(cursor, sealed, columns, blocks)
    edited_digests = [
        block
        for block in blocks
        if stored.get(block, EMPTY_BLOCK) != sealed_state(seals.get(block))
    ]
    oldest = datetime.min.replace(tzinfo=timezone.get_default_timezone())
    sealed_at = [seals[block].sealed_at if block in seals else oldest for block in blocks]
    cursor.execute(
        _unauthorized_changes_sql(sealed, columns),
        {"blocks": blocks, "table": sealed.table, "sealed_at": sealed_at},
    )
    return [
        *(
            IntegrityBreach(sealed.table, block, kind, row_id)
            for block, kind, row_id in cursor.fetchall()
        ),
        *(
            IntegrityBreach(sealed.table, block, "its digests were edited")
            for block in edited_digests
        ),
    ]


def _unauthorized_changes_sql(sealed: SealedTable, columns: Sequence[str]) -> str:
    """
    Return SQL for block, kind and id of each row that changed since its seal without authorization.

    Parameters: blocks, table, sealed_at (the times of the blocks' seals).
    """
    in_blocks = "get_byte(uuid_send(t.id), 0) = ANY(%(blocks)s)"
    registered_changes = (
        f"UNION ALL {sealed.authorized_changes}" if sealed.authorized_changes else ""
    )
    return f"""
        WITH current_rows AS ({digests_sql(sealed, columns, in_blocks)}),
        sealed_rows AS (
          SELECT row_id AS id, block, replace(digest::text, '-', '') AS digest
          FROM row_digests WHERE table_name = %(table)s AND block = ANY(%(blocks)s)
        ), changed_rows AS (
          SELECT coalesce(c.id, s.id) AS id, coalesce(c.block, s.block) AS block,
            CASE WHEN s.id IS NULL THEN 'added' WHEN c.id IS NULL THEN 'deleted'
              ELSE 'edited' END AS kind
          FROM current_rows c FULL JOIN sealed_rows s USING (id)
          WHERE c.digest IS DISTINCT FROM s.digest
        ), authorized AS (
          SELECT row_id, changed_at AS at FROM row_changes
          WHERE table_name = %(table)s AND operation_id IS NOT NULL
            AND row_id IN (SELECT id FROM changed_rows)
          {registered_changes}
        ), seals AS (
          SELECT * FROM unnest(%(blocks)s::int[], %(sealed_at)s::timestamptz[])
            AS s (block, sealed_at)
        )
        SELECT c.block, c.kind, c.id::text FROM changed_rows c JOIN seals s USING (block)
        WHERE NOT EXISTS (SELECT FROM authorized a WHERE a.row_id = c.id AND a.at >= s.sealed_at)
    """


def _update_alerts(table: str, breaches: Sequence[IntegrityBreach]) -> None:
    by_subject: dict[str, list[IntegrityBreach]] = {}
    for breach in breaches:
        by_subject.setdefault(_location(table, breach.block), []).append(breach)
    for subject, found in by_subject.items():
        shown = "; ".join(
            f"{breach.kind} {breach.row_id}".strip() for breach in found[:_MAX_BREACHES_IN_MESSAGE]
        )
        hidden = len(found) - _MAX_BREACHES_IN_MESSAGE
        more = f"; and {hidden} more" if hidden > 0 else ""
        open_alert(code=ALERT_CODE, subject=subject, message=f"Unauthorized changes: {shown}{more}")
    open_alerts = Alert.objects.filter(code=ALERT_CODE, closed_at=None, subject__startswith=table)
    for alert in open_alerts.exclude(subject__in=list(by_subject)):
        if alert.subject.split(" ")[0] == table:  # not a table whose name starts the same
            close_alerts(codes=(ALERT_CODE,), subject=alert.subject)


def _location(table: str, block: int | None) -> str:
    return table if block is None else f"{table} block {block:02x}"
