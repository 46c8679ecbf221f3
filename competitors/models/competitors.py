"""Competitors: shops whose menus are crawled, their locations and the state of their crawls."""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from catalog.reference.word_labels import province_choices
from config.crypto import key_ring

_PROVINCES = province_choices()


class CrawlStatus(models.TextChoices):
    """State of a competitor's crawls."""

    HEALTHY = "healthy", _("healthy")
    DEGRADED = "degraded", _("degraded")
    BLOCKED = "blocked", _("blocked")
    PAUSED = "paused", _("paused")


class Competitor(models.Model):
    """A shop, or a chain with one menu system (table `competitors`)."""

    class Platform(models.TextChoices):
        """Menu platform."""

        SHOPIFY = "shopify", _("Shopify")
        WOOCOMMERCE = "woocommerce", _("WooCommerce")
        DUTCHIE = "dutchie", _("Dutchie")
        JANE = "jane", _("Jane")
        WEEDMAPS = "weedmaps", _("Weedmaps")
        LEAFLY = "leafly", _("Leafly")
        SWEED = "sweed", _("Sweed")
        DISPENSE = "dispense", _("Dispense")
        STRUCTURED_DATA = "structured_data", _("structured data (schema.org)")
        SELECTORS = "selectors", _("selectors")

    # Generated in Python as well: console forms need the key before the row is saved.
    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    # Runs have "competitor:" and the code as their source, 50 characters at most.
    code = models.SlugField(
        max_length=39,
        unique=True,
        help_text="short name, for example high-street",
        db_comment="short name used in commands, runs and price_history",
    )
    name = models.CharField(max_length=100, db_comment="name of the shop or chain")
    platform = models.CharField(
        max_length=20, choices=Platform, db_comment="menu platform, which determines the parser"
    )
    base_url = models.URLField(
        "address",
        max_length=500,
        help_text="Address of the shop's site or menu.",
        db_comment="address of the site or menu",
    )
    options = models.JSONField(
        default=dict,
        blank=True,
        help_text="Settings of the platform, for example selectors.",
        db_comment="settings of the platform, for example ids or selectors",
    )
    sealed_api_key = models.BinaryField(
        null=True,
        blank=True,
        editable=False,
        db_comment="key of the platform's official API, AES-GCM by the key ring",
    )
    province = models.CharField(
        max_length=2,
        choices=_PROVINCES,
        db_comment="province, which determines tax and minimum prices",
    )
    language = models.CharField(
        max_length=2,
        choices=[("en", _("English")), ("fr", _("French"))],
        default="en",
        db_comment="language of the menu where it does not say",
    )
    is_tax_included = models.BooleanField(
        null=True,
        blank=True,
        db_comment="whether listed prices include tax where pages do not say; NULL: unknown",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_comment="member of staff who looks after it",
    )
    is_enabled = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Only enabled competitors are crawled by the schedule.",
        db_comment="whether scheduled crawls include it",
    )
    crawl_from = models.TimeField(
        null=True,
        blank=True,
        help_text="Empty: at any time.",
        db_comment="start of the daily crawl window, local time of the province",
    )
    crawl_until = models.TimeField(
        null=True, blank=True, db_comment="end of the daily crawl window, local time"
    )
    crawl_every_hours = models.PositiveSmallIntegerField(
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 7)],
        db_comment="hours from one crawl to the next",
    )
    requests_per_minute = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
        help_text="Upper limit; the shop's Crawl-delay may lower it.",
        db_comment="request budget per host and minute",
    )
    max_pages = models.PositiveIntegerField(
        default=2_000,
        validators=[MinValueValidator(1)],
        db_comment="pages fetched in one crawl at most",
    )

    status = models.CharField(
        max_length=10,
        choices=CrawlStatus,
        default=CrawlStatus.HEALTHY,
        editable=False,
        db_comment="healthy, degraded, blocked or paused",
    )
    status_reason = models.TextField(
        blank=True, editable=False, db_comment="why it is not healthy; empty: it is"
    )
    status_since = models.DateTimeField(
        db_default=Now(), editable=False, db_comment="when the status last changed"
    )
    failed_crawls = models.PositiveSmallIntegerField(
        default=0, editable=False, db_comment="consecutive crawls that failed"
    )
    next_crawl_at = models.DateTimeField(
        null=True, editable=False, db_comment="when the next crawl is due; NULL: now"
    )
    last_good_crawl_at = models.DateTimeField(
        null=True, editable=False, db_comment="end of the last complete, plausible crawl"
    )
    usual_offers = models.PositiveIntegerField(
        null=True, editable=False, db_comment="median number of offers of recent good crawls"
    )
    robots_allowed = models.BooleanField(
        null=True,
        editable=False,
        db_comment="whether robots.txt allows the menu; NULL: not read yet",
    )
    robots_reason = models.TextField(
        blank=True, editable=False, db_comment="rule or state of robots.txt that decided"
    )
    robots_read_at = models.DateTimeField(
        null=True, editable=False, db_comment="when robots.txt was last read"
    )
    crawl_delay_seconds = models.DecimalField(
        max_digits=7,
        decimal_places=2,
        null=True,
        editable=False,
        db_comment="Crawl-delay of robots.txt; NULL: none",
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, db_comment="when the row was created"
    )

    class Meta:
        db_table = "competitors"
        db_table_comment = "Shops whose menus are crawled"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def api_key(self) -> str:
        """Key of the official API; "": none. Raises TokenRefused: its key left the ring."""
        if self.sealed_api_key is None:
            return ""
        return key_ring().decrypt(bytes(self.sealed_api_key), context=self._context).decode()

    @api_key.setter
    def api_key(self, value: str) -> None:
        self.sealed_api_key = (
            key_ring().encrypt(value.encode(), context=self._context) if value else None
        )

    @property
    def _context(self) -> bytes:
        return f"competitors:{self.code}".encode()


class CompetitorLocation(models.Model):
    """A location of a competitor with its own menu or stock (table `competitor_locations`)."""

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    competitor = models.ForeignKey(
        Competitor, on_delete=models.CASCADE, related_name="locations", db_comment="shop or chain"
    )
    platform_id = models.CharField(
        max_length=200,
        blank=True,
        help_text="The platform's id of the location; empty: the shop has one menu.",
        db_comment="the platform's id of the location",
    )
    name = models.CharField(max_length=100, db_comment="name of the location")
    address = models.CharField(max_length=255, blank=True, db_comment="street address")
    province = models.CharField(
        max_length=2, choices=_PROVINCES, blank=True, db_comment="empty: as the competitor"
    )
    licence_number = models.CharField(
        max_length=200, blank=True, db_comment="licence number in the regulator's list"
    )
    is_enabled = models.BooleanField(
        default=True, db_default=True, db_comment="whether crawls include it"
    )

    class Meta:
        db_table = "competitor_locations"
        db_table_comment = "Locations of competitors"
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(
                fields=["competitor", "platform_id"], name="competitor_locations_unique"
            )
        ]

    def __str__(self) -> str:
        return self.name
