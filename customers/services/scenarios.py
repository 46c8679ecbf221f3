"""Changes of recommendation scenarios by staff, each recorded as an operation."""

from collections.abc import Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone

from customers.models import Scenario
from mlops.audit.operations import operation
from mlops.models import Operation


def save_scenario(
    *, scenario: Scenario, changed_fields: Sequence[str], by: AbstractBaseUser
) -> None:
    """
    Save the changed fields of a scenario with the user and the time of the change.

    changed_fields: names of the fields that have new values; the reason of the operation lists
    them. Without any, nothing is saved and no operation is recorded.
    """
    if not changed_fields:
        return
    scenario.updated_by_id = by.pk
    scenario.updated_at = timezone.now()
    reason = f"scenario {scenario.name}: {', '.join(changed_fields)}"
    with operation(Operation.Kind.EDIT, actor=by, reason=reason):
        scenario.save(update_fields=[*changed_fields, "updated_by", "updated_at"])
