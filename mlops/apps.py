"""The engine of runs and checks as a Django application."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def install_partitions(**_signal: Any) -> None:
    """Make the first partitions; afterwards the clock does."""
    from mlops.privacy.partitions import make_partitions

    make_partitions()


class MlopsConfig(AppConfig):
    """What happened to the data."""

    name = "mlops"
    verbose_name = "Data"

    def ready(self) -> None:
        from mlops import checks  # noqa: F401  # registers them

        # The signal is sent once per application when all migrations are done: then every table exists.
        post_migrate.connect(install_partitions, sender=self, dispatch_uid="mlops.partitions")
