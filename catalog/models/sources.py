"""Catalogue sources: suppliers and lists that the catalogue is fetched from."""

from django.core.files.storage import default_storage
from django.core.validators import FileExtensionValidator, MaxValueValidator, MinValueValidator
from django.db import models

from config.crypto import key_ring


class CatalogSource(models.Model):
    """A source that staff can enable, schedule and run (table `catalog_sources`)."""

    class Kind(models.TextChoices):
        """How the data are fetched."""

        SITE = "site", "a supplier's web site"
        SHEET = "sheet", "a list of rows: CSV or Excel"

    class ContentKind(models.TextChoices):
        """Kind of record that a source contains."""

        PRODUCTS = "products", "products"
        LICENCES = "licences", "licence holders"

    class Authentication(models.TextChoices):
        """Authentication sent with every request."""

        NONE = "none", "none"
        BASIC = "basic", "name and password"
        BEARER = "bearer", "bearer token"
        HEADER = "header", "custom header"

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
        help_text="Empty: the daily sync of all sources.",
    )
    base_url = models.URLField(
        "address", blank=True, help_text="Empty: the source's default address, or the file below."
    )
    authentication = models.CharField(
        max_length=10, choices=Authentication, default=Authentication.NONE
    )
    authentication_name = models.CharField(
        max_length=100, blank=True, help_text="User name, or name of the header."
    )
    sealed_secret = models.BinaryField(
        null=True, blank=True, editable=False, db_comment="AES-GCM by the key ring"
    )
    requests_per_second = models.DecimalField(
        max_digits=6,
        decimal_places=2,
        default=5,
        validators=[MinValueValidator(0.01)],
        help_text="Maximum number of requests per second.",
    )

    max_gone_percent = models.PositiveSmallIntegerField(
        default=20,
        validators=[MaxValueValidator(100)],
        help_text="A run stops when more listings than this would be gone.",
    )
    max_price_jump_percent = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(100)],
        help_text="A run stops when more prices than this change by more than half.",
    )

    file = models.FileField(
        upload_to="sheets",
        storage=default_storage,
        blank=True,
        validators=[FileExtensionValidator(["csv", "tsv", "txt", "xlsx", "xlsm"])],
        help_text="Read when no address is given.",
    )
    content_kind = models.CharField(
        max_length=10, choices=ContentKind, default=ContentKind.PRODUCTS
    )
    mapping = models.JSONField(default=dict, blank=True, help_text="Column mapping.")

    newest_event_at = models.DateTimeField(
        null=True,
        editable=False,
        db_comment="newest time in the data, or time of their last change",
    )

    class Meta:
        db_table = "catalog_sources"
        verbose_name = "source"

    def __str__(self) -> str:
        return self.label

    @property
    def secret(self) -> str:
        """Password or token; "": none. Raises TokenRefused: its key was removed from the ring."""
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
