"""People as a Django application."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def install_partitions(**_signal: Any) -> None:
    """Make the first partitions; afterwards the clock does."""
    from customers.services import make_chat_partitions

    make_chat_partitions()


class CustomersConfig(AppConfig):
    """People, as far as they agreed to be known."""

    name = "customers"

    def ready(self) -> None:
        post_migrate.connect(install_partitions, sender=self, dispatch_uid="customers.partitions")
