"""Models of search: word frequencies and boost weights."""

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now


def _share(help_text: str, db_comment: str) -> models.FloatField:
    return models.FloatField(
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text=help_text,
        db_comment=db_comment,
    )


class SearchWord(models.Model):
    """
    A word of product names, or a brand name of several words (table `search_words`).

    For word rarity, spelling correction and brand names in queries.
    """

    word = models.CharField(primary_key=True, max_length=100, db_comment="word, normalized")
    documents = models.IntegerField(
        db_comment="number of products with the word; for the empty word: of all products"
    )

    class Meta:
        db_table = "search_words"
        db_table_comment = "Vocabulary of product names, for word weights and spelling correction"
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

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    stock = _share("0 to 1: boost of products in stock.", "weight of being in stock")
    margin = _share("0 to 1: boost of products with a high margin.", "weight of the margin")
    freshness = _share("0 to 1: boost of products new in the catalogue.", "weight of newness")
    note = models.TextField(
        help_text="Reason. For a margin boost, also confirm that no supplier pays for it.",
        db_comment="note of the person who set them",
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        editable=False,
        db_comment="user who set them",
    )
    set_at = models.DateTimeField(db_default=Now(), editable=False, db_comment="when they were set")

    class Meta:
        db_table = "search_weights"
        db_table_comment = (
            "Boosts of search results by stock, margin and newness; the newest row applies"
        )
        ordering = ("-set_at",)
        get_latest_by = "set_at"
        verbose_name_plural = "search weights"

    def __str__(self) -> str:
        return f"stock {self.stock:g}, margin {self.margin:g}, freshness {self.freshness:g}"
