"""Recovery of vector indexes: Milvus is filled from the rows of a restored database."""

from collections.abc import Callable

from mlops.backup.recovery_steps import RecoveryStep, register
from vectors.entities import entities
from vectors.index.reconcile import reconcile
from vectors.models import VectorIndex
from vectors.store import store


def rebuild_from_rows(on_collection: Callable[[int, int], None]) -> None:
    """
    Drop what Milvus has beside the serving indexes, and make these equal to the rows.

    Stored vectors are copied; only rows that changed after they were indexed are encoded. Retired
    indexes are filled when they are rolled back to. Raises VectorsUnavailable, ModelMissing.
    """
    names = list(entities())
    serving = set(
        VectorIndex.objects.filter(status=VectorIndex.Status.SERVING).values_list(
            "physical_name", flat=True
        )
    )
    for stored in store().collections() - serving:
        if any(stored.startswith(f"{name}_") for name in names):
            store().drop(stored)
    for done, name in enumerate(names, 1):
        reconcile(collection=name)
        on_collection(done, len(names))


register(RecoveryStep(name="vector indexes", run=rebuild_from_rows))
