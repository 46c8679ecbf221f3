"""
Integrity seals: signed checksums of tables, so that changes outside of the application show.

The rows of a table are divided into 256 blocks by the first byte of their ids. A seal is the
checksum of one block, signed with a key that the database does not have, together with the
previous seal of the table: seals form a chain, of which none can be removed or edited unnoticed.
Applications register the tables in `integrity.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from django.db.backends.utils import CursorWrapper

from config.crypto import key_ring
from config.declarations import DeclarationRegistry
from mlops.models import IntegritySeal

_PURPOSE = b"integrity"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTable:
    """A table with a uuid `id` whose rows are sealed."""

    table: str
    ignored_columns: tuple[str, ...] = ()
    """Bookkeeping columns that may change at any time."""
    condition: str = "true"
    """SQL condition over the alias `t`: which rows are sealed."""
    authorized_changes: str = ""
    """
    SQL that returns the writes of the application as (row_id, at).

    May join the changed rows as `changed_rows (id)`. Operations of the audit trail are authorized
    in any case.
    """


BlockState = tuple[int, str]
"""Row count and checksum of a block; the checksum ends with the fingerprint of the columns."""
EMPTY_BLOCK: BlockState = (0, "")
SEALED_TABLES = DeclarationRegistry[str, SealedTable]("integrity", name_of=attrgetter("table"))
register = SEALED_TABLES.register


def sealed_tables() -> Mapping[str, SealedTable]:
    """Return every registered table by name."""
    return SEALED_TABLES.by_name()


def sealed_columns(cursor: CursorWrapper, sealed: SealedTable) -> list[str]:
    """Return the columns that are sealed, in alphabetical order."""
    cursor.execute(
        """
        SELECT column_name FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = %s AND NOT column_name = ANY(%s)
        ORDER BY column_name
        """,
        [sealed.table, list(sealed.ignored_columns)],
    )
    return [name for (name,) in cursor.fetchall()]


def columns_fingerprint(columns: Sequence[str]) -> str:
    """Return a short text that changes when a migration adds or removes columns."""
    return str(len(columns)) + "-" + ".".join(columns)[-8:]


def digests_sql(sealed: SealedTable, columns: Sequence[str], where: str = "true") -> str:
    """Return SQL for the id, block and md5 of each sealed row."""
    values = ", ".join(f't."{column}"' for column in columns)
    return (
        "SELECT t.id, get_byte(uuid_send(t.id), 0) AS block, md5(ROW("
        + values
        + ")::text) AS digest"
        f" FROM {sealed.table} t WHERE ({sealed.condition}) AND {where}"
    )


def _checksum_sql(digest: str) -> str:
    """Return SQL for a checksum that does not depend on row order: the sums of digest halves."""
    return " || ':' || ".join(
        f"sum(('x' || {side}({digest}, 16))::bit(64)::bigint)::text" for side in ("left", "right")
    )


# Returns block, row count and checksum of the stored digests.
_STORED_BLOCKS = f"""
SELECT block, count(*), {_checksum_sql("digest")}
FROM (
  SELECT block, replace(digest::text, '-', '') AS digest FROM row_digests
  WHERE table_name = %s AND block = ANY(%s) OFFSET 0
) d GROUP BY block
"""


def current_blocks(
    cursor: CursorWrapper, sealed: SealedTable, columns: Sequence[str]
) -> dict[int, BlockState]:
    """Return the state of each block, computed from the rows of the table."""
    # OFFSET 0 makes PostgreSQL compute each digest once, not once for each half.
    cursor.execute(
        f"SELECT block, count(*), {_checksum_sql('digest')}"
        f" FROM ({digests_sql(sealed, columns)} OFFSET 0) d GROUP BY block"
    )
    return _block_states(cursor, columns)


def stored_blocks(
    cursor: CursorWrapper, sealed: SealedTable, columns: Sequence[str], blocks: list[int]
) -> dict[int, BlockState]:
    """Return the state of these blocks, computed from the stored digests."""
    cursor.execute(_STORED_BLOCKS, [sealed.table, blocks])
    return _block_states(cursor, columns)


def _block_states(cursor: CursorWrapper, columns: Sequence[str]) -> dict[int, BlockState]:
    fingerprint = columns_fingerprint(columns)
    return {
        block: (count, f"{checksum}:{fingerprint}") for block, count, checksum in cursor.fetchall()
    }


def sealed_state(seal: IntegritySeal | None) -> BlockState:
    """Return the state that a seal confirms."""
    return (seal.row_count, seal.checksum) if seal and seal.row_count else EMPTY_BLOCK


def verify_chain(table: str) -> tuple[dict[int, IntegritySeal], list[IntegritySeal]]:
    """Return the newest seal of each block, and every seal whose signature does not verify."""
    newest: dict[int, IntegritySeal] = {}
    invalid = []
    previous_signature = ""
    seals = IntegritySeal.objects.filter(table_name=table).order_by("id")
    for seal in seals.iterator(chunk_size=5_000):
        content = _signed_content(previous_signature, seal)
        if not key_ring().has_signed(content, seal.signature, purpose=_PURPOSE):
            invalid.append(seal)
        previous_signature = seal.signature
        newest[seal.block] = seal
    return newest, invalid


# A transaction in progress commits after the seal, but its rows bear the time of its start. The
# seal therefore bears the start of the oldest transaction of a client; others, such as autovacuum,
# write no rows, and an older seal would hide changes made by hand after it.
_SEALED_AT = """
SELECT least(now(), min(xact_start)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def seal_blocks(
    cursor: CursorWrapper, sealed: SealedTable, columns: Sequence[str], blocks: list[int]
) -> None:
    """Store the digests of these blocks as they are now, and append their seals to the chain."""
    if not blocks:
        return
    cursor.execute(
        "DELETE FROM row_digests WHERE table_name = %s AND block = ANY(%s)", [sealed.table, blocks]
    )
    in_blocks = "get_byte(uuid_send(t.id), 0) = ANY(%(blocks)s)"
    cursor.execute(
        "INSERT INTO row_digests (table_name, row_id, block, digest)"
        " SELECT %(table)s, d.id, d.block, d.digest::uuid"
        f" FROM ({digests_sql(sealed, columns, in_blocks)}) d",
        {"table": sealed.table, "blocks": blocks},
    )
    states = stored_blocks(cursor, sealed, columns, blocks)
    fingerprint = columns_fingerprint(columns)
    last = IntegritySeal.objects.filter(table_name=sealed.table).order_by("-id").first()
    previous_signature = last.signature if last else ""
    cursor.execute(_SEALED_AT)
    (sealed_at,) = cursor.fetchone()
    seals = []
    for block in blocks:
        row_count, checksum = states.get(block, (0, f":{fingerprint}"))
        seal = IntegritySeal(
            table_name=sealed.table,
            block=block,
            row_count=row_count,
            checksum=checksum,
            sealed_at=sealed_at,
        )
        seal.signature = key_ring().sign(
            _signed_content(previous_signature, seal), purpose=_PURPOSE
        )
        previous_signature = seal.signature
        seals.append(seal)
    IntegritySeal.objects.bulk_create(seals, batch_size=1_000)


def _signed_content(previous_signature: str, seal: IntegritySeal) -> bytes:
    parts = (
        previous_signature,
        seal.table_name,
        seal.block,
        seal.row_count,
        seal.checksum,
        seal.sealed_at.isoformat(),
    )
    return "|".join(map(str, parts)).encode()
