"""Models of search: word frequencies and boost weights."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now


def _share(help_text: str) -> models.FloatField:
    return models.FloatField(
        default=0, validators=[MinValueValidator(0), MaxValueValidator(1)], help_text=help_text
    )


class SearchWord(models.Model):
    """A word of product names, for word rarity and spelling correction (table `search_words`)."""

    word = models.CharField(primary_key=True, max_length=100)
    documents = models.IntegerField(
        db_comment="number of products with the word; for the empty word: of all products"
    )

    class Meta:
        db_table = "search_words"
        indexes = [
            GinIndex(fields=["word"], opclasses=["gin_trgm_ops"], name="search_words_spelling")
        ]

    def __str__(self) -> str:
        return self.word


class SearchWeights(models.Model):
    """
    Boost weights of stock, margin and freshness in search results (table `search_weights`).

    The newest row applies.
    """

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    stock = _share("0 to 1: boost of products in stock.")
    margin = _share("0 to 1: boost of products with a high margin.")
    freshness = _share("0 to 1: boost of products new in the catalogue.")
    note = models.TextField(
        help_text="Reason. For a margin boost, also confirm that no supplier pays for it."
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", editable=False
    )
    set_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "search_weights"
        ordering = ("-set_at",)
        get_latest_by = "set_at"
        verbose_name_plural = "search weights"

    def __str__(self) -> str:
        return f"stock {self.stock:g}, margin {self.margin:g}, freshness {self.freshness:g}"
