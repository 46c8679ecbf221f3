"""Saving of imported strains."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from catalog.ingest.strains import clear_strain_cache
from catalog.models import ImportedStrain
from mlops.pipelines.definitions import SaveCounts

_FIELDS = ("name", "aliases", "strain_type", "terpenes", "parents", "effects", "source")


@transaction.atomic
def save_strains(*, strains: Sequence[ImportedStrain]) -> SaveCounts:
    """Upsert the strains; unchanged rows are not written. Safe to repeat."""
    by_key = {strain.key: strain for strain in strains}
    existing = ImportedStrain.objects.in_bulk(list(by_key))
    changed = [
        row
        for key, row in by_key.items()
        if key in existing and _values(existing[key]) != _values(row)
    ]
    new = [row for key, row in by_key.items() if key not in existing]
    for row in (*new, *changed):
        row.imported_at = timezone.now()
    ImportedStrain.objects.bulk_create(
        [*new, *changed],
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=[*_FIELDS, "imported_at"],
    )
    transaction.on_commit(clear_strain_cache)
    return SaveCounts(
        new=len(new), changed=len(changed), unchanged=len(by_key) - len(new) - len(changed)
    )


def _values(row: ImportedStrain) -> list[object]:
    return [getattr(row, name) for name in _FIELDS]
