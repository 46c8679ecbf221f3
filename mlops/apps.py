"""The engine of runs and checks as a Django application."""

from django.apps import AppConfig


class MlopsConfig(AppConfig):
    """What happened to the data."""

    name = "mlops"
    verbose_name = "Data"
