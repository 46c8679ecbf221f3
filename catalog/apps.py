"""The catalogue as a Django application."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def install_sources(**_signal: Any) -> None:
    """Give every supplier that Cultivar knows its row, switched off; what staff set stays."""
    from catalog.ingest.sources.registry import BUILT_IN
    from catalog.models import CatalogSource

    for source in BUILT_IN.values():
        CatalogSource.objects.get_or_create(code=source.code, defaults={"label": source.label})


class CatalogConfig(AppConfig):
    """Products and where they come from."""

    name = "catalog"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        post_migrate.connect(install_sources, sender=self, dispatch_uid="catalog.sources")
