"""Suppliers of catalogue data."""

from django.core.files.storage import default_storage
from django.core.validators import FileExtensionValidator, MaxValueValidator, MinValueValidator
from django.db import models

from config.crypto import key_ring


class CatalogSource(models.Model):
    """A supplier that staff can switch, schedule and run (table `catalog_sources`)."""

    class Kind(models.TextChoices):
        """How its data are had."""

        SITE = "site", "a supplier's own interface"
        SHEET = "sheet", "a list of rows: CSV or Excel"

    class Holds(models.TextChoices):
        """What a row of a list is."""

        PRODUCTS = "products", "products"
        LICENCES = "licences", "holders of licences"

    class Authentication(models.TextChoices):
        """What a supplier wants to see with every request."""

        NONE = "none", "none"
        BASIC = "basic", "name and password"
        BEARER = "bearer", "bearer token"
        HEADER = "header", "a header of its own"

    code = models.SlugField(max_length=50, primary_key=True)
    label = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SITE, editable=False)
    is_enabled = models.BooleanField(
        default=False, help_text="Only enabled sources take part in the daily sync."
    )
    schedule = models.ForeignKey(
        "django_celery_beat.CrontabSchedule",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="Empty: with the daily sync of all sources.",
    )
    base_url = models.URLField(
        "address", blank=True, help_text="Empty: the source's own address, or the file below."
    )
    authentication = models.CharField(
        max_length=10, choices=Authentication, default=Authentication.NONE
    )
    authentication_name = models.CharField(
        max_length=100, blank=True, help_text="The user's, or the header's, name."
    )
    sealed_secret = models.BinaryField(
        null=True, blank=True, editable=False, db_comment="AES-GCM by the key ring"
    )
    requests_per_second = models.DecimalField(
        max_digits=6,
        decimal_places=2,
        default=5,
        validators=[MinValueValidator(0.01)],
        help_text="How many requests a second we allow ourselves.",
    )

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

    file = models.FileField(
        upload_to="sheets",
        storage=default_storage,
        blank=True,
        validators=[FileExtensionValidator(["csv", "tsv", "txt", "xlsx", "xlsm"])],
        help_text="Read where no address is given.",
    )
    holds = models.CharField(max_length=10, choices=Holds, default=Holds.PRODUCTS)
    mapping = models.JSONField(default=dict, blank=True, help_text="Which column says what.")

    newest_event_at = models.DateTimeField(
        null=True,
        editable=False,
        db_comment="newest time that the data themselves tell, or when they last differed",
    )

    class Meta:
        db_table = "catalog_sources"
        verbose_name = "source"

    def __str__(self) -> str:
        return self.label

    @property
    def secret(self) -> str:
        """The password or token; empty when there is none. Raises TokenRefused when its key has left the ring."""
        if self.sealed_secret is None:
            return ""
        return key_ring().decrypt(bytes(self.sealed_secret), context=self._context).decode()

    @secret.setter
    def secret(self, value: str) -> None:
        self.sealed_secret = (
            key_ring().encrypt(value.encode(), context=self._context) if value else None
        )

    @property
    def _context(self) -> bytes:
        return f"catalog_sources:{self.code}".encode()
