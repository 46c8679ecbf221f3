"""Business rules of staff: create, change, end and delete, each recorded as an operation."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from customers.models import BusinessRule
from customers.selectors.rules import rules_with_status
from mlops.audit.operations import operation
from mlops.models import Operation

Kind = Operation.Kind


def create_rule(*, rule: BusinessRule, by: AbstractBaseUser) -> None:
    """Save a new rule with its author; the operation has the reason of the rule."""
    rule.author_id = by.pk
    with operation(Kind.EDIT, actor=by, reason=f"rule {rule.name}, new: {rule.reason}"):
        rule.save(force_insert=True)


def update_rule(*, rule: BusinessRule, changed_fields: Sequence[str], by: AbstractBaseUser) -> None:
    """
    Save the changed fields of a rule.

    changed_fields: names of the fields that have new values; the reason of the operation lists
    them. Without any, nothing is saved and no operation is recorded.
    """
    if not changed_fields:
        return
    reason = f"rule {rule.name}: {', '.join(changed_fields)}"
    with operation(Kind.EDIT, actor=by, reason=reason):
        rule.save(update_fields=list(changed_fields))


def end_rules(*, ids: Collection[UUID], by: AbstractBaseUser, now: datetime) -> list[BusinessRule]:
    """
    End the active rules among these; return the rules that were ended.

    Scheduled rules, and rules that another user has ended already, stay as they are.
    """
    selected = BusinessRule.objects.filter(pk__in=ids)
    active = rules_with_status(selected, status="active", now=now)
    with transaction.atomic():
        ended = list(active.select_for_update().order_by("pk"))
        if ended:
            names = ", ".join(rule.name for rule in ended)
            with operation(Kind.BULK_EDIT, actor=by, reason=f"rules ended: {names}"):
                selected.filter(pk__in=[rule.pk for rule in ended]).update(ends_at=now)
    return ended


def delete_rule(*, rule: BusinessRule, by: AbstractBaseUser) -> None:
    """Delete a rule that has not started."""
    with operation(Kind.EDIT, actor=by, reason=f"rule {rule.name}, deleted: {rule.reason}"):
        rule.delete()
