"""Vectors of a person, whatever made them."""

from collections.abc import Iterator
from typing import Any

from django.db import connection

from mlops.privacy.identifiers import Subject
from mlops.privacy.personal_data import Found, Place, declare
from vectors.index.write import remove
from vectors.models import IndexedVector, OutboxEntry, VectorIndex
from vectors.store import store


class PersonVectors(Place):
    """Vectors under the person's id, in every index, serving or not, in Milvus and beside it."""

    name = "vectors"
    tables = ()
    order = 100

    def find(self, subject: Subject) -> Found:
        rows = list(
            IndexedVector.objects.filter(entity_id=subject.id).values_list(
                "index__physical", flat=True
            )
        )
        stored = [
            name for name in sorted(store().collections()) if store().fetch(name, [str(subject.id)])
        ]
        # However often it was noted: an erasure notes it more than once itself, by what it removes.
        due = OutboxEntry.objects.filter(row_id=subject.id).exists()
        names = [*(f"row of {name}" for name in rows), *stored, *(["outbox"] if due else [])]
        return Found(len(rows) + len(stored) + due, tuple(names[:5]))

    def remove(self, subject: Subject) -> int:
        with connection.cursor() as cursor:
            # Until the end of the transaction nobody encodes the row, which they may still see; afterwards it is gone.
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext('vector entity'), hashtext(%s::text))",
                [str(subject.id)],
            )
        count = self.find(subject).count
        for index in VectorIndex.objects.filter(vectors__entity_id=subject.id).distinct():
            remove(index, {subject.id})
        for name in store().collections():  # also what no index tells of
            store().delete(name, [str(subject.id)])
        OutboxEntry.objects.filter(row_id=subject.id).delete()
        return count

    def export(self, subject: Subject) -> Iterator[Any]:
        for one in (
            IndexedVector.objects.filter(entity_id=subject.id).select_related("index").iterator()
        ):
            told = {
                "collection": one.index.collection,
                "encoder": one.index.encoder,
                "indexed_at": one.indexed_at.isoformat(),
            }
            yield {**told, "fields": one.scalars}


declare(PersonVectors())
