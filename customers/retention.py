"""How long we keep what people say and do. What they buy stays, as sales; whose they were goes with consent or erasure."""

from datetime import timedelta

from mlops.privacy.retention import Rule, declare

_YEAR = timedelta(days=365)
_OF_SESSION = "(SELECT s.customer_id FROM chat_sessions s WHERE s.id = t.session_id)"

declare(
    Rule(
        name="chat messages",
        model="customers.ChatMessage",
        column="created_at",
        keep=_YEAR,
        is_monthly=True,
        subject=_OF_SESSION,
        why="the consent to keep conversations is for at most a year",
    ),
    Rule(
        name="feedback on answers",
        model="customers.MessageFeedback",
        column="given_at",
        keep=_YEAR,
        subject=_OF_SESSION,
        why="goes with the conversation",
    ),
    Rule(
        name="chat sessions",
        model="customers.ChatSession",
        column="session_start",
        keep=_YEAR,
        condition="NOT EXISTS (SELECT FROM chat_messages m WHERE m.session_id = t.id)"
        " AND NOT EXISTS (SELECT FROM message_feedback f WHERE f.session_id = t.id)",
        subject="t.customer_id",
        why="nothing of the conversation is left",
    ),
    Rule(
        name="interactions",
        model="customers.Interaction",
        column="occurred_at",
        keep=2 * _YEAR,
        subject="t.customer_id",
        why="what was looked at tells no taste after two years",
    ),
    Rule(
        name="recommendations",
        model="customers.Recommendation",
        column="made_at",
        keep=timedelta(days=180),
        is_monthly=True,
        subject="t.customer_id",
        why="what was recommended is evaluated within half a year",
    ),
    Rule(
        name="feedback on recommendations",
        model="customers.RecommendationFeedback",
        column="at",
        keep=timedelta(days=180),
        subject="(SELECT r.customer_id FROM recommendations r WHERE r.id = t.recommendation_id LIMIT 1)",
        why="goes with the recommendation",
    ),
    Rule(
        name="access to personal data",
        model="customers.PersonalAccess",
        column="at",
        keep=2 * _YEAR,
        subject="t.customer_id",
        why="who looked at whose data, for two audits",
    ),
)
