"""The foundation as a Django application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    """Application of the API keys; installs the schedule after migrations."""

    name = "config"
    verbose_name = "Access"

    def ready(self) -> None:
        """Install the schedule after migrations."""
        from config.schedule_sync import install_schedule

        post_migrate.connect(install_schedule, sender=self, dispatch_uid="config.schedule_sync")
