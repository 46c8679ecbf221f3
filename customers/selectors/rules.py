"""Business rules by status."""

from datetime import datetime

from django.db.models import Q, QuerySet

from customers.models import BusinessRule


def rule_status(rule: BusinessRule, now: datetime) -> str:
    """Return the status of a rule: active, scheduled or ended."""
    if rule.ends_at and rule.ends_at <= now:
        return "ended"
    if rule.starts_at and rule.starts_at > now:
        return "scheduled"
    return "active"


def rules_with_status(
    rules: QuerySet[BusinessRule], *, status: str, now: datetime
) -> QuerySet[BusinessRule]:
    """Return the rules with a status: active, scheduled or ended; all for any other text."""
    is_ended = Q(ends_at__lte=now)
    is_scheduled = Q(starts_at__gt=now)
    match status:
        case "active":
            return rules.exclude(is_ended).exclude(is_scheduled)
        case "scheduled":
            return rules.filter(is_scheduled)
        case "ended":
            return rules.filter(is_ended)
    return rules
