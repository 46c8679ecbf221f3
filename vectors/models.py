"""What of the rows is in the vectors, made how, and what is due."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class VectorIndex(models.Model):
    """One physical collection: what made its vectors, how it is searched, whether it serves (table `vector_indexes`)."""

    class Status(models.TextChoices):
        """Where it stands."""

        BUILDING = "building", "being built"
        SERVING = "serving", "serving"
        RETIRED = "retired", "kept for rolling back"
        FAILED = "failed", "failed"

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    collection = models.CharField(max_length=100, db_comment="the alias that the serving one bears")
    physical = models.CharField(
        max_length=150, unique=True, db_comment="its own name in Milvus, without prefix"
    )
    stamp = models.CharField(
        max_length=16, db_comment="of encoder, revision, dimension, layout and weight"
    )
    encoder = models.CharField(max_length=200)
    revision = models.CharField(max_length=64)
    dimension = models.IntegerField()
    layout = models.CharField(
        max_length=50, blank=True, db_comment="version of the features; empty: text alone"
    )
    text_weight = models.FloatField(default=1)
    index_type = models.CharField(max_length=20)
    nlist = models.IntegerField(null=True)
    nprobe = models.IntegerField(null=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.BUILDING)
    note = models.TextField(blank=True, db_comment="why it failed, what was tuned")
    version = models.BigIntegerField(default=0, db_comment="one more with every batch written")
    recall = models.FloatField(
        null=True, db_comment="recall@10 against exact search, when last measured"
    )
    canaries = models.JSONField(
        null=True, db_comment="queries whose answers are known, and how they came out"
    )
    divergence = models.JSONField(null=True, db_comment="what the last reconciling found and left")
    created_at = models.DateTimeField(db_default=Now())
    serving_since = models.DateTimeField(null=True)
    reconciled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "vector_indexes"
        ordering = ("collection", "-created_at")
        verbose_name_plural = "vector indexes"
        constraints = [
            models.UniqueConstraint(
                fields=["collection"],
                condition=Q(status="serving"),
                name="vector_indexes_one_serving",
            ),
            models.UniqueConstraint(
                fields=["collection"],
                condition=Q(status="building"),
                name="vector_indexes_one_building",
            ),
        ]

    def __str__(self) -> str:
        return self.physical


class IndexedVector(models.Model):
    """
    A row's vector in an index (table `indexed_vectors`).

    Kept beside Milvus, so that an index is compared, refilled and searched exactly without encoding anything anew.
    """

    index = models.ForeignKey(VectorIndex, on_delete=models.CASCADE, related_name="vectors")
    entity_id = models.UUIDField()
    text_hash = models.CharField(max_length=32)
    content_hash = models.CharField(max_length=32, db_comment="of text, features and scalars")
    vector = models.BinaryField(db_comment="float32, little-endian, unit length")
    scalars = models.JSONField(default=dict)
    indexed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "indexed_vectors"
        constraints = [
            models.UniqueConstraint(fields=["index", "entity_id"], name="indexed_vectors_once")
        ]

    def __str__(self) -> str:
        return f"{self.entity_id} in {self.index_id}"


class OutboxEntry(models.Model):
    """A row that has changed and whose vectors are due; triggers write it with the change (table `vector_outbox`)."""

    table_name = models.CharField(max_length=63)
    row_id = models.UUIDField()
    noted_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "vector_outbox"
        verbose_name_plural = "outbox entries"
        indexes = [models.Index(fields=["table_name", "id"], name="vector_outbox_in_order")]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id}"
