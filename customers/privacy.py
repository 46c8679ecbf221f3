"""What we hold of a person, place by place; sales stay as sales, whose they were does not."""

from uuid import UUID

from django.db import connection

from customers.models import CustomerProfile
from customers.recommendations.cache import ANSWERS
from customers.services.access import note
from mlops.privacy.identifiers import Subject
from mlops.privacy.personal_data import Mentions, Rows, declare, identify_by, on_erased

_LEAST_TRACE = 8
# What this person alone left: an order or session that is somebody else's too would lead to their rows.
_TRACES = """
SELECT DISTINCT p.order_id FROM purchases p WHERE p.customer_id = %(id)s AND length(p.order_id) >= %(least)s
  AND NOT EXISTS (SELECT FROM purchases o WHERE o.order_id = p.order_id AND o.customer_id IS DISTINCT FROM p.customer_id)
UNION
SELECT DISTINCT i.session FROM interactions i WHERE i.customer_id = %(id)s AND length(i.session) >= %(least)s
  AND NOT EXISTS (SELECT FROM interactions o WHERE o.session = i.session AND o.customer_id <> i.customer_id)
UNION
SELECT s.id::text FROM chat_sessions s WHERE s.customer_id = %(id)s
"""
_CHATS = "SELECT s.id FROM chat_sessions s WHERE s.customer_id = %(id)s"


@identify_by
def customer(pk: UUID, lock: bool) -> Subject | None:
    """Return a customer's numbers, and the orders and sessions that were theirs alone."""
    profiles = CustomerProfile.objects.filter(pk=pk).order_by()
    if lock:  # whoever writes for them holds the profile too
        profiles = profiles.select_for_update()
    number = profiles.values_list("external_customer_id", flat=True).first()
    if number is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_TRACES, {"id": pk, "least": _LEAST_TRACE})
        traces = tuple(sorted(trace for (trace,) in cursor.fetchall()))
    return Subject(pk, (number,), traces)


@on_erased
def note_erasure(subject: Subject, asked_by: str) -> None:
    """Note who had the person forgotten: the id means nothing any more, the deed does."""
    note(customer=subject.id, actor=asked_by, action="person.erase")


@on_erased
def forget_answers(subject: Subject, _asked_by: str) -> None:
    """Drop what is kept of answers to them here; other processes hear of it from the database."""
    ANSWERS.drop(str(subject.id))


declare(
    Rows(
        name="message_feedback",
        table="message_feedback",
        where=f"t.session_id IN ({_CHATS})",
        order=10,
    ),
    Rows(
        name="chat_messages", table="chat_messages", where=f"t.session_id IN ({_CHATS})", order=20
    ),
    Rows(name="chat_sessions", table="chat_sessions", where="t.customer_id = %(id)s", order=30),
    Rows(
        name="interactions",
        table="interactions",
        # Before somebody said who they are, their session was theirs already.
        where="t.customer_id = %(id)s OR (t.customer_id IS NULL AND t.session = ANY(%(traces)s))",
    ),
    Rows(
        name="purchases",
        table="purchases",
        where="t.customer_id = %(id)s",
        forget="customer_id = NULL, order_id = o.made",
        # One new number an order, made once, so that orders can still be counted.
        source="FROM (WITH told AS MATERIALIZED (SELECT order_id, gen_random_uuid()::text AS made FROM purchases"
        " WHERE customer_id = %(id)s GROUP BY order_id) SELECT * FROM told) AS o WHERE o.order_id = t.order_id",
    ),
    Rows(
        name="recommendation_feedback",
        table="recommendation_feedback",
        order=10,
        where="t.recommendation_id IN (SELECT r.id FROM recommendations r WHERE r.customer_id = %(id)s)"
        " OR (t.session <> '' AND t.session = ANY(%(traces)s))",
    ),
    Rows(
        name="recommendations",
        table="recommendations",
        order=20,
        where="t.customer_id = %(id)s OR (t.session <> '' AND t.session = ANY(%(traces)s))",
    ),
    Rows(name="consents", table="consents", where="t.customer_id = %(id)s"),
    Rows(name="customer_profiles", table="customer_profiles", where="t.id = %(id)s", order=90),
    Rows(
        name="personal_access",
        table="personal_access",
        where="t.customer_id = %(id)s",
        is_searched=False,
        kept="who looked, by ids alone, for 24 months",
    ),
    # What others said of them; also what they said before they told who they are.
    Mentions(table="chat_messages", columns=("message_text", "masked_text")),
    Mentions(table="message_feedback", columns=("comment",)),
)
