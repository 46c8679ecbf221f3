"""Product list of the console: saved views, and the columns that a user has chosen."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from config.models import SavedView


class ProductView(SavedView):
    """A named search, filter and order of the product list (table `product_views`)."""

    class Meta(SavedView.Meta):
        db_table = "product_views"
        db_table_comment = "Searches and filters of the product list that staff have saved"
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="product_views_unique")
        ]


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
