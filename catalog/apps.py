"""Django application of the catalogue."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


def install_sources(**_signal: Any) -> None:
    """Create the row of each built-in source, disabled; existing rows stay unchanged."""
    from catalog.ingest.sources.registry import BUILT_IN_SOURCES
    from catalog.models import CatalogSource

    for source in BUILT_IN_SOURCES.values():
        CatalogSource.objects.get_or_create(code=source.code, defaults={"label": source.label})


class CatalogConfig(AppConfig):
    """The catalogue: products and their sources."""

    name = "catalog"
    verbose_name = _("Catalogue")

    def ready(self) -> None:
        post_migrate.connect(install_sources, sender=self, dispatch_uid="catalog.sources")
