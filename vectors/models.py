"""What of the rows is in the vectors, and made how."""

from django.db import models
from django.db.models.functions import Now


class IndexedVector(models.Model):
    """A row's vector in a collection: its stamp and the hash of what was encoded (table `indexed_vectors`)."""

    collection = models.CharField(max_length=100)
    entity_id = models.UUIDField()
    stamp = models.CharField(max_length=16)
    content_hash = models.CharField(max_length=64)
    source_updated_at = models.DateTimeField()
    indexed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "indexed_vectors"
        constraints = [models.UniqueConstraint(fields=["collection", "entity_id"], name="indexed_vectors_once")]

    def __str__(self) -> str:
        return f"{self.collection} {self.entity_id}"
