"""Strains imported by operators, in addition to the reference tables."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Value
from django.db.models.functions import Now


class ImportedStrain(models.Model):
    """A strain of an imported file (table `imported_strains`)."""

    key = models.CharField(
        max_length=100, primary_key=True, db_comment="name in lower-case letters and digits"
    )
    name = models.CharField(max_length=100, db_comment="name of the strain")
    aliases = ArrayField(
        models.CharField(max_length=100),
        default=list,
        db_default=Value("{}"),
        db_comment="other names",
    )
    strain_type = models.CharField(
        max_length=20, null=True, blank=True, db_comment="indica, sativa or hybrid"
    )
    terpenes = ArrayField(
        models.CharField(max_length=40),
        default=list,
        db_default=Value("{}"),
        db_comment="terpenes, the most abundant first",
    )
    parents = ArrayField(
        models.CharField(max_length=100), default=list, db_default=Value("{}"), db_comment="parents"
    )
    effects = ArrayField(
        models.CharField(max_length=40),
        default=list,
        db_default=Value("{}"),
        db_comment="reported effects; for staff only",
    )
    source = models.CharField(
        max_length=200, db_comment="name of the file, as given by the operator"
    )
    imported_at = models.DateTimeField(db_default=Now(), db_comment="when it was imported")

    class Meta:
        db_table = "imported_strains"
        db_table_comment = "Strains from a file that an operator imported"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
