"""Models of recommendations: scenarios, business rules, statistics, results and feedback."""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from psqlextra.models import PostgresPartitionedModel
from psqlextra.types import PostgresPartitioningMethod

from catalog.models import Product, Store
from catalog.reference.provinces import PROVINCES


def _weight(help_text: str, default: float) -> models.FloatField:
    limits = [MinValueValidator(0), MaxValueValidator(10)]
    return models.FloatField(default=default, validators=limits, help_text=help_text)


class Scenario(models.Model):
    """
    A named recommendation placement (table `recommendation_scenarios`).

    It sets the weight of each candidate source, 0 to 10, and the diversity of the results.
    """

    class Name(models.TextChoices):
        """Placements that clients can request."""

        HOME = "home", "home page"
        PRODUCT = "product", "product page"
        SUBSTITUTE = "substitute", "substitutes for a sold-out product"
        BASKET = "basket", "basket"
        LOOKUP = "lookup", "staff look-up"

    name = models.CharField(primary_key=True, max_length=20, choices=Name, editable=False)
    title_en = models.CharField("English title", max_length=80)
    title_fr = models.CharField("French title", max_length=80)
    is_active = models.BooleanField(
        default=True,
        help_text="when off, clients receive no products and the reason scenario_disabled",
    )
    repurchase = _weight("products that the customer has bought before", 0)
    co_purchase = _weight(
        "products bought together with those in the history, on the page or in the basket", 0
    )
    embedding_similarity = _weight(
        "products whose vectors are close to the customer's vector or to the viewed product", 0
    )
    popularity = _weight("best-selling products of the store", 0)
    newness = _weight("products added to the catalogue in the last 30 days", 0)
    diversity = models.FloatField(
        default=0.2,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=(
            "0: order by score alone; 1: never repeat a brand or segment while another is available"
        ),
    )
    max_per_brand = models.PositiveSmallIntegerField(
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
        help_text="products of one brand in one response",
    )
    is_same_category = models.BooleanField(
        "same category only",
        default=False,
        help_text="only products of the category of the viewed product",
    )
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
    )
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "recommendation_scenarios"
        ordering = ("name",)

    def __str__(self) -> str:
        return str(self.get_name_display())


class BusinessRule(models.Model):
    """
    A staff decision about products in recommendations (table `recommendation_rules`).

    A product matches when it meets every product criterion that is set. The rule applies in every
    scenario, store and province unless one is set, from `starts_at` until `ends_at`.
    """

    class Action(models.TextChoices):
        """Effect of a rule on the products that match."""

        HIDE = "hide", "hide: do not recommend"
        BOOST = "boost", "boost: rank higher"
        DEMOTE = "demote", "demote: rank lower"

    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=100, unique=True)
    action = models.CharField(max_length=6, choices=Action)
    strength = models.FloatField(
        default=0.5,
        validators=[MinValueValidator(0.05), MaxValueValidator(1)],
        help_text=(
            "boost: score × (1 + strength); demote: score × (1 − strength); all "
            "matching rules together × 0.1 to × 3"
        ),
    )
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    brand = models.CharField(max_length=100, blank=True, default="", db_default="")
    category = models.CharField(max_length=40, blank=True, default="", db_default="")
    strain_type = models.CharField(max_length=20, blank=True, default="", db_default="")
    min_thc_percentage = models.DecimalField(
        "THC from, percent",
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=(
            "products whose labelled THC reaches this value; products without a "
            "THC value do not match"
        ),
    )
    store = models.ForeignKey(
        Store, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    province = models.CharField(
        max_length=2,
        blank=True,
        default="",
        db_default="",
        choices=[(code, code) for code in PROVINCES],
    )
    scenario = models.CharField(
        max_length=20, choices=Scenario.Name, blank=True, default="", db_default=""
    )
    starts_at = models.DateTimeField(
        default=None, null=True, blank=True, help_text="empty: in force immediately"
    )
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="empty: in force until it is ended"
    )
    reason = models.TextField(help_text="why the rule exists; shown wherever the rule is shown")
    unpaid_note = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text=(
            "for boosts: a statement that the boost is not paid for, and its "
            "evidence (paid promotion is not allowed)"
        ),
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "recommendation_rules"
        ordering = ("-created_at",)
        verbose_name = "recommendation rule"
        constraints = [
            models.CheckConstraint(
                condition=~Q(action="boost") | ~Q(unpaid_note=""),
                name="recommendation_rules_unpaid",
                violation_error_message="A boost needs a note that it is not paid for.",
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="recommendation_rules_in_time",
                violation_error_message="The rule must end after it starts.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Reject a rule without a product criterion: it would hide or boost every product."""
        criteria = (self.product_id, self.brand, self.category, self.strain_type)
        if not any(criteria) and self.min_thc_percentage is None:
            raise ValidationError(
                "Choose which products: one product, or a brand, category, strain type or THC."
            )


class ProductNeighbor(models.Model):
    """
    Co-purchase similarity of two products (table `product_neighbors`).

    Updated every ten minutes.
    """

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+", db_index=False)
    neighbor = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(
        db_comment="cosine similarity of buyers within 90 days, shrunk; 0 to 1"
    )
    buyers = models.IntegerField(db_comment="distinct buyers of both products")

    class Meta:
        db_table = "product_neighbors"
        constraints = [
            models.UniqueConstraint(fields=["product", "neighbor"], name="product_neighbors_once")
        ]

    def __str__(self) -> str:
        return f"{self.product_id} with {self.neighbor_id}"


class ProductPopularity(models.Model):
    """
    Sales rank of a product in a store, or in all stores (table `product_popularity`).

    Updated every ten minutes.
    """

    store = models.ForeignKey(
        Store,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        db_index=False,
        db_comment="null: all stores",
    )
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(
        db_comment="orders weighted by recency, relative to the best seller; 0 to 1"
    )
    orders = models.IntegerField(db_comment="orders with the product in 180 days")
    counted_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "product_popularity"
        constraints = [
            models.UniqueConstraint(
                fields=["store", "product"], name="product_popularity_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["store", "-score"], name="product_popularity_best")]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.score:.2f}"


class ProductRepeatStatistics(models.Model):
    """Orders of a product per buyer (table `product_repeat_statistics`); updated nightly."""

    product = models.OneToOneField(
        Product, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    repeats = models.FloatField(db_comment="orders per buyer in a year, shrunk; 1 and above")
    buyers = models.IntegerField(db_comment="distinct buyers who consented to profiling")

    class Meta:
        db_table = "product_repeat_statistics"

    def __str__(self) -> str:
        return f"{self.product_id}: {self.repeats:.2f}"


class StoreRepeatStatistics(models.Model):
    """
    Repeat and discovery purchases of all customers (table `store_repeat_statistics`).

    A row is added nightly; the newest one is in use.
    """

    counted_at = models.DateTimeField(db_default=Now())
    repeats = models.IntegerField(help_text="repeat purchases of the last 14 days")
    predicted_hits = models.IntegerField(
        help_text="first-time purchases of the last 14 days that co-purchase neighbors predicted"
    )
    discovery_ratio = models.FloatField(
        help_text="predicted hits per repeat purchase, shrunk; weight of the co-purchase source"
    )
    segment_shares = models.JSONField(
        default=dict, help_text="share of sales by segment (category and strain type)"
    )

    class Meta:
        db_table = "store_repeat_statistics"
        ordering = ("-counted_at", "-id")
        verbose_name_plural = "store repeat statistics"

    def __str__(self) -> str:
        return f"{self.counted_at:%Y-%m-%d %H:%M}: {self.discovery_ratio:.2f}"


class Recommendation(PostgresPartitionedModel):
    """
    A recommendation result, stored for evaluation; partitioned by month (table `recommendations`).

    `customer_id` is set only for customers who consent to `history`. While a result is cached it
    may be shown in several sessions; feedback is recorded by session.
    """

    pk = models.CompositePrimaryKey("id", "created_at")
    # The base class declares an integer.
    id = models.UUIDField(default=uuid4, db_default=RandomUUID(), editable=False)  # type: ignore[assignment]
    created_at = models.DateTimeField(db_default=Now())
    scenario = models.CharField(max_length=20)
    # No foreign keys: a result outlives the rows that it refers to.
    customer_id = models.UUIDField(null=True)
    session = models.CharField(max_length=100, blank=True, default="", db_default="")
    store_id = models.UUIDField(null=True)
    model_version = models.CharField(max_length=60)
    fallback_level = models.SmallIntegerField(default=0, db_default=0)
    products = ArrayField(
        models.UUIDField(), default=list, db_comment="product ids in ranked order"
    )

    class Meta:
        db_table = "recommendations"
        indexes = [
            models.Index(fields=["store_id", "created_at"], name="recommendations_of_store"),
            models.Index(fields=["customer_id", "created_at"], name="recommendations_of_customer"),
            models.Index(
                fields=["session"], name="recommendations_of_session", condition=~Q(session="")
            ),
        ]

    class PartitioningMeta:
        method = PostgresPartitioningMethod.RANGE
        key = ["created_at"]

    def __str__(self) -> str:
        return str(self.pk)


class RecommendationFeedback(models.Model):
    """An outcome of a recommended product (table `recommendation_feedback`)."""

    class Kind(models.TextChoices):
        """Outcome of a recommended product."""

        SHOWN = "shown"
        CLICKED = "clicked"
        BOUGHT = "bought"

    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    # No foreign key: it would have to include the partition key `created_at`.
    recommendation_id = models.UUIDField()
    product_id = models.UUIDField()
    kind = models.CharField(max_length=7, choices=Kind)
    session = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        db_comment="session in which the product was shown",
    )
    scenario = models.CharField(max_length=20)
    store_id = models.UUIDField(null=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "recommendation_feedback"
        constraints = [
            models.UniqueConstraint(
                fields=["recommendation_id", "product_id", "kind", "session"],
                name="recommendation_feedback_once",
            )
        ]
        indexes = [
            models.Index(fields=["-at"], name="recommendation_feedback_newest"),
            models.Index(
                fields=["session"], name="recommendation_feedback_visit", condition=~Q(session="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.product_id}"
