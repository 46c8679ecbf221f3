"""Saving of competitors with their locations."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError

from competitors.models import Competitor, CompetitorLocation
from config.clients.address_guard import AddressRefused, check_source_url
from mlops.audit.operations import operation
from mlops.models import Operation


def save_competitor(*, competitor: Competitor, by: AbstractBaseUser | None) -> None:
    """Save a competitor as an operation. by: the person; None for a command."""
    reason = f"settings of the competitor {competitor.code}"
    with operation(Operation.Kind.EDIT, actor=by, reason=reason):
        competitor.save()


def add_competitor(
    *, code: str, locations: Mapping[str, str], by: AbstractBaseUser | None = None, **values: Any
) -> Competitor:
    """
    Create a competitor, or change the one with this code. Safe to repeat.

    locations: names by the platform's id; others stay. values: fields, of which None leaves the
    present or default value. Raises ValidationError with messages by field.
    """
    competitor = Competitor.objects.filter(code=code).first() or Competitor(code=code)
    for name, value in values.items():
        if value is not None:
            setattr(competitor, name, value)
    competitor.full_clean()
    try:
        check_source_url(competitor.base_url)
    except AddressRefused as error:
        raise ValidationError({"base_url": error.reason}) from error
    with operation(Operation.Kind.EDIT, actor=by, reason=f"competitor {code}"):
        competitor.save()
        for platform_id, name in locations.items():
            CompetitorLocation.objects.update_or_create(
                competitor=competitor, platform_id=platform_id, defaults={"name": name}
            )
    return competitor
