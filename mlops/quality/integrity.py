"""
Integrity: rows are what the application left, or an alert names them.

Rows are kept in 256 blocks by the first byte of their ids. A seal is the checksum of a block, signed with a key that
the database does not have, together with the seal before it. A row that differs from its digest must be accounted for:
by an operation in the history, or a run. Declared by each application in a file `integrity.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pglock
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from config.crypto import key_ring
from mlops.models import Alert, IntegritySeal
from mlops.quality.alerts import close_alerts, open_alert

CODE = "integrity"
_PURPOSE = b"integrity"
_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTable:
    """A table with a uuid `id` that is watched."""

    table: str
    ignored: tuple[str, ...] = ()
    """Columns of bookkeeping, which may change at any time."""
    among: str = "true"
    """Which rows, as SQL over the alias `t`."""
    accounted: str = ""
    """SQL for the rows that the application has written: row_id, at. Operations in the history count in any case."""


@dataclass(frozen=True, slots=True, order=True)
class Breach:
    """Something that nobody accounts for."""

    table: str
    block: int | None
    kind: str
    row_id: str = ""

    def __str__(self) -> str:
        place = f"{self.table} block {self.block:02x}" if self.block is not None else self.table
        return f"{place}: {self.kind} {self.row_id}".strip()


_tables: dict[str, SealedTable] = {}


def register(*tables: SealedTable) -> None:
    """Declare tables."""
    _tables.update({table.table: table for table in tables})


def sealed_tables() -> dict[str, SealedTable]:
    """Return every declared table by name."""
    autodiscover_modules("integrity")
    return _tables


def check_integrity(
    *, tables: Iterable[str] = (), accept: Iterable[tuple[str, int]] = ()
) -> list[Breach]:
    """
    Hold every row against its seal, seal anew what the application has changed, and return what nobody accounts for.

    A block with a breach keeps its old seal, so that it stays told, until a person accepts it as it is. Alerts are one a
    block. One check at a time; safe to repeat.
    """
    known, breaches = sealed_tables(), []
    for name in tables or known:
        with pglock.advisory(f"integrity:{name}"):
            accepted = {block for table, block in accept if table == name}
            found = _check_table(known[name], accepted)
        _tell(name, found)
        breaches += found
    return breaches


@transaction.atomic
def _check_table(sealed: SealedTable, accepted: set[int]) -> list[Breach]:
    with connection.cursor() as cursor:
        shape = _columns(cursor, sealed)
        seals, breaches = _chain(sealed.table)
        cursor.execute(_live_blocks(sealed, shape))
        live = {
            block: (count, f"{checksum}:{_shape_mark(shape)}")
            for block, count, checksum in cursor.fetchall()
        }
        if not seals:
            cursor.execute("SELECT count(*) FROM row_digests WHERE table_name = %s", [sealed.table])
            if cursor.fetchone()[0] and not accepted:
                return [Breach(sealed.table, None, "every seal is gone")]
        unlike = sorted(
            b for b in live.keys() | seals.keys() if live.get(b, (0, "")) != _sealed(seals.get(b))
        )
        # A migration has added or taken a column: every row's text is another, and no digest says anything of it.
        is_same_shape = not seals or any(
            s.checksum.endswith(_shape_mark(shape)) for s in seals.values()
        )
        if is_same_shape and seals:
            breaches += _unaccounted(
                cursor, sealed, shape, [b for b in unlike if b not in accepted], seals
            )
        bad = {breach.block for breach in breaches}
        if None not in bad:
            _seal(cursor, sealed, shape, [b for b in unlike if b not in bad or b in accepted])
    return [b for b in breaches if b.block not in accepted]


def _sealed(seal: IntegritySeal | None) -> tuple[int, str]:
    return (seal.row_count, seal.checksum) if seal and seal.row_count else (0, "")


def _chain(table: str) -> tuple[dict[int, IntegritySeal], list[Breach]]:
    """Return the newest seal of each block, and every seal that is not what was signed."""
    newest: dict[int, IntegritySeal] = {}
    breaches, before = [], ""
    for seal in (
        IntegritySeal.objects.filter(table_name=table).order_by("id").iterator(chunk_size=5_000)
    ):
        if not key_ring().has_signed(_signed_text(before, seal), seal.signature, purpose=_PURPOSE):
            breaches.append(
                Breach(
                    table,
                    seal.block,
                    f"its seal of {seal.sealed_at:%Y-%m-%d %H:%M} was edited, or one before it is gone",
                )
            )
        before = seal.signature
        newest[seal.block] = seal
    return newest, breaches


def _signed_text(before: str, seal: IntegritySeal) -> bytes:
    told = (
        before,
        seal.table_name,
        seal.block,
        seal.row_count,
        seal.checksum,
        seal.sealed_at.isoformat(),
    )
    return "|".join(map(str, told)).encode()


def _columns(cursor: CursorWrapper, sealed: SealedTable) -> list[str]:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = %s"
        " AND NOT column_name = ANY(%s) ORDER BY column_name",
        [sealed.table, list(sealed.ignored)],
    )
    return [name for (name,) in cursor.fetchall()]


def _shape_mark(shape: list[str]) -> str:
    return str(len(shape)) + "-" + ".".join(shape)[-8:]


def _digests(sealed: SealedTable, shape: list[str], where: str = "true") -> str:
    told = ", ".join(f't."{column}"' for column in shape)
    return (
        f"SELECT t.id, get_byte(uuid_send(t.id), 0) AS block, md5(ROW({told})::text) AS digest"
        f" FROM {sealed.table} t WHERE ({sealed.among}) AND {where}"
    )


def _checksum(digest: str) -> str:
    """SQL for a checksum over digests that does not mind their order: the sums of their halves."""
    return " || ':' || ".join(
        f"sum(('x' || {side}({digest}, 16))::bit(64)::bigint)::text" for side in ("left", "right")
    )


# Digests as they are kept, in the form that they are computed in.
_KEPT_BLOCKS = f"""
SELECT block, count(*), {_checksum("digest")}
FROM (
  SELECT block, replace(digest::text, '-', '') AS digest FROM row_digests
  WHERE table_name = %s AND block = ANY(%s) OFFSET 0
) d GROUP BY block
"""


def _live_blocks(sealed: SealedTable, shape: list[str]) -> str:
    # OFFSET 0 keeps the digest from being computed once for each half.
    return f"SELECT block, count(*), {_checksum('digest')} FROM ({_digests(sealed, shape)} OFFSET 0) d GROUP BY block"


def _unaccounted(
    cursor: CursorWrapper,
    sealed: SealedTable,
    shape: list[str],
    blocks: list[int],
    seals: dict[int, IntegritySeal],
) -> list[Breach]:
    if not blocks:
        return []
    cursor.execute(_KEPT_BLOCKS, [sealed.table, blocks])
    noted = {
        block: (count, f"{checksum}:{_shape_mark(shape)}")
        for block, count, checksum in cursor.fetchall()
    }
    forged = [b for b in blocks if noted.get(b, (0, "")) != _sealed(seals.get(b))]
    oldest = datetime.min.replace(tzinfo=timezone.get_default_timezone())
    since = [seals[b].sealed_at if b in seals else oldest for b in blocks]
    cursor.execute(
        f"""
        WITH live AS ({_digests(sealed, shape, "get_byte(uuid_send(t.id), 0) = ANY(%(blocks)s)")}),
        noted AS (SELECT row_id AS id, block, replace(digest::text, '-', '') AS digest FROM row_digests WHERE table_name = %(table)s AND block = ANY(%(blocks)s)),
        unlike AS (
          SELECT coalesce(live.id, noted.id) AS id, coalesce(live.block, noted.block) AS block,
            CASE WHEN noted.id IS NULL THEN 'added' WHEN live.id IS NULL THEN 'deleted' ELSE 'edited' END AS kind
          FROM live FULL JOIN noted USING (id) WHERE live.digest IS DISTINCT FROM noted.digest
        ), accounted AS (
          SELECT row_id, changed_at AS at FROM row_changes
          WHERE table_name = %(table)s AND operation_id IS NOT NULL AND row_id IN (SELECT id FROM unlike)
          {f"UNION ALL {sealed.accounted}" if sealed.accounted else ""}
        ), times AS (SELECT * FROM unnest(%(blocks)s::int[], %(since)s::timestamptz[]) AS s (block, sealed_at))
        SELECT u.block, u.kind, u.id::text FROM unlike u JOIN times s USING (block)
        WHERE NOT EXISTS (SELECT FROM accounted a WHERE a.row_id = u.id AND a.at >= s.sealed_at)
        """,
        {"blocks": blocks, "table": sealed.table, "since": since},
    )
    rows = [Breach(sealed.table, block, kind, pk) for block, kind, pk in cursor.fetchall()]
    return [*rows, *(Breach(sealed.table, block, "its digests were edited") for block in forged)]


# What is under way ends after the seal but bears the time of its beginning: the seal bears that of the oldest.
_SEALED_AT = """
SELECT least(now(), min(xact_start)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def _seal(cursor: CursorWrapper, sealed: SealedTable, shape: list[str], blocks: list[int]) -> None:
    """Note the rows of these blocks as they are, and sign their checksums at the end of the chain."""
    if not blocks:
        return
    cursor.execute(
        "DELETE FROM row_digests WHERE table_name = %s AND block = ANY(%s)", [sealed.table, blocks]
    )
    cursor.execute(
        "INSERT INTO row_digests (table_name, row_id, block, digest) SELECT %(table)s, d.id, d.block, d.digest::uuid FROM"
        f" ({_digests(sealed, shape, 'get_byte(uuid_send(t.id), 0) = ANY(%(blocks)s)')}) d",
        {"table": sealed.table, "blocks": blocks},
    )
    cursor.execute(_KEPT_BLOCKS, [sealed.table, blocks])
    found = {block: (count, checksum) for block, count, checksum in cursor.fetchall()}
    last = IntegritySeal.objects.filter(table_name=sealed.table).order_by("-id").first()
    before = last.signature if last else ""
    cursor.execute(_SEALED_AT)
    (now,) = cursor.fetchone()
    seals = []
    for block in blocks:
        count, checksum = found.get(block, (0, ""))
        seal = IntegritySeal(
            table_name=sealed.table,
            block=block,
            row_count=count,
            checksum=f"{checksum}:{_shape_mark(shape)}",
            sealed_at=now,
        )
        seal.signature = before = key_ring().sign(_signed_text(before, seal), purpose=_PURPOSE)
        seals.append(seal)
    IntegritySeal.objects.bulk_create(seals, batch_size=1_000)


def _tell(table: str, breaches: list[Breach]) -> None:
    by_subject: dict[str, list[Breach]] = {}
    for breach in breaches:
        place = f" block {breach.block:02x}" if breach.block is not None else ""
        by_subject.setdefault(f"{table}{place}", []).append(breach)
    for subject, found in by_subject.items():
        told = "; ".join(f"{b.kind} {b.row_id}".strip() for b in found[:_TOLD])
        more = f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
        open_alert(code=CODE, subject=subject, message=f"Nobody accounts for this: {told}{more}")
    mine = Alert.objects.filter(code=CODE, closed_at=None, subject__startswith=table)
    for alert in mine.exclude(subject__in=list(by_subject)):
        if alert.subject.split(" ")[0] == table:
            close_alerts(codes=(CODE,), subject=alert.subject)
