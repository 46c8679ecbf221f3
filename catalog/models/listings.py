"""Supplier listings: one source's view of a product, cleaned."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now, Upper


class SupplierListing(models.Model):
    """One source's view of a product in one language, cleaned (table `supplier_listings`)."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    source = models.CharField(max_length=50, db_comment="code of the source")
    external_id = models.CharField(max_length=100, db_comment="id at the source")
    language = models.CharField(max_length=2, db_comment="en or fr")
    merge_key = models.CharField(
        max_length=120, db_index=True, db_comment="key of the product the listing belongs to"
    )
    name = models.CharField(max_length=255, db_comment="cleaned name")
    raw_name = models.CharField(max_length=255, db_comment="name as written by the source")
    raw_category = models.CharField(
        max_length=100, default="", db_default="", db_comment="category as written by the source"
    )
    raw_size = models.CharField(
        max_length=100, default="", db_default="", db_comment="size as written by the source"
    )
    brand = models.CharField(max_length=100, null=True, db_comment="brand")
    producer = models.CharField(max_length=100, null=True, db_comment="licensed producer")
    sku = models.CharField("SKU", max_length=50, null=True, db_comment="stock keeping unit")
    gtin = models.CharField(
        "GTIN", max_length=14, null=True, db_comment="GTIN with valid check digit, 14 digits"
    )
    code_text = models.CharField(
        "other code",
        max_length=50,
        null=True,
        db_comment="code given as GTIN that is none, as written; the flags state why",
    )
    lots = ArrayField(
        models.CharField(max_length=50),
        default=list,
        db_default=Value("{}"),
        db_comment="lots or batches that the source lists, one row each",
    )
    category = models.CharField(max_length=40, db_comment="category")
    strain_type = models.CharField(max_length=20, null=True, db_comment="strain type")
    thc_low = models.DecimalField(
        max_digits=7, decimal_places=2, null=True, db_comment="lower end of THC"
    )
    thc_high = models.DecimalField(
        max_digits=7, decimal_places=2, null=True, db_comment="upper end of THC"
    )
    thc_unit = models.CharField(max_length=20, null=True, db_comment="percent or mg")
    cbd_low = models.DecimalField(
        max_digits=7, decimal_places=2, null=True, db_comment="lower end of CBD"
    )
    cbd_high = models.DecimalField(
        max_digits=7, decimal_places=2, null=True, db_comment="upper end of CBD"
    )
    cbd_unit = models.CharField(max_length=20, null=True, db_comment="percent or mg")
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
    weight_grams = models.DecimalField(
        max_digits=8, decimal_places=2, null=True, db_comment="net weight in grams"
    )
    unit_count = models.IntegerField(null=True, db_comment="units in the package")
    volume_ml = models.DecimalField(
        max_digits=8, decimal_places=2, null=True, db_comment="volume in milliliters"
    )
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
    price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, db_comment="price in Canadian dollars"
    )
    price_kind = models.CharField(max_length=10, db_comment="wholesale or retail")
    in_stock = models.BooleanField(
        null=True, db_comment="whether the source has it; NULL: not stated"
    )
    stock_quantity = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        db_comment="quantity that the source has; NULL: not stated",
    )
    url = models.TextField("URL", null=True, db_comment="page of the product at the source")
    terpenes = ArrayField(
        models.CharField(max_length=40),
        default=list,
        db_default=Value("{}"),
        db_comment="terpenes, the most abundant first",
    )
    terpene_source = models.CharField(
        max_length=20, null=True, db_comment="measured, supplier or strain-mean"
    )
    strain = models.CharField(max_length=100, null=True, db_comment="strain the name refers to")
    strain_match = models.CharField(
        max_length=10, null=True, db_comment="how the strain was matched: exact, alias, close"
    )
    lineage = ArrayField(
        models.CharField(max_length=100),
        default=list,
        db_default=Value("{}"),
        db_comment="parents of the strain",
    )
    effects = ArrayField(
        models.CharField(max_length=40),
        default=list,
        db_default=Value("{}"),
        db_comment="effects; for staff only",
    )
    effects_source = models.CharField(max_length=20, null=True, db_comment="reported or model")
    flags = ArrayField(
        models.CharField(max_length=40),
        default=list,
        db_default=Value("{}"),
        db_comment="doubts of the cleaning, by code",
    )
    doubts = ArrayField(
        models.TextField(),
        default=list,
        db_default=Value("{}"),
        db_comment="values left open or changed in cleaning: field, text as written, reason",
    )
    content_hash = models.CharField(max_length=64, db_comment="hash of the values, to find changes")
    run = models.ForeignKey(
        "mlops.Run",
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        db_comment="run that last wrote the row",
    )
    bundle = models.CharField(
        max_length=100, null=True, db_comment="bundle of raw records in the run"
    )
    gone_at = models.DateTimeField(null=True, db_comment="when the source stopped listing it")
    superseded_at = models.DateTimeField(
        null=True, db_comment="when its SKU or GTIN was found on another product; NULL: not"
    )
    withdrawn_facts = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        db_comment="by column: value that the source no longer states, and until when it did",
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when the row was created")
    updated_at = models.DateTimeField(db_default=Now(), db_comment="when the row was last changed")

    class Meta:
        db_table = "supplier_listings"
        db_table_comment = "A source's cleaned view of a product in one language"
        indexes = [
            models.Index(fields=["sku"], name="supplier_listings_sku"),
            models.Index(fields=["gtin"], name="supplier_listings_gtin"),
            GinIndex(
                OpClass(Upper("raw_name"), name="gin_trgm_ops"), name="supplier_listings_raw_name"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id", "language"], name="supplier_listings_natural_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id} ({self.language})"
