"""Who is asking: what they agreed to, what they said, and what they did, as far as they let us use it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from customers.recommendations.segments import sort_in_sql

HISTORY_DAYS, PASSING_DAYS = 365, 90
"""So old may deeds be that are read: purchases; and what passes, as looks and baskets do. Likes are read whenever they were."""
MOST_LINES, MOST_PASSING = 1000, 500
# What changes whenever anything of theirs does: rows that come bring a newer xmin, rows that go a smaller count.
VERSION = """
SELECT concat_ws('.', (SELECT c.xmin FROM customer_profiles c WHERE c.id = %(id)s),
  (SELECT concat(count(*), '/', max(k.xmin::text::bigint)) FROM consents k WHERE k.customer_id = %(id)s),
  (SELECT concat(count(*), '/', max(p.xmin::text::bigint)) FROM purchases p WHERE p.customer_id = %(id)s),
  (SELECT concat(count(*), '/', max(i.xmin::text::bigint)) FROM interactions i WHERE i.customer_id = %(id)s))
"""
_PROFILE = f"""
SELECT ({VERSION}), c.province, c.language, c.is_age_verified, c.proven_age, c.stated,
  ARRAY(SELECT k.purpose FROM consents k WHERE k.customer_id = c.id AND k.withdrawn_at IS NULL) AS purposes
FROM customer_profiles c WHERE c.id = %(id)s
"""
# Of what it was merged into, if it was.
_SORT = f"CASE WHEN s.id IS NULL THEN {sort_in_sql('p')} ELSE {sort_in_sql('s')} END"
_LINES = f"""
SELECT coalesce(p.merged_into_id, p.id), 'purchase', l.quantity, l.purchased_at, {_SORT}
FROM purchases l JOIN products p ON p.id = l.product_id LEFT JOIN products s ON s.id = p.merged_into_id
WHERE l.customer_id = %(id)s AND l.purchased_at > %(now)s - interval '{HISTORY_DAYS} days'
ORDER BY l.purchased_at DESC LIMIT {MOST_LINES}
"""
_ACTS = f"""
SELECT coalesce(p.merged_into_id, p.id), i.kind, 1, i.occurred_at, {_SORT}
FROM interactions i JOIN products p ON p.id = i.product_id LEFT JOIN products s ON s.id = p.merged_into_id
WHERE i.customer_id = %(id)s AND i.kind NOT IN ('like', 'dislike')
  AND i.occurred_at > %(now)s - interval '{PASSING_DAYS} days'
ORDER BY i.occurred_at DESC LIMIT {MOST_PASSING}
"""
# Their last word on each product, whenever it was.
_WORDS = f"""
SELECT DISTINCT ON (1) coalesce(p.merged_into_id, p.id), i.kind, 1, i.occurred_at, {_SORT}
FROM interactions i JOIN products p ON p.id = i.product_id LEFT JOIN products s ON s.id = p.merged_into_id
WHERE i.customer_id = %(id)s AND i.kind IN ('like', 'dislike') ORDER BY 1, i.occurred_at DESC
"""
# What lies in the basket of a visit: put in and not taken out again.
_BASKET = """
SELECT product FROM (
  SELECT DISTINCT ON (1) coalesce(p.merged_into_id, p.id) AS product, i.kind, i.occurred_at
  FROM interactions i JOIN products p ON p.id = i.product_id
  WHERE i.session = %s AND i.kind IN ('basket-add', 'basket-remove') AND i.occurred_at > now() - interval '1 day'
  ORDER BY 1, i.occurred_at DESC
) AS last WHERE kind = 'basket-add' ORDER BY occurred_at DESC LIMIT 50
"""
_PROFILED = frozenset({"history", "profiling"})


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done with a product: purchase, view, basket-add, like …; sort: its category and strain type."""

    product: UUID
    kind: str
    quantity: int
    at: datetime
    sort: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody we know; `deeds` are theirs only where they agreed to be profiled by them."""

    id: UUID
    version: str
    province: str
    language: str
    is_age_verified: bool
    proven_age: int | None
    stated: dict[str, Any]
    purposes: frozenset[str]
    disliked: frozenset[UUID]
    deeds: Sequence[Deed] = field(default_factory=tuple)

    @property
    def is_profiled(self) -> bool:
        """Whether they agreed that we suggest by their history."""
        return self.purposes >= _PROFILED


def know(customer: UUID, *, now: datetime) -> Person | None:
    """Return who this is; None when nobody is. Their version is read no later than anything else of them."""
    asked: dict[str, Any] = {"id": customer, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_PROFILE, asked)
        row = cursor.fetchone()
        if row is None:
            return None
        version, province, language, is_verified, proven_age, stated, purposes = row
        cursor.execute(_WORDS, asked)
        words = [Deed(*told) for told in cursor.fetchall()]
        deeds: list[Deed] = []
        if set(purposes) >= _PROFILED:
            cursor.execute(f"({_LINES}) UNION ALL ({_ACTS})", asked)
            deeds = [Deed(*told) for told in cursor.fetchall()]
            deeds += [word for word in words if word.kind == "like"]
    return Person(
        id=customer,
        version=version,
        province=province,
        language=language,
        is_age_verified=is_verified,
        proven_age=proven_age,
        stated=_loaded(stated),
        purposes=frozenset(purposes),
        deeds=tuple(deeds),
        # Kept only by a legal hold after the consent was taken back, a word is used no more.
        disliked=frozenset(
            word.product for word in words if word.kind == "dislike" and "history" in purposes
        ),
    )


def basket_of(session: str) -> tuple[UUID, ...]:
    """Return what lies in the basket of a visit, what was put in last first."""
    with connection.cursor() as cursor:
        cursor.execute(_BASKET, [session])
        return tuple(product for (product,) in cursor.fetchall())


def _loaded(stated: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(stated) if isinstance(stated, str) else stated
    return loaded
