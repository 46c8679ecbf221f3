"""Supplier listings: one source's view of a product, cleaned."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now


class SupplierListing(models.Model):
    """One source's view of a product in one language, cleaned (table `supplier_listings`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    source = models.CharField(max_length=50)
    external_id = models.CharField(max_length=100)
    language = models.CharField(max_length=2)
    merge_key = models.CharField(max_length=120, db_index=True)
    name = models.CharField(max_length=255)
    raw_name = models.CharField(max_length=255)
    brand = models.CharField(max_length=100, null=True)
    producer = models.CharField(max_length=100, null=True)
    sku = models.CharField("SKU", max_length=50, null=True)
    gtin = models.CharField("GTIN", max_length=14, null=True)
    category = models.CharField(max_length=40)
    strain_type = models.CharField(max_length=20, null=True)
    thc_low = models.DecimalField(max_digits=7, decimal_places=2, null=True)
    thc_high = models.DecimalField(max_digits=7, decimal_places=2, null=True)
    thc_unit = models.CharField(max_length=20, null=True)
    cbd_low = models.DecimalField(max_digits=7, decimal_places=2, null=True)
    cbd_high = models.DecimalField(max_digits=7, decimal_places=2, null=True)
    cbd_unit = models.CharField(max_length=20, null=True)
    lot_thc = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        db_comment="percent of one lot, typed by store staff",
    )
    lot_cbd = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        null=True,
        db_comment="percent of one lot, typed by store staff",
    )
    weight_grams = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    unit_count = models.IntegerField(null=True)
    volume_ml = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    measures = ArrayField(
        models.CharField(max_length=20),
        default=list,
        db_default=Value("{}"),
        db_comment="sizes and doses in the name",
    )
    dried_equivalent_grams = models.DecimalField(
        max_digits=8,
        decimal_places=2,
        null=True,
        db_comment="grams of dried cannabis, by law",
    )
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    price_kind = models.CharField(max_length=10)
    in_stock = models.BooleanField(null=True)
    url = models.TextField("URL", null=True)
    terpenes = ArrayField(models.CharField(max_length=40), default=list, db_default=Value("{}"))
    terpene_source = models.CharField(max_length=20, null=True)
    strain = models.CharField(max_length=100, null=True)
    strain_match = models.CharField(
        max_length=10, null=True, db_comment="how the strain was matched: exact, alias, close"
    )
    lineage = ArrayField(models.CharField(max_length=100), default=list, db_default=Value("{}"))
    effects = ArrayField(models.CharField(max_length=40), default=list, db_default=Value("{}"))
    effects_source = models.CharField(max_length=20, null=True)
    flags = ArrayField(models.CharField(max_length=40), default=list, db_default=Value("{}"))
    content_hash = models.CharField(max_length=64)
    run = models.ForeignKey(
        "mlops.Run", on_delete=models.PROTECT, null=True, db_index=False, related_name="+"
    )
    bundle = models.CharField(
        max_length=100, null=True, db_comment="bundle of raw records in the run"
    )
    gone_at = models.DateTimeField(null=True, db_comment="when the source stopped listing it")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "supplier_listings"
        indexes = [
            models.Index(fields=["sku"], name="supplier_listings_sku"),
            models.Index(fields=["gtin"], name="supplier_listings_gtin"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id", "language"], name="supplier_listings_natural_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id} ({self.language})"
