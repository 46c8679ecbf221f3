"""
Known strains: the reference tables and the strains imported by operators.

Where both state a field, the reference tables win.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from django.db import DatabaseError, models

from catalog.ingest.strain_names import StrainNames
from catalog.models import ImportedStrain
from catalog.reference.strains import Strain, strains

log = structlog.get_logger(__name__)
_REFRESH_SECONDS = 60.0


class _StrainCache:
    """Strain names as last loaded, with the version of the imported strains at that time."""

    names: StrainNames | None = None
    version: Any = None
    checked_at = float("-inf")


def strain_names() -> StrainNames:
    """Return the names of all known strains; new imports are seen within a minute."""
    if _StrainCache.names is None or time.monotonic() - _StrainCache.checked_at > _REFRESH_SECONDS:
        _StrainCache.checked_at = time.monotonic()
        version = imported_strains_version()
        if _StrainCache.names is None or version != _StrainCache.version:
            _StrainCache.names = StrainNames(known_strains())
            _StrainCache.version = version
    return _StrainCache.names


def known_strains() -> Mapping[str, Strain]:
    """Return every strain by key; without a database, the reference tables alone."""
    known = dict(strains())
    try:
        for row in ImportedStrain.objects.all().iterator(chunk_size=2_000):
            known[row.key] = _with_imported(known.get(row.key), row)
    except DatabaseError as error:
        log.warning("imported_strains.unavailable", error=str(error))
    return known


def imported_strains_version() -> Any:
    """Return a value that changes when strains are imported; None without a database."""
    try:
        totals = ImportedStrain.objects.aggregate(
            count=models.Count("key"), newest_at=models.Max("imported_at")
        )
    except DatabaseError:
        return None
    return tuple(totals.values())


def clear_strain_cache() -> None:
    """Load strains again on next use."""
    _StrainCache.names = None


def _with_imported(reference: Strain | None, row: ImportedStrain) -> Strain:
    known = reference or Strain(key=row.key, name=row.name)
    return replace(
        known,
        strain_type=known.strain_type or row.strain_type,
        terpenes=known.terpenes or tuple(row.terpenes),
        parents=known.parents or tuple(row.parents),
        effects=known.effects or tuple(row.effects),
    )
