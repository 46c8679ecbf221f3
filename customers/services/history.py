"""Write purchases and interactions, linked to customers with the consent `history` only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from customers.models import CustomerProfile
from mlops.sql_arrays import array

# Returns external id and id of the customers with the consent `history`. The profiles are locked
# until the rows are written, so that a consent withdrawn at the same moment finds them. One lock
# order, and a lock as strong as the update that may follow, keep two writers from deadlocking.
_CONSENTING_CUSTOMERS_SQL = """
SELECT c.external_customer_id, c.id FROM customer_profiles c
WHERE c.external_customer_id = ANY(%s)
  AND EXISTS (
    SELECT FROM consents k
    WHERE k.customer_id = c.id AND k.purpose = 'history' AND k.withdrawn_at IS NULL
  )
ORDER BY c.id FOR NO KEY UPDATE OF c
"""
# Inserts receipt lines; a line that is already stored is skipped.
_INSERT_PURCHASES_SQL = """
INSERT INTO purchases (
  event_id, line, order_id, customer_id, store_id, product_id, quantity, unit_price, purchased_at
)
SELECT * FROM unnest(
  %s::uuid[], %s::smallint[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[], %s::int[],
  %s::numeric[], %s::timestamptz[]
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


def customers_with_history_consent(external_ids: Iterable[str | None]) -> dict[str, UUID]:
    """
    Return the ids of the customers with the consent `history`, by external id.

    Unknown external ids and customers without the consent are left out. The profiles stay locked
    until the end of the transaction.
    """
    distinct_ids = sorted({external_id for external_id in external_ids if external_id})
    if not distinct_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_CONSENTING_CUSTOMERS_SQL, [distinct_ids])
        return dict(cursor.fetchall())


def record_purchases(lines: Sequence[PurchaseLine]) -> None:
    """Insert receipt lines, each once, and mark their customers' preferences as due."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT_PURCHASES_SQL,
            [
                array(line.event_id for line in lines),
                array(line.line for line in lines),
                array(line.order_id for line in lines),
                array(line.customer_id for line in lines),
                array(line.store_id for line in lines),
                array(line.product_id for line in lines),
                array(line.quantity for line in lines),
                array(line.unit_price for line in lines),
                array(line.purchased_at for line in lines),
            ],
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
