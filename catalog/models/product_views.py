"""Product list of the console: saved views, and the columns that a user has chosen."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class ProductView(models.Model):
    """A named search, filter and order of the product list (table `product_views`)."""

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    name = models.CharField(max_length=60, db_comment="name shown above the list")
    query = models.CharField(
        max_length=1000, db_comment="query string of the list, for example category=vapes"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_comment="user who saved it",
    )
    is_shared = models.BooleanField(
        default=False, db_default=False, db_comment="whether other users see it"
    )
    created_at = models.DateTimeField(db_default=Now(), db_comment="when it was saved")

    class Meta:
        db_table = "product_views"
        db_table_comment = "Searches and filters of the product list that staff have saved"
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="product_views_unique")
        ]

    def __str__(self) -> str:
        return self.name


class ProductColumnChoice(models.Model):
    """Columns of the product list for one user (table `product_column_choices`)."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_comment="user; without a row, the list has its default columns",
    )
    columns = ArrayField(
        models.CharField(max_length=40), db_comment="names of the columns, in their order"
    )

    class Meta:
        db_table = "product_column_choices"
        db_table_comment = "Columns of the product list that staff have chosen"

    def __str__(self) -> str:
        return ", ".join(self.columns)
