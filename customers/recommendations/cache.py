"""Recommendations kept as they left: by person in Redis for an hour, and in the process, as long as what they rest on is so."""

import hashlib
import json
from uuid import UUID

from django.db import connection
from django.utils import timezone

from config.cache import Answers, Rendered
from customers.recommendations import context
from customers.recommendations.request import Question
from customers.recommendations.result import Answer

LIFETIME = 3600.0
# An answer without a part that did not answer is soon tried again.
_WITHOUT_A_PART = 5.0
# Of what is kept in Redis beside an answer; another one with every change of it, or of how answers read.
_LAYOUT = 2
ANSWERS = Answers(prefix="recommendations", lifetime=LIFETIME)
_PRODUCTS = """
SELECT p.id::text || ':' || p.xmin::text FROM products p WHERE p.id = ANY(%s::uuid[])
"""
# Whether what is shown is sold out, or a transaction that the answer has not seen has brought in what was nowhere in reach. A
# transaction that has not been here yet is of another database, from which this one was restored.
_SOLD_OUT_OR_IN = """
WITH shelves AS NOT MATERIALIZED (
  SELECT product_id, came_in >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)::text::bigint
    AND came_in < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    AND NOT pg_visible_in_snapshot(came_in::text::xid8, %(snapshot)s::pg_snapshot) AS is_new
  FROM store_stock WHERE store_id = ANY(%(stores)s::uuid[]) AND quantity > 0
)
SELECT EXISTS (
    SELECT FROM unnest(%(shown)s::uuid[]) AS shown(id) WHERE NOT EXISTS (SELECT FROM shelves WHERE product_id = shown.id))
  OR EXISTS (
    SELECT FROM shelves AS came WHERE is_new
      AND NOT EXISTS (SELECT FROM shelves WHERE product_id = came.product_id AND NOT is_new))
"""


def owner_of(question: Question, field: str) -> str:
    """Return under whom an answer is kept: the person, or nobody, then by what was asked."""
    if question.customer:
        return str(question.customer)
    return f"nobody.{hashlib.blake2b(field.encode(), digest_size=8).hexdigest()}"


def render(answer: Answer, question: Question, body: bytes) -> Rendered:
    """Return an answer as it leaves, with what tells whether it may leave again."""
    told = {
        "layout": _LAYOUT,
        "person": str(question.customer) if question.customer else "",
        "versions": answer.versions,
        "shown": [str(pick.product.pk) for pick in answer.picks],
        "stores": [str(store) for store in answer.stores],
        "snapshot": answer.snapshot,
    }
    lifetime = (answer.until - timezone.now()).total_seconds()
    if any(reason.endswith("-silent") for reason in answer.why):
        lifetime = min(lifetime, _WITHOUT_A_PART)
    return Rendered(
        body=body,
        etag=f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"',
        rests_on=answer.rests_on,
        fingerprint=json.dumps(told),
        lifetime=max(min(lifetime, LIFETIME), 0.0),
    )


def is_still_so(rendered: Rendered) -> bool:
    """Tell whether person, rules and products are as they were when the answer was made, and nothing is sold out or came in."""
    told = json.loads(rendered.fingerprint)
    if told.get("layout") != _LAYOUT:  # of a release before or after this one
        return False
    person, rules, *products = told["versions"]
    with connection.cursor() as cursor:
        if told["person"]:
            cursor.execute(context.VERSION, {"id": UUID(told["person"])})
            if cursor.fetchone()[0] != person:
                return False
        cursor.execute(rules.VERSION)
        if cursor.fetchone()[0] != rules:
            return False
        cursor.execute(_PRODUCTS, [[version.partition(":")[0] for version in products]])
        if sorted(version for (version,) in cursor.fetchall()) != products:
            return False
        cursor.execute(
            _SOLD_OUT_OR_IN,
            {"shown": told["shown"], "stores": told["stores"], "snapshot": told["snapshot"]},
        )
        return not cursor.fetchone()[0]
