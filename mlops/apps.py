"""Django application of the data engine: pipelines, streams, quality, audit and privacy."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def create_first_partitions(**_signal: Any) -> None:
    """Create the first partitions; later ones are created by Celery beat."""
    from mlops.privacy.partitions import make_partitions

    make_partitions()


class MlopsConfig(AppConfig):
    """Configuration of the application `mlops`."""

    name = "mlops"
    verbose_name = "Data"

    def ready(self) -> None:
        from mlops import checks  # noqa: F401  # registers the system checks

        # Sent once per application, when the migrations of all have run: once is enough.
        post_migrate.connect(create_first_partitions, sender=self, dispatch_uid="mlops.partitions")
