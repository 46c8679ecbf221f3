"""Catalogue sources: suppliers and lists that the catalogue is fetched from."""

from django.core.files.storage import default_storage
from django.core.validators import FileExtensionValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.crypto import key_ring


class CatalogSource(models.Model):
    """A source that staff can enable, schedule and run (table `catalog_sources`)."""

    class Kind(models.TextChoices):
        """How the data are fetched."""

        SITE = "site", _("supplier website")
        SHEET = "sheet", _("CSV or Excel file")

    class ContentKind(models.TextChoices):
        """Kind of record that a source contains."""

        PRODUCTS = "products", _("products")
        LICENCES = "licences", _("licence holders")

    class Authentication(models.TextChoices):
        """Authentication sent with every request."""

        NONE = "none", _("none")
        BASIC = "basic", _("name and password")
        BEARER = "bearer", _("bearer token")
        HEADER = "header", _("custom header")

    code = models.SlugField(
        max_length=50, primary_key=True, db_comment="short name used in commands and rows"
    )
    label = models.CharField(max_length=100, db_comment="name shown to staff")
    kind = models.CharField(
        max_length=10,
        choices=Kind,
        default=Kind.SITE,
        editable=False,
        db_comment="connector: built-in, or a list in CSV or Excel",
    )
    is_enabled = models.BooleanField(
        default=False,
        help_text="Only enabled sources take part in the daily sync.",
        db_comment="whether scheduled syncs include it",
    )
    schedule = models.ForeignKey(
        "django_celery_beat.CrontabSchedule",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        help_text="Empty: the daily sync of all sources.",
        db_comment="schedule; NULL: the daily sync",
    )
    base_url = models.URLField(
        "address",
        blank=True,
        help_text="Empty: the source's default address, or the file below.",
        db_comment="address; empty: the built-in one",
    )
    authentication = models.CharField(
        max_length=10,
        choices=Authentication,
        default=Authentication.NONE,
        db_comment="how requests authenticate",
    )
    authentication_name = models.CharField(
        max_length=100,
        blank=True,
        help_text="User name, or name of the header.",
        db_comment="header, parameter or user name of the authentication",
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
        db_comment="rate limit of requests to the source",
    )

    max_gone_percent = models.PositiveSmallIntegerField(
        default=20,
        validators=[MaxValueValidator(100)],
        help_text=(
            "A run stops when more listings than this would be gone. Not applied to a source with"
            " fewer than 10 listings."
        ),
        db_comment="share of listings that may disappear before a run stops",
    )
    max_price_jump_percent = models.PositiveSmallIntegerField(
        default=10,
        validators=[MaxValueValidator(100)],
        help_text=(
            "A run stops when more prices than this change by more than half. In a source with"
            " fewer than 10 listings, one price alone does not stop it."
        ),
        db_comment="share of prices that may jump before a run stops",
    )

    file = models.FileField(
        upload_to="sheets",
        storage=default_storage,
        blank=True,
        validators=[FileExtensionValidator(["csv", "tsv", "txt", "xlsx", "xlsm"])],
        help_text="Read when no address is given.",
        db_comment="uploaded list",
    )
    content_kind = models.CharField(
        max_length=10,
        choices=ContentKind,
        default=ContentKind.PRODUCTS,
        db_comment="products or licences",
    )
    mapping = models.JSONField(
        default=dict,
        blank=True,
        help_text="Column mapping.",
        db_comment="columns, defaults, units and spellings of a list",
    )

    newest_event_at = models.DateTimeField(
        null=True,
        editable=False,
        db_comment="newest time in the data, or time of their last change",
    )

    class Meta:
        db_table = "catalog_sources"
        db_table_comment = "Suppliers and lists that staff can enable, schedule and run"
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
