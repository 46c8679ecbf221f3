"""Canonical products, into which supplier listings are merged."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, GistIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Now


def _percent(comment: str) -> models.DecimalField:
    return models.DecimalField(
        max_digits=5, decimal_places=2, null=True, blank=True, db_comment=comment
    )


class ProductQuerySet(models.QuerySet["Product"]):
    """Product rows, with named conditions."""

    def current(self) -> "ProductQuerySet":
        """Return products that are not merged into another one."""
        return self.filter(merged_into=None)


class Product(models.Model):
    """Canonical product (table `products`)."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    name = models.CharField(max_length=255, db_comment="English name, or the only one")
    brand = models.CharField(max_length=100, null=True, blank=True, db_comment="brand")
    sku = models.CharField(
        "SKU", max_length=50, null=True, blank=True, db_comment="stock keeping unit"
    )
    thc_percentage = _percent("percent by mass; middle of the label's range")
    cbd_percentage = _percent("percent by mass; middle of the label's range")
    strain_type = models.CharField(
        max_length=20,
        null=True,
        blank=True,
        db_comment="indica, sativa, hybrid, blend or a dominant form",
    )
    weight_grams = models.DecimalField(
        max_digits=8, decimal_places=2, null=True, blank=True, db_comment="net weight in grams"
    )
    price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, blank=True, db_comment="our retail price, CAD"
    )
    source = models.CharField(
        max_length=50, null=True, blank=True, db_comment="source that determines the product"
    )
    created_at = models.DateTimeField(
        db_default=Now(), null=True, editable=False, db_comment="when the row was created"
    )
    updated_at = models.DateTimeField(
        db_default=Now(), null=True, editable=False, db_comment="when the row was last changed"
    )

    merge_key = models.CharField(
        max_length=120,
        unique=True,
        editable=False,
        db_comment="key by which listings are merged into this product",
    )
    name_fr = models.CharField(
        "name in French", max_length=255, null=True, blank=True, db_comment="French name"
    )
    gtin = models.CharField(
        "GTIN",
        max_length=14,
        null=True,
        blank=True,
        db_comment="GTIN with valid check digit, 14 digits",
    )
    category = models.CharField(
        max_length=40, null=True, blank=True, db_comment="category, for example flower or edibles"
    )
    thc_percentage_low = _percent("lower end of the label's range")
    thc_percentage_high = _percent("upper end of the label's range")
    cbd_percentage_low = _percent("lower end of the label's range")
    cbd_percentage_high = _percent("upper end of the label's range")
    unit_count = models.IntegerField(null=True, blank=True, db_comment="units in the package")
    volume_ml = models.DecimalField(
        max_digits=8, decimal_places=2, null=True, blank=True, db_comment="volume in milliliters"
    )
    thc_mg = models.DecimalField(
        "THC mg",
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        db_comment="milligrams, per mg_basis",
    )
    cbd_mg = models.DecimalField(
        "CBD mg",
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        db_comment="milligrams, per mg_basis",
    )
    mg_basis = models.CharField(
        max_length=20,
        null=True,
        blank=True,
        db_comment="mg, mg_per_unit, mg_per_package or mg_per_ml",
    )
    measures = ArrayField(
        models.CharField(max_length=20),
        default=list,
        db_default=Value("{}"),
        editable=False,
        db_comment="sizes and doses in the name",
    )
    dried_equivalent_grams = models.DecimalField(
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        db_comment="legal equivalent in grams of dried cannabis",
    )
    terpenes = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        db_default=Value("{}"),
        db_comment="terpenes, the most abundant first",
    )
    terpene_source = models.CharField(
        max_length=20, null=True, blank=True, db_comment="measured, supplier or strain_mean"
    )
    strain = models.CharField(
        max_length=100, null=True, blank=True, db_comment="strain the name refers to"
    )
    lineage = ArrayField(
        models.CharField(max_length=100),
        default=list,
        blank=True,
        db_default=Value("{}"),
        db_comment="claimed parents",
    )
    effects = ArrayField(
        models.CharField(max_length=40),
        default=list,
        blank=True,
        db_default=Value("{}"),
        db_comment="for staff only",
    )
    effects_source = models.CharField(
        max_length=20, null=True, blank=True, db_comment="reported or model"
    )
    merged_into = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.PROTECT,
        editable=False,
        related_name="merged",
        db_comment="product into which this one was merged",
    )
    match_block = models.CharField(
        max_length=100,
        default="",
        db_default="",
        editable=False,
        db_comment="normalized brand, within which products are matched",
    )
    matched_with = models.CharField(
        max_length=20,
        default="",
        db_default="",
        editable=False,
        db_comment="version of the matching that last compared it",
    )
    search_document = SearchVectorField(
        null=True, editable=False, db_comment="words for the text search, with weights"
    )

    objects = ProductQuerySet.as_manager()

    class Meta:
        db_table = "products"
        db_table_comment = "Canonical products that supplier listings are merged into"
        ordering = ("name",)
        indexes = [
            models.Index(fields=["strain_type"], name="idx_products_strain_type"),
            GistIndex(
                Func(F("thc_percentage") - 2, F("thc_percentage") + 2, function="numrange"),
                name="idx_products_thc_range",
            ),
            GinIndex(fields=["search_document"], name="products_search_document"),
            GinIndex(
                OpClass(F("name"), name="gin_trgm_ops"),
                OpClass(F("name_fr"), name="gin_trgm_ops"),
                OpClass(F("brand"), name="gin_trgm_ops"),
                name="products_spelling",
            ),
            models.Index(fields=["name", "-id"], name="products_by_name"),
            models.Index(fields=["price"], name="products_price"),
            models.Index(fields=["category"], name="products_category"),
            models.Index(fields=["gtin"], name="products_gtin"),
            models.Index(fields=["sku"], name="products_sku"),
            models.Index(F("created_at").desc(nulls_last=True), "id", name="products_newest"),
            models.Index(fields=["updated_at", "id"], name="products_by_change"),
            models.Index(fields=["matched_with"], name="products_matched_with"),
            models.Index(fields=["match_block"], name="products_match_block"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def effective_id(self) -> UUID:
        """Id of the product that stands for this one: itself, or the one it was merged into."""
        return self.merged_into_id or self.pk
