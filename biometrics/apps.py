"""Django application of biometrics."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BiometricsConfig(AppConfig):
    """Biometrics: encrypted face templates, off by default."""

    name = "biometrics"
    verbose_name = _("Biometrics")

    def ready(self) -> None:
        from biometrics import checks  # noqa: F401  # registers the system checks
