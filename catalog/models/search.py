"""What search needs beside the products: the words they are named by, and what staff weigh."""

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
    """A word that products are named by, for telling rare words and mending misspelled ones (table `search_words`)."""

    word = models.CharField(primary_key=True, max_length=100)
    documents = models.IntegerField(
        db_comment="products with the word; of the empty word: products in all"
    )

    class Meta:
        db_table = "search_words"
        indexes = [
            GinIndex(fields=["word"], opclasses=["gin_trgm_ops"], name="search_words_spelling")
        ]

    def __str__(self) -> str:
        return self.word


class SearchWeights(models.Model):
    """How much stock, margin and novelty count in the order of answers; the newest row holds (table `search_weights`)."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    stock = _share("0 to 1: how far what is in stock rises above what is not")
    margin = _share("0 to 1: how far a high margin lifts a product")
    freshness = _share("0 to 1: how far a product new in the catalogue rises")
    note = models.TextField(
        help_text="Why; a note that nobody pays for it is due where it lifts products for money's sake."
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
