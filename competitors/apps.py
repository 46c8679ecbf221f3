"""Django application of competitors."""

from django.apps import AppConfig


class CompetitorsConfig(AppConfig):
    """Competitors: observed prices and stock."""

    name = "competitors"
    verbose_name = "Competitors"
