"""Stores and their stock."""

from uuid import uuid4

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from catalog.models.products import Product
from catalog.reference.provinces import PROVINCES
from catalog.reference.word_labels import province_choices


class Store(models.Model):
    """A store of the retailer (table `stores`)."""

    # Generated in Python as well: console forms need the key before the row is saved.
    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    code = models.SlugField(
        max_length=50,
        unique=True,
        help_text="identifier used by clients, for example queen-west",
        db_comment="code by which clients name the store",
    )
    name = models.CharField(max_length=100, db_comment="name of the store")
    province = models.CharField(
        max_length=2,
        choices=province_choices(),
        db_comment="province, which determines legal limits",
    )

    class Meta:
        db_table = "stores"
        db_table_comment = "Stores of the retailer"
        ordering = ("name",)
        constraints = [
            # The province determines what may be sold in the store, and the minimum age.
            models.CheckConstraint(
                condition=models.Q(province__in=sorted(PROVINCES)), name="stores_province"
            )
        ]

    def __str__(self) -> str:
        return self.name


class StoreStock(models.Model):
    """Units of a product in a store (table `store_stock`)."""

    # Generated in Python as well: console forms need the key before the row is saved.
    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    store = models.ForeignKey(
        Store, on_delete=models.CASCADE, related_name="stock", db_comment="store"
    )
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name="stock", db_comment="product"
    )
    quantity = models.IntegerField(db_comment="units on hand")
    reported_quantity = models.IntegerField(
        null=True,
        blank=True,
        editable=False,
        db_comment="negative number that the till reported instead; NULL: as in quantity",
    )
    counted_at = models.DateTimeField(
        db_default=Now(), db_comment="time of the count; a later count is never overwritten"
    )
    restocked_at = models.DateTimeField(
        db_default=Now(),
        editable=False,
        db_comment="time at which the quantity was last raised from 0; set by trigger",
    )

    class Meta:
        verbose_name_plural = "store stock"
        db_table = "store_stock"
        db_table_comment = "Quantity of a product in a store"
        constraints = [
            models.UniqueConstraint(fields=["store", "product"], name="store_stock_unique"),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=0), name="store_stock_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.product_id} in {self.store_id}"
