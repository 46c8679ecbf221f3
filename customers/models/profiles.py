"""Customer profiles, consents and the access log of personal data."""

from uuid import uuid4

from django.contrib.postgres.fields import ArrayField, DecimalRangeField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from catalog.models import Store


class CustomerProfile(models.Model):
    """
    A customer, with the data that their consents allow (table `customer_profiles`).

    The `preferred_*` columns are the effective preferences: stated by the customer, else derived
    from purchases.
    """

    class VerificationMethod(models.TextChoices):
        """Method of age verification; the document itself is never stored."""

        IN_PERSON = "in_person", _("identification shown in the store")
        ACCOUNT = "account", _("verified account of the web shop")
        DELIVERY = "delivery", _("identification shown on delivery")

    id = models.UUIDField(
        primary_key=True, db_default=RandomUUID(), editable=False, db_comment="primary key"
    )
    external_customer_id = models.CharField(
        max_length=100, unique=True, db_comment="loyalty number or account"
    )
    preferred_thc_range = DecimalRangeField(
        null=True,
        blank=True,
        db_comment="preferred THC in percent: stated, else derived from purchases",
    )
    preferred_cbd_range = DecimalRangeField(
        null=True, blank=True, db_comment="preferred CBD in percent: stated, else derived"
    )
    preferred_strain_types = ArrayField(
        models.TextField(),
        null=True,
        blank=True,
        db_comment="preferred strain types: stated, else derived",
    )
    purchase_frequency = models.IntegerField(
        null=True, blank=True, db_comment="orders in the last 90 days"
    )
    avg_spending = models.DecimalField(
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        db_comment="dollars per order, last 12 months",
    )
    created_at = models.DateTimeField(
        db_default=Now(), null=True, db_comment="when the row was created"
    )
    updated_at = models.DateTimeField(
        db_default=Now(), null=True, db_comment="when the row was last changed"
    )

    province = models.CharField(
        max_length=2, blank=True, default="", db_default="", db_comment="province of residence"
    )
    language = models.CharField(
        max_length=2,
        choices=[("en", "English"), ("fr", "français")],
        default="en",
        db_default="en",
        db_comment="en or fr",
    )
    store = models.ForeignKey(
        Store,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_comment="home store",
    )
    is_age_verified = models.BooleanField(
        default=False, db_default=False, db_comment="whether a proof of age was shown"
    )
    verification_method = models.CharField(
        max_length=10,
        choices=VerificationMethod,
        blank=True,
        default="",
        db_default="",
        db_comment="how the age was verified",
    )
    age_verified_at = models.DateTimeField(
        null=True, blank=True, db_comment="when the age was verified"
    )
    verified_age = models.PositiveSmallIntegerField(
        null=True, blank=True, db_comment="minimum age that was shown"
    )
    preferred_price_range = DecimalRangeField(
        null=True, blank=True, db_comment="dollars per product"
    )
    stated_preferences = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        db_comment="preferences stated by the customer",
    )
    derived_preferences = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        db_comment="preferences derived from purchases",
    )
    is_due = models.BooleanField(
        default=False,
        db_default=False,
        db_comment="purchases or consents since the preferences were derived",
    )
    is_synthetic = models.BooleanField(
        default=False, db_default=False, db_comment="synthetic customer of the demonstration"
    )

    class Meta:
        db_table = "customer_profiles"
        db_table_comment = "Customers, with what their consents allow to be stored"
        ordering = ("-created_at",)
        indexes = [
            models.Index(fields=["-created_at", "id"], name="customer_profiles_newest"),
            models.Index(
                fields=["id"], name="customer_profiles_due", condition=models.Q(is_due=True)
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ConsentText(models.Model):
    """A version of the text of a purpose (table `consent_texts`); rows are never changed."""

    class Purpose(models.TextChoices):
        """Purpose of a consent."""

        HISTORY = "history", _("keep what I buy and look at under my name")
        PROFILING = "profiling", _("suggest products by my history")
        CHAT = "chat", _("keep my conversations")
        MARKETING = "marketing", _("send me news")
        FACE_VERIFICATION = "face_verification", _("recognize my face when I say who I am")
        FACE_IDENTIFICATION = "face_identification", _("recognize me by my face")

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    purpose = models.CharField(
        max_length=30,
        choices=Purpose,
        db_comment="history, profiling, chat, marketing, face_verification or face_identification",
    )
    version = models.CharField(max_length=20, db_comment="version of the text")
    text_en = models.TextField("English text", db_comment="English text")
    text_fr = models.TextField("French text", db_comment="French text")
    created_at = models.DateTimeField(db_default=Now(), db_comment="when the row was created")

    class Meta:
        db_table = "consent_texts"
        db_table_comment = "Versions of consent texts; rows are never changed"
        ordering = ("purpose", "-created_at")
        constraints = [
            models.UniqueConstraint(fields=["purpose", "version"], name="consent_texts_unique")
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version}"


class Consent(models.Model):
    """A customer's consent to a version of a consent text (table `consents`)."""

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    customer = models.ForeignKey(
        CustomerProfile,
        on_delete=models.CASCADE,
        related_name="consents",
        db_comment="customer who agreed",
    )
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, db_comment="text agreed to")
    purpose = models.CharField(
        max_length=30, choices=ConsentText.Purpose, db_comment="purpose, as in the text"
    )
    language = models.CharField(max_length=2, db_comment="language of the text that was shown")
    given_at = models.DateTimeField(db_default=Now(), db_comment="when it was given")
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, db_comment="when it was withdrawn; NULL: open"
    )
    channel = models.CharField(
        max_length=30, blank=True, db_comment="where it was given, for example till"
    )

    class Meta:
        db_table = "consents"
        db_table_comment = "Consents of customers to versions of consent texts"
        ordering = ("-given_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "purpose"],
                condition=models.Q(withdrawn_at=None),
                name="consents_one_active",
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of {self.customer_id}"


class PersonalAccess(models.Model):
    """An entry of the access log of personal data (table `personal_access`), without contents."""

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    customer_id = models.UUIDField(db_comment="customer whose data was read or changed")
    actor = models.CharField(max_length=150, db_comment="user:NAME or key:PREFIX")
    action = models.CharField(max_length=50, db_comment="for example profile.read")
    accessed_at = models.DateTimeField(db_default=Now(), db_comment="when it was accessed")

    class Meta:
        db_table = "personal_access"
        db_table_comment = "Access log of personal data, without contents"
        ordering = ("-accessed_at",)
        indexes = [
            models.Index(fields=["customer_id", "-accessed_at"], name="personal_access_by_customer")
        ]
        verbose_name_plural = "personal access"

    def __str__(self) -> str:
        return f"{self.actor} {self.action}"
