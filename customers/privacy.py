"""
Personal data of customers: identifiers, tables, and hooks that run after an erasure.

Purchases are anonymized instead of deleted, so that sales figures stay complete.
"""

from uuid import UUID

from django.db import connection

from customers.models import CustomerProfile
from customers.recommendations import RECOMMENDATION_CACHE
from customers.selectors.profiles import find_customer_by_reference
from customers.services.access import log_access
from mlops.privacy.identifiers import Identifiers, register_reference_fields
from mlops.privacy.personal_data import (
    PersonalRows,
    TextMentions,
    register,
    register_erasure_hook,
    register_finder,
    register_identifier,
)

_MIN_TRACE_LENGTH = 8
# Returns the order and session ids that belong to this customer only: an id shared with another
# customer would lead to that customer's rows.
_TRACES_SQL = """
SELECT DISTINCT p.order_id FROM purchases p
WHERE p.customer_id = %(id)s AND length(p.order_id) >= %(min_length)s
  AND NOT EXISTS (
    SELECT FROM purchases o
    WHERE o.order_id = p.order_id AND o.customer_id IS DISTINCT FROM p.customer_id
  )
UNION
SELECT DISTINCT i.session FROM interactions i
WHERE i.customer_id = %(id)s AND length(i.session) >= %(min_length)s
  AND NOT EXISTS (
    SELECT FROM interactions o WHERE o.session = i.session AND o.customer_id <> i.customer_id
  )
UNION
SELECT s.id::text FROM chat_sessions s WHERE s.customer_id = %(id)s
"""
# Returns the ids of the customer's chat sessions.
_CHAT_SESSIONS_SQL = "SELECT s.id FROM chat_sessions s WHERE s.customer_id = %(id)s"
# Interactions and recommendations of a session before the customer was identified have no customer.
_IN_SESSION_SQL = "t.session <> '' AND t.session = ANY(%(traces)s)"
# Returns the recommendations that were made to the customer.
_RECOMMENDATIONS_SQL = "SELECT r.id FROM recommendations r WHERE r.customer_id = %(id)s"
# Returns one random order id for each order of the customer, so that orders can still be counted.
# Materialized, because the random id must be generated once for each order, not for each line.
_ANONYMOUS_ORDERS_SQL = """
FROM (
  WITH orders AS MATERIALIZED (
    SELECT order_id, store_id, gen_random_uuid()::text AS anonymous_id FROM purchases
    WHERE customer_id = %(id)s GROUP BY order_id, store_id
  )
  SELECT * FROM orders
) AS o
WHERE o.order_id = t.order_id AND o.store_id IS NOT DISTINCT FROM t.store_id
"""


@register_finder
def find_customer_id(reference: str) -> UUID | None:
    """Return the id of the customer with a customer number or id."""
    customer = find_customer_by_reference(reference)
    return customer.pk if customer else None


@register_identifier
def customer_identifiers(pk: UUID, lock: bool) -> Identifiers | None:
    """
    Return the external id of a customer, and the order and session ids that are theirs only.

    None for an unknown customer. lock: lock the profile, as every writer of customer data does.
    """
    profiles = CustomerProfile.objects.filter(pk=pk).order_by()
    if lock:
        profiles = profiles.select_for_update()
    external_id = profiles.values_list("external_customer_id", flat=True).first()
    if external_id is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_TRACES_SQL, {"id": pk, "min_length": _MIN_TRACE_LENGTH})
        traces = tuple(sorted(trace for (trace,) in cursor.fetchall()))
    return Identifiers(pk, (external_id,), traces)


@register_erasure_hook
def log_erasure(identifiers: Identifiers, requested_by: str) -> None:
    """Log who requested the erasure; the id of the customer identifies no one any more."""
    log_access(customer=identifiers.id, actor=requested_by, action="customer.erase")


@register_erasure_hook
def remove_cached_recommendations(identifiers: Identifiers, _requested_by: str) -> None:
    """Remove cached recommendations from this process; other processes listen to the database."""
    RECOMMENDATION_CACHE.remove(str(identifiers.id))


register_reference_fields("customer[a-z_]*")
register(
    PersonalRows(
        name="message_feedback",
        table="message_feedback",
        where=f"t.session_id IN ({_CHAT_SESSIONS_SQL})",
        order=10,
    ),
    PersonalRows(
        name="chat_messages",
        table="chat_messages",
        where=f"t.session_id IN ({_CHAT_SESSIONS_SQL})",
        order=20,
    ),
    PersonalRows(
        name="chat_sessions", table="chat_sessions", where="t.customer_id = %(id)s", order=30
    ),
    PersonalRows(
        name="interactions",
        table="interactions",
        # The interactions of a session before the customer was identified are theirs as well.
        where="t.customer_id = %(id)s OR (t.customer_id IS NULL AND t.session = ANY(%(traces)s))",
    ),
    PersonalRows(
        name="purchases",
        table="purchases",
        where="t.customer_id = %(id)s",
        anonymize_assignments="customer_id = NULL, order_id = o.anonymous_id",
        from_clause=_ANONYMOUS_ORDERS_SQL,
    ),
    PersonalRows(
        name="recommendation_feedback",
        table="recommendation_feedback",
        order=10,
        where=f"t.recommendation_id IN ({_RECOMMENDATIONS_SQL}) OR ({_IN_SESSION_SQL})",
    ),
    PersonalRows(
        name="recommendations",
        table="recommendations",
        order=20,
        where=f"t.customer_id = %(id)s OR ({_IN_SESSION_SQL})",
    ),
    PersonalRows(name="consents", table="consents", where="t.customer_id = %(id)s"),
    PersonalRows(
        name="customer_profiles",
        table="customer_profiles",
        where="t.id = %(id)s",
        identifier_columns=("external_customer_id",),
        order=90,
    ),
    PersonalRows(
        name="personal_access",
        table="personal_access",
        where="t.customer_id = %(id)s",
        is_searched=False,
        retention_reason="access log, customer ids only, for 24 months",
    ),
    # Mentions in the chats of other customers, and in chats before the customer was identified.
    TextMentions(table="chat_messages", columns=("message_text", "redacted_text")),
    TextMentions(table="message_feedback", columns=("comment",)),
)
