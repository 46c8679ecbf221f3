"""Stores, and what they have on their shelves."""

from uuid import uuid4

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from catalog.models.products import Product
from catalog.reference.provinces import PROVINCES


class ThisTransaction(models.Func):
    """The number of the transaction that writes, which snapshots tell of."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


class Store(models.Model):
    """A shop of ours (table `stores`)."""

    # Made here as well: the console's forms want the key of a store before it is saved.
    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    code = models.SlugField(
        max_length=50, unique=True, help_text="what clients name it by, for example queen-west"
    )
    name = models.CharField(max_length=100)
    province = models.CharField(
        max_length=2, choices=[(code, province.name_en) for code, province in PROVINCES.items()]
    )

    class Meta:
        db_table = "stores"
        ordering = ("name",)
        constraints = [
            # By it one tells what may be sold there, and to whom.
            models.CheckConstraint(
                condition=models.Q(province__in=sorted(PROVINCES)), name="stores_province"
            )
        ]

    def __str__(self) -> str:
        return self.name


class StoreStock(models.Model):
    """How many of a product a store has (table `store_stock`)."""

    # Made here as well: the console's forms want the key of a store before it is saved.
    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    store = models.ForeignKey(Store, on_delete=models.CASCADE, related_name="stock")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="stock")
    quantity = models.IntegerField()
    counted_at = models.DateTimeField(
        db_default=Now(), db_comment="when it was so; a later count is never overwritten"
    )
    came_in = models.BigIntegerField(
        db_default=ThisTransaction(),
        editable=False,
        db_comment="transaction by which it last came in where there was none; by trigger",
    )

    class Meta:
        db_table = "store_stock"
        constraints = [
            models.UniqueConstraint(fields=["store", "product"], name="store_stock_once"),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=0), name="store_stock_not_negative"
            ),
        ]
        indexes = [models.Index(fields=["store", "came_in"], name="store_stock_came_in")]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.product_id} in {self.store_id}"
