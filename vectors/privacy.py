"""Personal data store of vectors."""

from collections.abc import Iterator
from typing import Any

from django.db import connection

from mlops.privacy.identifiers import Identifiers
from mlops.privacy.personal_data import PersonalDataCount, PersonalDataStore, register
from vectors.index.write import remove_vectors
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import store

_MAX_SAMPLES = 5
# Waits for the worker that encodes a row, and locks the row against others.
_LOCK_ROW_SQL = "SELECT pg_advisory_xact_lock(hashtext('vector entity'), hashtext(%s::text))"


class PersonVectors(PersonalDataStore):
    """Vectors under a person's id in every index, serving or not, here and in Milvus."""

    name = "vectors"
    tables = ()
    order = 100

    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        """Count stored vectors, vectors in Milvus and the outbox entry."""
        row_id = str(identifiers.id)
        stored = list(
            IndexedVector.objects.filter(entity_id=identifiers.id).values_list(
                "index__physical_name", flat=True
            )
        )
        in_milvus = [
            name for name in sorted(store().collections()) if store().fetch_vectors(name, [row_id])
        ]
        # Counted once for any number of entries: an erasure itself writes more, by what it deletes.
        is_due = OutboxEntry.objects.filter(row_id=identifiers.id).exists()
        samples = [f"row of {name}" for name in stored] + in_milvus
        if is_due:
            samples.append("outbox")
        return PersonalDataCount(
            len(stored) + len(in_milvus) + is_due, tuple(samples[:_MAX_SAMPLES])
        )

    def delete(self, identifiers: Identifiers) -> int:
        """Delete vectors and outbox entries; return how many there were."""
        with connection.cursor() as cursor:
            # No worker can encode the row, still visible to others, before this transaction ends.
            cursor.execute(_LOCK_ROW_SQL, [str(identifiers.id)])
        count = self.find(identifiers).count
        indexes = VectorIndex.objects.filter(vectors__entity_id=identifiers.id).distinct()
        for index in indexes:
            remove_vectors(index, {identifiers.id})
        # Collections without a row in `vector_indexes` included.
        for name in store().collections():
            store().delete(name, [str(identifiers.id)])
        OutboxEntry.objects.filter(row_id=identifiers.id).delete()
        return count

    def export(self, identifiers: Identifiers) -> Iterator[Any]:
        """Yield collection, encoder, time and scalar fields of each stored vector."""
        rows = IndexedVector.objects.filter(entity_id=identifiers.id).select_related("index")
        for row in rows.iterator():
            yield {
                "collection": row.index.collection,
                "encoder": row.index.encoder,
                "indexed_at": row.indexed_at.isoformat(),
                "fields": row.scalars,
            }


register(PersonVectors())
