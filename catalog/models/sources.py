"""Suppliers of catalogue data."""

from django.core.validators import MaxValueValidator
from django.db import models


class CatalogSource(models.Model):
    """A supplier that staff can switch and run (table `catalog_sources`)."""

    code = models.CharField(max_length=50, primary_key=True)
    label = models.CharField(max_length=100)
    is_enabled = models.BooleanField(default=False, help_text="Only enabled sources take part in the daily sync.")
    base_url = models.URLField(blank=True, help_text="Empty: the source's own address.")

    most_gone_percent = models.PositiveSmallIntegerField(
        default=20,
        validators=[MaxValueValidator(100)],
        help_text="A run stops and asks when more of the listings than this would vanish.",
    )
    most_jumped_percent = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(100)],
        help_text="A run stops and asks when more of the prices than this change by more than half.",
    )

    class Meta:
        db_table = "catalog_sources"
        verbose_name = "source"

    def __str__(self) -> str:
        return self.label
