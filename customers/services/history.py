"""What people buy and do, written as events tell it; linked to a person only where they agreed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from customers.models import CustomerProfile
from mlops.sql_arrays import array

# Locked until the rows are there, so that a consent withdrawn at the same moment finds them; in one order, and as strongly
# as the change that may follow, so that two writers wait for each other and do not deadlock.
_REMEMBERED = """
SELECT c.external_customer_id, c.id FROM customer_profiles c
WHERE c.external_customer_id = ANY(%s)
  AND EXISTS (SELECT FROM consents k WHERE k.customer_id = c.id AND k.purpose = 'history' AND k.withdrawn_at IS NULL)
ORDER BY c.id FOR NO KEY UPDATE OF c
"""
_PURCHASES = """
INSERT INTO purchases (event_id, line, order_id, customer_id, store_id, product_id, quantity, unit_price, purchased_at)
SELECT * FROM unnest(%s::uuid[], %s::smallint[], %s::text[], %s::uuid[], %s::uuid[], %s::uuid[], %s::int[], %s::numeric[],
  %s::timestamptz[]) ON CONFLICT (event_id, line) DO NOTHING
"""
_INTERACTIONS = """
INSERT INTO interactions (id, kind, customer_id, session, store_id, product_id, quantity, occurred_at)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::int[], %s::timestamptz[])
ON CONFLICT (id) DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a receipt."""

    event_id: UUID
    line: int
    order_id: str
    customer: UUID | None
    store: UUID | None
    product: UUID
    quantity: int
    unit_price: Decimal
    purchased_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A view, a change of a basket, praise or blame."""

    event_id: UUID
    kind: str
    customer: UUID | None
    session: str
    store: UUID | None
    product: UUID
    quantity: int | None
    occurred_at: datetime


def remembered(numbers: Iterable[str | None]) -> dict[str, UUID]:
    """Return the profiles, by external id, of those who agreed to be remembered; the others' acts are nobody's."""
    told = sorted({number for number in numbers if number})
    if not told:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBERED, [told])
        return dict(cursor.fetchall())


def record_purchases(lines: Sequence[Line]) -> None:
    """Write lines of receipts, each once; whose preferences they bear on are derived anew at the next occasion."""
    with connection.cursor() as cursor:
        cursor.execute(
            _PURCHASES,
            [
                array(line.event_id for line in lines),
                array(line.line for line in lines),
                array(line.order_id for line in lines),
                array(line.customer for line in lines),
                array(line.store for line in lines),
                array(line.product for line in lines),
                array(line.quantity for line in lines),
                array(line.unit_price for line in lines),
                array(line.purchased_at for line in lines),
            ],
        )
    buyers = {line.customer for line in lines if line.customer}
    if buyers:
        CustomerProfile.objects.filter(pk__in=buyers, is_due=False).update(is_due=True)


def record_acts(acts: Sequence[Act]) -> None:
    """Write what was looked at, put into baskets, praised or blamed, each once."""
    with connection.cursor() as cursor:
        cursor.execute(
            _INTERACTIONS,
            [
                array(act.event_id for act in acts),
                array(act.kind for act in acts),
                array(act.customer for act in acts),
                array(act.session for act in acts),
                array(act.store for act in acts),
                array(act.product for act in acts),
                array(act.quantity for act in acts),
                array(act.occurred_at for act in acts),
            ],
        )
