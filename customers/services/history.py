"""
Write purchases and interactions.

They are linked to a customer only if the consent `history` was active when they happened and has
been since: what happened before it, or before a withdrawal, stays anonymous.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection

from customers.external_ids import normalize_external_id
from customers.models import CustomerProfile
from mlops.sql_arrays import array

# Locks profiles until the rows are written, so that a consent withdrawn at the same moment finds
# them. One lock order, and a lock as strong as the update that may follow, keep two writers from
# deadlocking.
_LOCK_CUSTOMERS_SQL = """
SELECT c.external_customer_id, c.id FROM customer_profiles c
WHERE c.external_customer_id = ANY(%s) OR c.id = ANY(%s)
ORDER BY c.id FOR NO KEY UPDATE
"""
# Returns since when the consent `history` of customers has been active without interruption. A
# consent that a newer version of the text replaced was withdrawn when that one was given. This is a
# separate statement: one that waits for a lock reads consents as they were before it waited.
_CONSENT_SINCE_SQL = """
SELECT k.customer_id, min(k.given_at) FROM consents k
WHERE k.customer_id = ANY(%s) AND k.purpose = 'history'
  AND k.given_at > coalesce((
    SELECT max(w.withdrawn_at) FROM consents w
    WHERE w.customer_id = k.customer_id AND w.purpose = k.purpose
      AND NOT EXISTS (
        SELECT FROM consents n
        WHERE n.customer_id = w.customer_id AND n.purpose = w.purpose
          AND n.given_at = w.withdrawn_at AND n.id <> w.id
      )
  ), '-infinity')
GROUP BY 1 HAVING bool_or(k.withdrawn_at IS NULL)
"""
# Returns the receipt lines, by index in the input, that another event stored: the same store,
# receipt, line, product, quantity and price. Sales are compared within a time only, as some tills
# restart their numbers each day; equal returns on one receipt are distinguished by their time.
_STORED_LINES_SQL = """
SELECT sent.index, p.event_id
FROM unnest(
  %s::int[], %s::uuid[], %s::smallint[], %s::text[], %s::uuid[], %s::uuid[], %s::int[],
  %s::numeric[], %s::timestamptz[]
) AS sent(index, event_id, line, order_id, store_id, product_id, quantity, unit_price, sold_at)
JOIN purchases p ON p.order_id = sent.order_id AND p.line = sent.line
  AND p.store_id IS NOT DISTINCT FROM sent.store_id AND p.product_id = sent.product_id
  AND p.quantity = sent.quantity AND p.unit_price = sent.unit_price
  AND p.event_id <> sent.event_id
  AND CASE WHEN p.quantity > 0
    THEN p.purchased_at BETWEEN sent.sold_at - %s::interval AND sent.sold_at + %s::interval
    ELSE p.purchased_at = sent.sold_at END
"""
# Inserts receipt lines; a line that is already stored is skipped.
_INSERT_PURCHASES_SQL = """
INSERT INTO purchases (
  event_id, line, order_id, store_id, product_id, quantity, unit_price, purchased_at, customer_id
)
SELECT * FROM unnest(
  %s::uuid[], %s::smallint[], %s::text[], %s::uuid[], %s::uuid[], %s::int[], %s::numeric[],
  %s::timestamptz[], %s::uuid[]
)
ON CONFLICT (event_id, line) DO NOTHING
"""
# Inserts interactions; an interaction that is already stored is skipped.
_INSERT_INTERACTIONS_SQL = """
INSERT INTO interactions (
  id, kind, customer_id, session, store_id, product_id, quantity, occurred_at
)
SELECT * FROM unnest(
  %s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::int[],
  %s::timestamptz[]
)
ON CONFLICT (id) DO NOTHING
"""

REPEAT_WINDOW = timedelta(hours=12)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseLine:
    """One line of a receipt; `line` is its index on the receipt, from 0."""

    event_id: UUID
    line: int
    order_id: str
    customer_id: UUID | None
    store_id: UUID | None
    product_id: UUID
    quantity: int
    unit_price: Decimal
    purchased_at: datetime

    @property
    def content(self) -> tuple[object, ...]:
        """Content of the line, equal in every event that contains it."""
        receipt = (self.store_id, self.order_id)
        return (*receipt, self.line, self.product_id, self.quantity, self.unit_price)

    def is_repeated_by(self, later: "PurchaseLine") -> bool:
        """Return whether a line of the same content repeats this one; see `find_stored_lines`."""
        if self.event_id == later.event_id:
            return False
        if self.quantity > 0:
            return abs(self.purchased_at - later.purchased_at) <= REPEAT_WINDOW
        return self.purchased_at == later.purchased_at


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionRecord:
    """A view, a basket change, a like or a dislike."""

    event_id: UUID
    type: str
    customer_id: UUID | None
    session_id: str
    store_id: UUID | None
    product_id: UUID
    quantity: int | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryConsent:
    """A customer, and since when their consent `history` has been active; None: it is not."""

    customer_id: UUID
    since: datetime | None

    def covers(self, at: datetime) -> bool:
        """Return whether the consent has been active from a time until now."""
        return self.since is not None and self.since <= at


def lock_history_consents(references: Iterable[str | None]) -> dict[str, HistoryConsent]:
    """
    Return the customers of external ids or profile ids with their consents to `history`.

    Unknown references are left out. The profiles stay locked until the end of the transaction, so
    that what is linked in it is found by a withdrawal.
    """
    external_ids = {
        reference: normalize_external_id(reference) for reference in references if reference
    }
    if not external_ids:
        return {}
    profile_ids = {reference: pk for reference in external_ids if (pk := _parse_uuid(reference))}
    with connection.cursor() as cursor:
        cursor.execute(
            _LOCK_CUSTOMERS_SQL, [sorted(set(external_ids.values())), list(profile_ids.values())]
        )
        locked = dict(cursor.fetchall())
        if not locked:
            return {}
        cursor.execute(_CONSENT_SINCE_SQL, [list(locked.values())])
        since = dict(cursor.fetchall())
    found: dict[str, HistoryConsent] = {}
    known_ids = set(locked.values())
    for reference, external_id in external_ids.items():
        customer_id = locked.get(external_id) or profile_ids.get(reference)
        if customer_id is not None and customer_id in known_ids:
            found[reference] = HistoryConsent(customer_id, since.get(customer_id))
    return found


def find_stored_lines(lines: Sequence[PurchaseLine]) -> dict[int, UUID]:
    """Return the events that stored the same receipt lines before, by index of the line."""
    if not lines:
        return {}
    with connection.cursor() as cursor:
        # A receipt that two processes receive at once is stored by one and found by the other.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(receipt, 0))"
            " FROM unnest(%s::text[]) AS receipts(receipt)",
            [sorted({f"receipt:{line.store_id}:{line.order_id}" for line in lines})],
        )
        cursor.execute(
            _STORED_LINES_SQL,
            [array(range(len(lines))), *_columns(lines), *(str(REPEAT_WINDOW),) * 2],
        )
        return dict(cursor.fetchall())


def record_purchases(lines: Sequence[PurchaseLine]) -> None:
    """Insert receipt lines, each once, and mark their customers' preferences as due."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_PURCHASES_SQL,
            [*_columns(lines), array(line.customer_id for line in lines)],
        )
    customer_ids = {line.customer_id for line in lines if line.customer_id}
    if customer_ids:
        CustomerProfile.objects.filter(pk__in=customer_ids, is_due=False).update(is_due=True)


def record_interactions(interactions: Sequence[InteractionRecord]) -> None:
    """Insert views, basket changes, likes and dislikes, each once."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_INTERACTIONS_SQL,
            [
                array(interaction.event_id for interaction in interactions),
                array(interaction.type for interaction in interactions),
                array(interaction.customer_id for interaction in interactions),
                array(interaction.session_id for interaction in interactions),
                array(interaction.store_id for interaction in interactions),
                array(interaction.product_id for interaction in interactions),
                array(interaction.quantity for interaction in interactions),
                array(interaction.occurred_at for interaction in interactions),
            ],
        )


def _columns(lines: Sequence[PurchaseLine]) -> list[str]:
    """Return event, line, order, store, product, quantity, price and time as arrays."""
    return [
        array(line.event_id for line in lines),
        array(line.line for line in lines),
        array(line.order_id for line in lines),
        array(line.store_id for line in lines),
        array(line.product_id for line in lines),
        array(line.quantity for line in lines),
        array(line.unit_price for line in lines),
        array(line.purchased_at for line in lines),
    ]


def _parse_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
