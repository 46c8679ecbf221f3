"""The floor everything stands on, as a Django application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    """Owns one table, the API keys; installs the clock after migrations."""

    name = "config"
    verbose_name = "Access"

    def ready(self) -> None:
        import config.api.openapi  # noqa: F401  # registers itself with drf-spectacular
        from config.schedule_sync import install_clock

        post_migrate.connect(install_clock, sender=self, dispatch_uid="config.schedule_sync")
