"""Django application of competitors."""

from datetime import date
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

_FIRST_DAY = date(2018, 10, 17)


def install_price_limits(**_signal: Any) -> None:
    """Create the first limits of prices; later ones are set by staff."""
    from competitors.models import PriceGuardSettings

    PriceGuardSettings.objects.get_or_create(effective_on=_FIRST_DAY)


class CompetitorsConfig(AppConfig):
    """Competitors: observed prices and stock."""

    name = "competitors"
    verbose_name = _("Competitors")

    def ready(self) -> None:
        post_migrate.connect(install_price_limits, sender=self, dispatch_uid="competitors.limits")
