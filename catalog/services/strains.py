"""Writes to imported strains."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from catalog.ingest.strains import forget_strains
from catalog.models import ImportedStrain
from mlops.pipelines.definitions import Saved

_FACTS = ("name", "aliases", "strain_type", "terpenes", "parents", "effects", "source")


@transaction.atomic
def save_strains(*, strains: Sequence[ImportedStrain]) -> Saved:
    """Upsert the strains; those that do not differ are not written. Safe to repeat."""
    wanted = {strain.key: strain for strain in strains}
    known = ImportedStrain.objects.in_bulk(list(wanted))
    changed = [
        row for key, row in wanted.items() if key in known and _facts(known[key]) != _facts(row)
    ]
    new = [row for key, row in wanted.items() if key not in known]
    for row in (*new, *changed):
        row.imported_at = timezone.now()
    ImportedStrain.objects.bulk_create(
        [*new, *changed],
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=[*_FACTS, "imported_at"],
    )
    transaction.on_commit(forget_strains)
    return Saved(
        new=len(new), changed=len(changed), unchanged=len(wanted) - len(new) - len(changed)
    )


def _facts(row: ImportedStrain) -> list[object]:
    return [getattr(row, name) for name in _FACTS]
