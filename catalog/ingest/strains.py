"""All that is known of strains: what ships, and what an operator has imported; what ships wins, fact by fact."""

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
_LOOKED_AT_SECONDS = 60.0


class _Known:
    """The names as last read, and what the table looked like then."""

    names: StrainNames | None = None
    mark: Any = None
    looked_at = float("-inf")


def strain_names() -> StrainNames:
    """Return the names of all known strains; what was imported meanwhile is seen within a minute."""
    if _Known.names is None or time.monotonic() - _Known.looked_at > _LOOKED_AT_SECONDS:
        _Known.looked_at = time.monotonic()
        mark = imported_mark()
        if _Known.names is None or mark != _Known.mark:
            _Known.names, _Known.mark = StrainNames(known_strains()), mark
    return _Known.names


def known_strains() -> Mapping[str, Strain]:
    """Return every strain by key; those that ship alone when no database answers."""
    known = dict(strains())
    try:
        for row in ImportedStrain.objects.all().iterator(chunk_size=2_000):
            known[row.key] = _joined(known.get(row.key), row)
    except DatabaseError as error:
        log.warning("imported strains left out", reason=str(error))
    return known


def imported_mark() -> Any:
    """Return what changes whenever strains are imported; None when no database answers."""
    try:
        return tuple(
            ImportedStrain.objects.aggregate(
                n=models.Count("key"), last=models.Max("imported_at")
            ).values()
        )
    except DatabaseError:
        return None


def forget_strains() -> None:
    """Read strains anew at the next question."""
    _Known.names = None


def _joined(ours: Strain | None, row: ImportedStrain) -> Strain:
    known = ours or Strain(key=row.key, name=row.name)
    return replace(
        known,
        strain_type=known.strain_type or row.strain_type,
        terpenes=known.terpenes or tuple(row.terpenes),
        parents=known.parents or tuple(row.parents),
        effects=known.effects or tuple(row.effects),
    )
