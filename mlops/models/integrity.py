"""Row digests and signed seals of audited tables."""

from django.db import models


class RowDigest(models.Model):
    """Digest of one row when its block was last sealed (table `row_digests`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    table_name = models.CharField(max_length=63, db_comment="table of the row")
    row_id = models.UUIDField(db_comment="id of the row")
    block = models.SmallIntegerField(db_comment="first byte of the row's id")
    digest = models.UUIDField(db_comment="md5 of the row as text")

    class Meta:
        db_table = "row_digests"
        db_table_comment = "Digest of each row of a sealed table at its last successful check"
        constraints = [
            models.UniqueConstraint(fields=["table_name", "row_id"], name="row_digests_unique")
        ]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id}"


class IntegritySeal(models.Model):
    """
    Signed checksum of one block of a table (table `integrity_seals`).

    The signature covers the previous seal of the table, so that the seals form a chain.
    """

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    table_name = models.CharField(max_length=63, db_comment="sealed table")
    block = models.SmallIntegerField(db_comment="first byte of the rows' ids")
    row_count = models.IntegerField(db_comment="rows in the block when it was sealed")
    checksum = models.CharField(
        max_length=64, db_comment="sum over the digests of the block's rows"
    )
    sealed_at = models.DateTimeField("verified at", db_comment="when the block was sealed")
    signature = models.CharField(
        max_length=140, db_comment="HMAC over this row and the signature before it"
    )

    class Meta:
        db_table = "integrity_seals"
        db_table_comment = (
            "Signed checksums of blocks of sealed tables, chained by their signatures"
        )
        indexes = [
            models.Index(fields=["table_name", "block", "-id"], name="integrity_seals_newest")
        ]

    def __str__(self) -> str:
        return f"{self.table_name} block {self.block:02x}"
