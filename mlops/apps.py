"""Django application of the data engine: pipelines, streams, quality, audit and privacy."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from config.rate_limits import keys_refused, login_blocked


def create_first_partitions(**_signal: Any) -> None:
    """Create the first partitions; later ones are created by Celery beat."""
    from mlops.privacy.partitions import make_partitions

    make_partitions()


def alert_blocked_login(*, kind: str, **_signal: Any) -> None:
    """Open an alert about guessed passwords; without the name that was tried."""
    from mlops.quality.alerts import open_alert

    open_alert(
        code="login_blocked",
        subject=kind,
        message=f"Failed logins of the console have blocked a login by its {kind}.",
        severity="warning",
    )


def alert_refused_keys(**_signal: Any) -> None:
    """Open an alert about guessed API keys; without the address, which is in the log."""
    from mlops.quality.alerts import open_alert

    open_alert(
        code="keys_refused",
        subject="api",
        message="An address has sent too many requests without a valid API key.",
        severity="warning",
    )


class MlopsConfig(AppConfig):
    """Configuration of the application `mlops`."""

    name = "mlops"
    verbose_name = _("Data")

    def ready(self) -> None:
        from mlops import checks  # noqa: F401  # registers the system checks

        # Sent once per application, when the migrations of all have run: once is enough.
        keys_refused.connect(alert_refused_keys, dispatch_uid="mlops.keys_refused")
        login_blocked.connect(alert_blocked_login, dispatch_uid="mlops.login_blocked")
        post_migrate.connect(create_first_partitions, sender=self, dispatch_uid="mlops.partitions")
