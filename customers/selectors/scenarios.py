"""Recommendation scenarios."""

from customers.models import Scenario


def find_scenario(name: str) -> Scenario | None:
    """Return a scenario; None when no scenario has the name. One query."""
    return Scenario.objects.filter(pk=name).first()
