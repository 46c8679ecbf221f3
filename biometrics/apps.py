"""Django application of biometrics."""

from django.apps import AppConfig


class BiometricsConfig(AppConfig):
    """Biometrics: encrypted face templates, off by default."""

    name = "biometrics"
    verbose_name = "Biometrics"
