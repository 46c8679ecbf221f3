"""Strains that an operator has imported beside those that ship."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now


class ImportedStrain(models.Model):
    """What a file of an operator says of a strain (table `imported_strains`)."""

    key = models.CharField(
        max_length=100, primary_key=True, db_comment="the name in lower-case letters and digits"
    )
    name = models.CharField(max_length=100)
    aliases = ArrayField(models.CharField(max_length=100), default=list, db_default=Value("{}"))
    strain_type = models.CharField(max_length=20, null=True, blank=True)
    terpenes = ArrayField(models.CharField(max_length=40), default=list, db_default=Value("{}"))
    parents = ArrayField(models.CharField(max_length=100), default=list, db_default=Value("{}"))
    effects = ArrayField(models.CharField(max_length=40), default=list, db_default=Value("{}"))
    source = models.CharField(max_length=200, db_comment="the file, as the operator named it")
    imported_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "imported_strains"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
