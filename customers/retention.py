"""
Retention rules of customer data.

Purchases have none: they stay as sales, and are unlinked from the customer when the consent is
withdrawn or the customer is erased.
"""

from datetime import timedelta

from mlops.privacy.retention import RetentionRule, register

_YEAR = timedelta(days=365)
# Returns the customer of the chat session of a row.
_SESSION_CUSTOMER_SQL = "(SELECT s.customer_id FROM chat_sessions s WHERE s.id = t.session_id)"
# Returns the customer that a recommendation was made to.
_RECOMMENDATION_CUSTOMER_SQL = (
    "(SELECT r.customer_id FROM recommendations r WHERE r.id = t.recommendation_id LIMIT 1)"
)

register(
    RetentionRule(
        name="chat messages",
        model="customers.ChatMessage",
        age_column="created_at",
        retention_period=_YEAR,
        is_monthly=True,
        subject_sql=_SESSION_CUSTOMER_SQL,
        reason="the consent text promises at most a year",
    ),
    RetentionRule(
        name="feedback on answers",
        model="customers.MessageFeedback",
        age_column="given_at",
        retention_period=_YEAR,
        subject_sql=_SESSION_CUSTOMER_SQL,
        reason="as long as the chat messages",
    ),
    RetentionRule(
        name="chat sessions",
        model="customers.ChatSession",
        age_column="session_start",
        retention_period=_YEAR,
        condition="NOT EXISTS (SELECT FROM chat_messages m WHERE m.session_id = t.id)"
        " AND NOT EXISTS (SELECT FROM message_feedback f WHERE f.session_id = t.id)",
        subject_sql="t.customer_id",
        reason="the session has neither messages nor feedback",
    ),
    RetentionRule(
        name="interactions",
        model="customers.Interaction",
        age_column="occurred_at",
        retention_period=2 * _YEAR,
        subject_sql="t.customer_id",
        reason="interactions say nothing about preferences after two years",
    ),
    RetentionRule(
        name="recommendations",
        model="customers.Recommendation",
        age_column="created_at",
        retention_period=timedelta(days=180),
        is_monthly=True,
        subject_sql="t.customer_id",
        reason="recommendations are evaluated within half a year",
    ),
    RetentionRule(
        name="feedback on recommendations",
        model="customers.RecommendationFeedback",
        age_column="at",
        retention_period=timedelta(days=180),
        subject_sql=_RECOMMENDATION_CUSTOMER_SQL,
        reason="as long as the recommendation",
    ),
    RetentionRule(
        name="access to personal data",
        model="customers.PersonalAccess",
        age_column="accessed_at",
        retention_period=2 * _YEAR,
        subject_sql="t.customer_id",
        reason="two audits",
    ),
)
