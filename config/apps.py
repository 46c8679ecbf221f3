"""The foundation as a Django application, and the console's application."""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ConfigConfig(AppConfig):
    """
    Application of the API keys.

    Starts error reports and traces; installs the schedule and the roles after migrations.
    """

    name = "config"
    verbose_name = _("Access")

    def ready(self) -> None:
        """Install the schedule, and, once every application has its permissions, the roles."""
        from config.schedule_sync import install_schedule
        from config.telemetry.error_reports import start_error_reports
        from config.telemetry.traces import start_traces

        start_error_reports()
        start_traces()

        post_migrate.connect(install_schedule, sender=self, dispatch_uid="config.schedule_sync")
        last_application = list(apps.get_app_configs())[-1]
        post_migrate.connect(_install_roles, sender=last_application, dispatch_uid="config.roles")


def _install_roles(**_signal: Any) -> None:
    from config.roles import install_roles

    install_roles()


class ConsoleConfig(SimpleAdminConfig):
    """
    Django's admin, whose pages are imported by `config.urls` and by the system checks only.

    Celery and most commands serve no page; importing the pages would cost them 0.5 s and 60 MB.
    """

    def ready(self) -> None:
        """Register the system checks of the admin."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_console, checks.Tags.admin)


def check_console(**options: Any) -> list[checks.CheckMessage]:
    """Import the pages of every application and check them."""
    admin.autodiscover()
    messages: list[checks.CheckMessage] = check_admin_app(**options)
    return messages
