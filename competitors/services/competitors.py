"""Saving of competitors with their locations."""

from django.contrib.auth.models import AbstractBaseUser

from competitors.models import Competitor
from mlops.audit.operations import operation
from mlops.models import Operation


def save_competitor(*, competitor: Competitor, by: AbstractBaseUser | None) -> None:
    """Save a competitor as an operation. by: the person; None for a command."""
    reason = f"settings of the competitor {competitor.code}"
    with operation(Operation.Kind.EDIT, actor=by, reason=reason):
        competitor.save()
