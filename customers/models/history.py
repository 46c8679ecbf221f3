"""Purchases and interactions; a row without a customer has no consent `history`."""

from uuid import uuid4

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from catalog.models import Product, Store
from customers.models.profiles import CustomerProfile


class Purchase(models.Model):
    """One line of a receipt (table `purchases`)."""

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    event_id = models.UUIDField(db_comment="purchase event")
    line = models.SmallIntegerField(db_comment="index on the receipt, from 0")
    order_id = models.CharField(max_length=100, db_comment="order or receipt number of the store")
    customer = models.ForeignKey(
        CustomerProfile,
        on_delete=models.CASCADE,
        null=True,
        related_name="purchases",
        db_comment="customer; NULL: anonymous",
    )
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, null=True, related_name="+", db_comment="store"
    )
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="+", db_comment="product bought"
    )
    quantity = models.IntegerField(db_comment="units bought; negative for returns")
    unit_price = models.DecimalField(
        max_digits=10, decimal_places=2, db_comment="price per unit in Canadian dollars"
    )
    purchased_at = models.DateTimeField(db_comment="when it was bought")

    class Meta:
        db_table = "purchases"
        db_table_comment = "Lines of receipts"
        ordering = ("-purchased_at",)
        constraints = [
            models.UniqueConstraint(fields=["event_id", "line"], name="purchases_unique")
        ]
        indexes = [
            models.Index(fields=["customer", "-purchased_at"], name="purchases_by_customer"),
            models.Index(fields=["store", "-purchased_at"], name="purchases_by_store"),
            models.Index(fields=["order_id", "line"], name="purchases_by_order"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.product_id}"


class Interaction(models.Model):
    """A view, a basket change, a like or a dislike (table `interactions`)."""

    class Kind(models.TextChoices):
        """Type of an interaction."""

        VIEW = "view", _("View")
        BASKET_ADD = "basket_add", _("Basket Add")
        BASKET_REMOVE = "basket_remove", _("Basket Remove")
        LIKE = "like", _("Like")
        DISLIKE = "dislike", _("Dislike")

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        editable=False,
        db_comment="id of the interaction event",
    )
    kind = models.CharField(
        max_length=13, choices=Kind, db_comment="view, basket_add, basket_remove, like or dislike"
    )
    customer = models.ForeignKey(
        CustomerProfile,
        on_delete=models.CASCADE,
        null=True,
        related_name="interactions",
        db_comment="customer; NULL: anonymous",
    )
    session = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        db_comment="session of the web shop or kiosk",
    )
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, null=True, related_name="+", db_comment="store"
    )
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, related_name="+", db_comment="product"
    )
    quantity = models.IntegerField(
        null=True, db_comment="units added to or removed from the basket"
    )
    occurred_at = models.DateTimeField(db_default=Now(), db_comment="when it happened")

    class Meta:
        db_table = "interactions"
        db_table_comment = "Views, basket changes, likes and dislikes"
        ordering = ("-occurred_at",)
        indexes = [
            models.Index(fields=["customer", "-occurred_at"], name="interactions_by_customer"),
            models.Index(fields=["session", "-occurred_at"], name="interactions_by_session"),
            models.Index(fields=["-occurred_at"], name="interactions_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.product_id}"
