"""Django application of customer profiles, consents, history, chats and recommendations."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


def install_consent_texts(**_signal: Any) -> None:
    """Create missing versions of the consent texts; an existing version is never changed."""
    from customers.models import ConsentText
    from customers.reference.consents import CONSENT_TEXTS

    for text in CONSENT_TEXTS:
        ConsentText.objects.get_or_create(
            purpose=text.purpose,
            version=text.version,
            defaults={"text_en": text.text_en, "text_fr": text.text_fr},
        )


def install_scenarios(**_signal: Any) -> None:
    """Create missing recommendation scenarios; one that exists keeps the settings of staff."""
    from customers.models import Scenario
    from customers.reference.scenarios import SCENARIOS, initial_values

    for name in SCENARIOS:
        Scenario.objects.get_or_create(name=name, defaults=initial_values(name))


class CustomersConfig(AppConfig):
    """Configuration of the customers application."""

    name = "customers"
    verbose_name = _("Customers")

    def ready(self) -> None:
        """Connect the creation of reference data to `post_migrate`."""
        post_migrate.connect(install_consent_texts, sender=self, dispatch_uid="customers.consents")
        post_migrate.connect(install_scenarios, sender=self, dispatch_uid="customers.scenarios")
