"""What is recommended where, by which rules, what was answered, and what became of it."""

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
    """A named recommendation (table `recommendation_scenarios`): where from products come, and how they are mixed."""

    class Name(models.TextChoices):
        """Where it is shown."""

        HOME = "home", "home page"
        PRODUCT = "product", "product page"
        SUBSTITUTE = "substitute", "in place of what is sold out"
        BASKET = "basket", "with a basket"
        LOOKUP = "lookup", "staff look-up"

    name = models.CharField(primary_key=True, max_length=20, choices=Name, editable=False)
    title_en = models.CharField("English title", max_length=80)
    title_fr = models.CharField("French title", max_length=80)
    is_active = models.BooleanField(
        default=True, help_text="off: clients get no products, and are told why"
    )
    again = _weight("what the person bought before", 0)
    alike = _weight(
        "what is bought together with what they bought, look at, or have in the basket", 0
    )
    taste = _weight("what is near, by meaning and facts, to what they like or look at", 0)
    popular = _weight("what sells in the store", 0)
    new = _weight("what has come to the catalogue lately", 0)
    diversity = models.FloatField(
        default=0.2,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="0: by score alone; 1: no brand or kind follows itself while there is another",
    )
    most_of_a_brand = models.PositiveSmallIntegerField(
        default=4,
        validators=[MinValueValidator(1), MaxValueValidator(50)],
        help_text="in one answer",
    )
    is_same_category = models.BooleanField(
        "same category alone",
        default=False,
        help_text="only products of the category of what is looked at",
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


class Rule(models.Model):
    """
    What staff decide of products in recommendations, from when to when (table `recommendation_rules`).

    It holds for products that meet everything it names, in every place that it does not leave out.
    """

    class Deed(models.TextChoices):
        """What it does."""

        HIDE = "hide", "hide: recommend nowhere it holds"
        RAISE = "raise", "raise in the order"
        LOWER = "lower", "lower in the order"

    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=100, unique=True)
    deed = models.CharField(max_length=5, choices=Deed)
    strength = models.FloatField(
        default=0.5,
        validators=[MinValueValidator(0.05), MaxValueValidator(1)],
        help_text="raise: score × (1 + strength); lower: score × (1 − strength); all that meet together × 0.1 to × 3",
    )
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    brand = models.CharField(max_length=100, blank=True, default="", db_default="")
    category = models.CharField(max_length=40, blank=True, default="", db_default="")
    strain_type = models.CharField(max_length=20, blank=True, default="", db_default="")
    least_thc = models.DecimalField(
        "THC from, percent",
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        help_text="products whose label reaches this; a label without THC is not meant",
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
        default=None, null=True, blank=True, help_text="empty: holds already"
    )
    ends_at = models.DateTimeField(null=True, blank=True, help_text="empty: until somebody ends it")
    reason = models.TextField(help_text="why; shown wherever the rule shows")
    unpaid_note = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="of what raises products: that nobody pays for it, and how you know (promotion for money is not allowed)",
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
                condition=~Q(deed="raise") | ~Q(unpaid_note=""),
                name="recommendation_rules_unpaid",
                violation_error_message="What raises products needs a note that nobody pays for it.",
            ),
            models.CheckConstraint(
                condition=Q(starts_at=None) | Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="recommendation_rules_in_time",
                violation_error_message="It must end after it starts.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a rule that names no product at all: it would hide or raise everything."""
        named = (self.product_id, self.brand, self.category, self.strain_type)
        if not any(named) and self.least_thc is None:
            raise ValidationError(
                "Say which products: one, or a brand, category, strain type or THC."
            )


class ProductNeighbor(models.Model):
    """A product that is bought by those who buy another (table `product_neighbors`); counted anew by the clock."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+", db_index=False)
    neighbor = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(db_comment="cosine over buyers of 90 days, shrunk; 0 to 1")
    buyers = models.IntegerField(db_comment="different ones who bought both")

    class Meta:
        db_table = "product_neighbors"
        constraints = [
            models.UniqueConstraint(fields=["product", "neighbor"], name="product_neighbors_once")
        ]

    def __str__(self) -> str:
        return f"{self.product_id} with {self.neighbor_id}"


class ProductPopularity(models.Model):
    """How a product sells in a store, and in all of them (table `product_popularity`); counted anew by the clock."""

    store = models.ForeignKey(
        Store,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        db_index=False,
        db_comment="null: all",
    )
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    score = models.FloatField(
        db_comment="orders, the recent ones counting more, of the best seller's; 0 to 1"
    )
    orders = models.IntegerField(db_comment="orders with it in 180 days")
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


class ProductHabit(models.Model):
    """How often a product is bought by who buys it (table `product_habits`); counted anew by the clock."""

    product = models.OneToOneField(
        Product, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    repeats = models.FloatField(
        db_comment="orders of it that a buyer has in a year, shrunk; 1 and above"
    )
    buyers = models.IntegerField(db_comment="different ones, of those who agreed to be profiled")

    class Meta:
        db_table = "product_habits"

    def __str__(self) -> str:
        return f"{self.product_id}: {self.repeats:.2f}"


class ShopHabits(models.Model):
    """What all customers together are like (table `shop_habits`); counted by the clock, the newest holds."""

    counted_at = models.DateTimeField(db_default=Now())
    repeats = models.IntegerField(
        help_text="purchases of 14 days of what the buyer had bought before"
    )
    foretold = models.IntegerField(
        help_text="purchases of what was new to the buyer and near to what they had"
    )
    odds = models.FloatField(
        help_text="foretold for each repeat, shrunk: how much what is alike counts"
    )
    shares = models.JSONField(
        default=dict, help_text="of all that was sold, by category and strain type"
    )

    class Meta:
        db_table = "shop_habits"
        ordering = ("-counted_at", "-id")
        verbose_name_plural = "shop habits"

    def __str__(self) -> str:
        return f"{self.counted_at:%Y-%m-%d %H:%M}: {self.odds:.2f}"


class Recommendation(PostgresPartitionedModel):
    """
    An answer that was made, for later evaluation, by month (table `recommendations`).

    Whose it was is noted only of those who agreed that their history is kept. One answer may be shown in many visits while
    it is cached; feedback tells in how many.
    """

    pk = models.CompositePrimaryKey("id", "made_at")
    id = models.UUIDField(default=uuid4, db_default=RandomUUID(), editable=False)  # type: ignore[assignment]  # there: a number
    made_at = models.DateTimeField(db_default=Now())
    scenario = models.CharField(max_length=20)
    # No foreign keys: an answer outlives what it was about.
    customer_id = models.UUIDField(null=True)
    session = models.CharField(max_length=100, blank=True, default="", db_default="")
    store_id = models.UUIDField(null=True)
    model_version = models.CharField(max_length=60)
    fallback_level = models.SmallIntegerField(default=0, db_default=0)
    products = ArrayField(models.UUIDField(), default=list, db_comment="in their order")

    class Meta:
        db_table = "recommendations"
        indexes = [
            models.Index(fields=["store_id", "made_at"], name="recommendations_of_store"),
            models.Index(fields=["customer_id", "made_at"], name="recommendations_of_customer"),
            models.Index(
                fields=["session"], name="recommendations_of_session", condition=~Q(session="")
            ),
        ]

    class PartitioningMeta:
        method = PostgresPartitioningMethod.RANGE
        key = ["made_at"]

    def __str__(self) -> str:
        return str(self.pk)


class RecommendationFeedback(models.Model):
    """What became of a recommended product (table `recommendation_feedback`)."""

    class Kind(models.TextChoices):
        """What was done with it."""

        SHOWN = "shown"
        CLICKED = "clicked"
        BOUGHT = "bought"

    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    # No foreign key: it would have to name the partition's key.
    recommendation_id = models.UUIDField()
    product_id = models.UUIDField()
    kind = models.CharField(max_length=7, choices=Kind)
    session = models.CharField(
        max_length=100, blank=True, default="", db_default="", db_comment="visit it was shown in"
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
