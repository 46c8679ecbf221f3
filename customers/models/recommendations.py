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
from django.utils.translation import gettext_lazy as _
from psqlextra.models import PostgresPartitionedModel
from psqlextra.types import PostgresPartitioningMethod

from catalog.models import Product, Store
from catalog.reference.provinces import PROVINCES


def _weight(help_text: str, default: float, *, db_comment: str) -> models.FloatField:
    return models.FloatField(
        default=default,
        validators=[MinValueValidator(0), MaxValueValidator(10)],
        help_text=help_text,
        db_comment=db_comment,
    )


class Scenario(models.Model):
    """
    A named recommendation placement (table `recommendation_scenarios`).

    It sets the weight of each candidate source, 0 to 10, and the diversity of the results.
    """

    class Name(models.TextChoices):
        """Placements that clients can request."""

        HOME = "home", _("home page")
        PRODUCT = "product", _("product page")
        SUBSTITUTE = "substitute", _("substitutes for a sold-out product")
        BASKET = "basket", _("basket")
        LOOKUP = "lookup", _("staff look-up")

    name = models.CharField(
        primary_key=True,
        max_length=20,
        choices=Name,
        editable=False,
        db_comment="name used in requests, for example home",
    )
    title_en = models.CharField("English title", max_length=80, db_comment="English heading")
    title_fr = models.CharField("French title", max_length=80, db_comment="French heading")
    is_active = models.BooleanField(
        default=True,
        help_text="when off, clients receive no products and the reason scenario_disabled",
        db_comment="whether requests are served",
    )
    repurchase = _weight(
        "products that the customer has bought before",
        0,
        db_comment="weight of the candidate source repurchase",
    )
    co_purchase = _weight(
        "products bought together with those in the history, on the page or in the basket",
        0,
        db_comment="weight of the candidate source co_purchase",
    )
    embedding_similarity = _weight(
        "products whose vectors are close to the customer's vector or to the viewed product",
        0,
        db_comment="weight of the candidate source embedding_similarity",
    )
    popularity = _weight(
        "best-selling products of the store",
        0,
        db_comment="weight of the candidate source popularity",
    )
    newness = _weight(
        "products added to the catalogue in the last 30 days",
        0,
        db_comment="weight of the candidate source newness",
    )
    diversity = models.FloatField(
        default=0.2,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=(
            "0: order by score alone; 1: never repeat a brand or segment while another is available"
        ),
        db_comment="penalty for repeating brand and segment, 0 to 1",
    )
    max_per_brand = models.PositiveSmallIntegerField(
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
        help_text="products of one brand in one response",
        db_comment="products of one brand, at most",
    )
    is_same_category = models.BooleanField(
        "same category only",
        default=False,
        help_text="only products of the category of the viewed product",
        db_comment="whether candidates must have the viewed product's category",
    )
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        db_comment="user who last changed it",
    )
    updated_at = models.DateTimeField(
        db_default=Now(), editable=False, db_comment="when the row was last changed"
    )

    class Meta:
        db_table = "recommendation_scenarios"
        db_table_comment = "Recommendation placements and their weights"
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

        HIDE = "hide", _("hide: do not recommend")
        BOOST = "boost", _("boost: rank higher")
        DEMOTE = "demote", _("demote: rank lower")

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    name = models.CharField(max_length=100, unique=True, db_comment="name shown to staff")
    action = models.CharField(max_length=6, choices=Action, db_comment="hide, boost or demote")
    strength = models.FloatField(
        default=0.5,
        validators=[MinValueValidator(0.05), MaxValueValidator(1)],
        help_text=(
            "boost: score × (1 + strength); demote: score × (1 − strength); all "
            "matching rules together × 0.1 to × 3"
        ),
        db_comment="factor of a boost or demotion",
    )
    product = models.ForeignKey(
        Product,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_comment="product it applies to; NULL: by the other conditions",
    )
    brand = models.CharField(
        max_length=100, blank=True, default="", db_default="", db_comment="brand it applies to"
    )
    category = models.CharField(
        max_length=40, blank=True, default="", db_default="", db_comment="category it applies to"
    )
    strain_type = models.CharField(
        max_length=20, blank=True, default="", db_default="", db_comment="strain type it applies to"
    )
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
        db_comment="applies from this THC on, in percent",
    )
    store = models.ForeignKey(
        Store,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_comment="store it applies in; NULL: all",
    )
    province = models.CharField(
        max_length=2,
        blank=True,
        default="",
        db_default="",
        choices=[(code, code) for code in PROVINCES],
        db_comment="province it applies in; empty: all",
    )
    scenario = models.CharField(
        max_length=20,
        choices=Scenario.Name,
        blank=True,
        default="",
        db_default="",
        db_comment="scenario it applies in; empty: all",
    )
    starts_at = models.DateTimeField(
        default=None,
        null=True,
        blank=True,
        help_text="empty: in force immediately",
        db_comment="from when it applies",
    )
    ends_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="empty: in force until it is ended",
        db_comment="until when it applies",
    )
    reason = models.TextField(
        help_text="why the rule exists; shown wherever the rule is shown",
        db_comment="reason given by the author",
    )
    unpaid_note = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text=(
            "for boosts: a statement that the boost is not paid for, and its "
            "evidence (paid promotion is not allowed)"
        ),
        db_comment="statement that no one paid for a boost",
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        editable=False,
        db_comment="user who wrote it",
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, db_comment="when the row was created"
    )

    class Meta:
        db_table = "recommendation_rules"
        db_table_comment = "Staff decisions to hide, boost or demote products"
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

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="+", db_index=False, db_comment="product"
    )
    neighbor = models.ForeignKey(
        Product,
        on_delete=models.CASCADE,
        related_name="+",
        db_comment="product bought together with it",
    )
    score = models.FloatField(
        db_comment="cosine similarity of buyers within 90 days, shrunk; 0 to 1"
    )
    buyers = models.IntegerField(db_comment="distinct buyers of both products")

    class Meta:
        db_table = "product_neighbors"
        db_table_comment = "Co-purchase similarity of pairs of products, computed nightly"
        constraints = [
            models.UniqueConstraint(fields=["product", "neighbor"], name="product_neighbors_unique")
        ]

    def __str__(self) -> str:
        return f"{self.product_id} with {self.neighbor_id}"


class ProductPopularity(models.Model):
    """
    Sales rank of a product in a store, or in all stores (table `product_popularity`).

    Updated every ten minutes.
    """

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    store = models.ForeignKey(
        Store,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        db_index=False,
        db_comment="null: all stores",
    )
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="+", db_comment="product"
    )
    score = models.FloatField(
        db_comment="orders weighted by recency, relative to the best seller; 0 to 1"
    )
    orders = models.IntegerField(db_comment="orders with the product in 180 days")
    counted_at = models.DateTimeField(db_default=Now(), db_comment="when it was computed")

    class Meta:
        verbose_name_plural = "product popularities"
        db_table = "product_popularity"
        db_table_comment = "Sales score of products per store and for all stores"
        constraints = [
            models.UniqueConstraint(
                fields=["store", "product"], name="product_popularity_unique", nulls_distinct=False
            )
        ]
        indexes = [
            models.Index(fields=["store", "-score", "product"], name="product_popularity_best"),
            # PostgreSQL does not read the index above in the order of its score where the store is
            # NULL.
            models.Index(
                fields=["-score", "product"],
                condition=models.Q(store=None),
                name="product_popularity_overall",
            ),
            models.Index(fields=["-score", "id"], name="product_popularity_list"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.score:.2f}"


class ProductRepeatStatistics(models.Model):
    """Orders of a product per buyer (table `product_repeat_statistics`); updated nightly."""

    product = models.OneToOneField(
        Product, on_delete=models.CASCADE, primary_key=True, related_name="+", db_comment="product"
    )
    repeats = models.FloatField(db_comment="orders per buyer in a year, shrunk; 1 and above")
    buyers = models.IntegerField(db_comment="distinct buyers who consented to profiling")

    class Meta:
        verbose_name_plural = "product repeat statistics"
        db_table = "product_repeat_statistics"
        db_table_comment = "Orders of a product per buyer, computed nightly"

    def __str__(self) -> str:
        return f"{self.product_id}: {self.repeats:.2f}"


class StoreRepeatStatistics(models.Model):
    """
    Repeat and discovery purchases of all customers (table `store_repeat_statistics`).

    A row is added nightly; the newest one is in use.
    """

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    counted_at = models.DateTimeField(db_default=Now(), db_comment="when it was computed")
    repeats = models.IntegerField(
        help_text="repeat purchases of the last 14 days",
        db_comment="repeat purchases in the period",
    )
    predicted_hits = models.IntegerField(
        help_text="first-time purchases of the last 14 days that co-purchase neighbors predicted",
        db_comment="first-time purchases that co-purchase neighbors predicted",
    )
    discovery_ratio = models.FloatField(
        help_text="predicted hits per repeat purchase, shrunk; weight of the co-purchase source",
        db_comment="predicted first-time purchases per repeat purchase",
    )
    segment_shares = models.JSONField(
        default=dict,
        help_text="share of sales by segment (category and strain type)",
        db_comment="share of each segment in sales",
    )

    class Meta:
        db_table = "store_repeat_statistics"
        db_table_comment = "Repeat and first-time purchases of all customers, one row per night"
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
    id = models.UUIDField(
        default=uuid4, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )  # type: ignore[assignment]
    created_at = models.DateTimeField(
        db_default=Now(), db_comment="when it was computed; partition key"
    )
    scenario = models.CharField(max_length=20, db_comment="scenario")
    # No foreign keys: a result outlives the rows that it refers to.
    customer_id = models.UUIDField(
        null=True, db_comment="customer, with the consent history; NULL: anonymous"
    )
    session = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        db_comment="session of the web shop or kiosk",
    )
    store_id = models.UUIDField(null=True, db_comment="store")
    model_version = models.CharField(max_length=60, db_comment="version of the ranking")
    experiment_id = models.UUIDField(
        null=True, db_comment="experiment that assigned the variant; NULL: none"
    )
    variant = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        db_comment="variant of the experiment; empty: not in an experiment",
    )
    milliseconds = models.FloatField(
        null=True, db_comment="time of the computation; NULL: before it was measured"
    )
    fallback_level = models.SmallIntegerField(
        default=0, db_default=0, db_comment="how far the response degraded, 0 to 4"
    )
    products = ArrayField(
        models.UUIDField(), default=list, db_comment="product ids in ranked order"
    )
    probabilities = ArrayField(
        models.FloatField(null=True),
        null=True,
        db_comment=(
            "predicted probability of a purchase within two weeks, in the order of products; NULL"
            " where no trained model ranked"
        ),
    )

    class Meta:
        db_table = "recommendations"
        db_table_comment = "Log of computed recommendations, partitioned by month"
        indexes = [
            models.Index(fields=["store_id", "created_at"], name="recommendations_by_store"),
            models.Index(fields=["customer_id", "created_at"], name="recommendations_by_customer"),
            models.Index(
                fields=["session"], name="recommendations_by_session", condition=~Q(session="")
            ),
            models.Index(
                fields=["experiment_id", "created_at"],
                name="recommendations_by_experiment",
                condition=Q(experiment_id__isnull=False),
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

        SHOWN = "shown", _("Shown")
        CLICKED = "clicked", _("Clicked")
        BOUGHT = "bought", _("Bought")

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    # No foreign key: it would have to include the partition key `created_at`.
    recommendation_id = models.UUIDField(db_comment="recommendation the outcome refers to")
    product_id = models.UUIDField(db_comment="recommended product")
    kind = models.CharField(max_length=7, choices=Kind, db_comment="shown, clicked or bought")
    session = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        db_comment="session in which the product was shown",
    )
    scenario = models.CharField(max_length=20, db_comment="scenario of the recommendation")
    store_id = models.UUIDField(null=True, db_comment="store")
    at = models.DateTimeField(db_default=Now(), db_comment="when it happened")

    class Meta:
        verbose_name_plural = "recommendation feedback"
        db_table = "recommendation_feedback"
        db_table_comment = "Outcomes of recommended products"
        constraints = [
            models.UniqueConstraint(
                fields=["recommendation_id", "product_id", "kind", "session"],
                name="recommendation_feedback_unique",
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
