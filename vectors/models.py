"""Vector indexes, stored vectors and the outbox of rows whose vectors are due."""

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class VectorIndex(models.Model):
    """
    Index of a collection: one build, with its fingerprint, search parameters and status.

    Table `vector_indexes`. At most one index of a collection serves, and at most one is built.
    """

    class Status(models.TextChoices):
        """Status of an index."""

        BUILDING = "building", _("being built")
        SERVING = "serving", _("serving")
        RETIRED = "retired", _("retained for rollback")
        FAILED = "failed", _("failed")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    collection = models.CharField(
        max_length=100, db_comment="collection; alias of its serving index in Milvus"
    )
    physical_name = models.CharField(
        max_length=150, unique=True, db_comment="name of the Milvus collection, without prefix"
    )
    fingerprint = models.CharField(
        max_length=16, db_comment="digest of encoder, revision, dimension, layout and text weight"
    )
    encoder = models.CharField(max_length=200, db_comment="id of the encoder")
    revision = models.CharField(max_length=64, db_comment="revision or hash of the encoder")
    dimension = models.IntegerField(db_comment="length of the vectors")
    layout = models.CharField(
        max_length=50, blank=True, db_comment="version of the feature layout; empty for text alone"
    )
    text_weight = models.FloatField(
        default=1, db_comment="weight of the text half against the feature half"
    )
    index_type = models.CharField(
        max_length=20, db_comment="index type in Milvus, for example IVF_FLAT"
    )
    nlist = models.IntegerField(null=True, db_comment="number of lists of an IVF index")
    nprobe = models.IntegerField(null=True, db_comment="lists searched per query of an IVF index")
    status = models.CharField(
        max_length=10,
        choices=Status,
        default=Status.BUILDING,
        db_comment="building, serving, retired or failed",
    )
    details = models.TextField(
        blank=True, db_comment="reason of a failure, or tuned search parameters"
    )
    version = models.BigIntegerField(default=0, db_comment="incremented with every batch written")
    recall = models.FloatField(
        null=True, db_comment="last measured recall@10 against exact search, 0 to 1"
    )
    canaries = models.JSONField(
        "canary queries",
        null=True,
        db_comment="sample rows that must find themselves, with the best hit",
    )
    divergence = models.JSONField(
        null=True, db_comment="differences before and after the last reconciliation"
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when the row was created")
    serving_since = models.DateTimeField(
        null=True, db_comment="when it began to serve; NULL: never"
    )
    reconciled_at = models.DateTimeField(
        null=True, db_comment="when rows and vectors were last compared"
    )

    class Meta:
        db_table = "vector_indexes"
        db_table_comment = "Physical vector collections: how they were built and which one serves"
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
        return self.physical_name


class IndexedVector(models.Model):
    """
    Vector of a row in an index, with hashes and scalar fields (table `indexed_vectors`).

    Stored beside Milvus, so that an index can be compared, restored and searched exactly without
    encoding anything again.
    """

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    index = models.ForeignKey(
        VectorIndex,
        on_delete=models.CASCADE,
        related_name="vectors",
        db_comment="index the vector belongs to",
    )
    entity_id = models.UUIDField(db_comment="id of the embedded row")
    text_hash = models.CharField(max_length=32, db_comment="hash of the embedded text")
    content_hash = models.CharField(
        max_length=32, db_comment="hash of text, features and scalar fields"
    )
    vector = models.BinaryField(db_comment="float32, little-endian, unit length")
    scalars = models.JSONField(default=dict, db_comment="scalar fields stored beside the vector")
    indexed_at = models.DateTimeField(db_default=Now(), db_comment="when the vector was written")

    class Meta:
        db_table = "indexed_vectors"
        db_table_comment = "Vectors of rows per index, with hashes and scalars"
        constraints = [
            models.UniqueConstraint(fields=["index", "entity_id"], name="indexed_vectors_unique")
        ]

    def __str__(self) -> str:
        return f"{self.entity_id} in {self.index_id}"


class OutboxEntry(models.Model):
    """
    Changed row whose vectors are due (table `vector_outbox`).

    Written by triggers in the transaction of the change.
    """

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    table_name = models.CharField(max_length=63, db_comment="table of the changed row")
    row_id = models.UUIDField(db_comment="id of the changed row")
    enqueued_at = models.DateTimeField(db_default=Now(), db_comment="when the row changed")

    class Meta:
        db_table = "vector_outbox"
        db_table_comment = "Changed rows whose vectors are due, written by triggers"
        verbose_name_plural = "outbox entries"
        indexes = [models.Index(fields=["table_name", "id"], name="vector_outbox_in_order")]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id}"
