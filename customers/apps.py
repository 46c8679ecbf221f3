"""People as a Django application."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def install_consent_texts(**_signal: Any) -> None:
    """Put the texts that people are asked where consents refer to them; one that is there is never changed."""
    from customers.models import ConsentText
    from customers.reference.consents import TEXTS

    for text in TEXTS:
        ConsentText.objects.get_or_create(
            purpose=text.purpose,
            version=text.version,
            defaults={"text_en": text.en, "text_fr": text.fr},
        )


def install_scenarios(**_signal: Any) -> None:
    """Put every scenario there is where staff can change it; one that is there is left as they have it."""
    from customers.models import Scenario
    from customers.reference.scenarios import SCENARIOS, initial

    for name in SCENARIOS:
        Scenario.objects.get_or_create(name=name, defaults=initial(name))


class CustomersConfig(AppConfig):
    """People, as far as they agreed to be known."""

    name = "customers"

    def ready(self) -> None:
        post_migrate.connect(install_consent_texts, sender=self, dispatch_uid="customers.consents")
        post_migrate.connect(install_scenarios, sender=self, dispatch_uid="customers.scenarios")
