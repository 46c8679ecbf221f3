"""Who a person is to us, what they agreed to, and who looked."""

from uuid import uuid4

from django.contrib.postgres.fields import ArrayField, DecimalRangeField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from catalog.models import Store


class CustomerProfile(models.Model):
    """
    What we know of a person, as far as they agreed (table `customer_profiles`).

    The preferred_* columns are what holds: what the person stated, else what was derived from purchases.
    """

    class AgeProof(models.TextChoices):
        """What showed that the person is of age; the document itself is never kept."""

        IN_PERSON = "in-person", "identification shown in the store"
        ACCOUNT = "account", "verified account of the web shop"
        DELIVERY = "delivery", "identification shown on delivery"

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    external_customer_id = models.CharField(
        max_length=100, unique=True, db_comment="loyalty number or account"
    )
    preferred_thc_range = DecimalRangeField(null=True, blank=True)
    preferred_cbd_range = DecimalRangeField(null=True, blank=True)
    preferred_strain_types = ArrayField(models.TextField(), null=True, blank=True)
    purchase_frequency = models.IntegerField(
        null=True, blank=True, db_comment="orders in the last 90 days"
    )
    avg_spending = models.DecimalField(
        max_digits=10, decimal_places=2, null=True, blank=True, db_comment="dollars an order"
    )
    created_at = models.DateTimeField(db_default=Now(), null=True)
    updated_at = models.DateTimeField(db_default=Now(), null=True)

    province = models.CharField(max_length=2, blank=True, default="", db_default="")
    language = models.CharField(
        max_length=2, choices=[("en", "English"), ("fr", "français")], default="en", db_default="en"
    )
    store = models.ForeignKey(
        Store, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    is_age_verified = models.BooleanField(default=False, db_default=False)
    age_proof = models.CharField(
        max_length=10, choices=AgeProof, blank=True, default="", db_default=""
    )
    age_verified_at = models.DateTimeField(null=True, blank=True)
    proven_age = models.PositiveSmallIntegerField(
        null=True, blank=True, db_comment="least age that was shown"
    )
    preferred_price_range = DecimalRangeField(null=True, blank=True, db_comment="dollars a product")
    stated = models.JSONField(
        default=dict, db_default={}, blank=True, db_comment="preferences as the person told them"
    )
    derived = models.JSONField(
        default=dict, db_default={}, blank=True, db_comment="preferences as purchases tell them"
    )
    is_due = models.BooleanField(
        default=False, db_default=False, db_comment="bought since preferences were derived"
    )
    is_synthetic = models.BooleanField(
        default=False, db_default=False, db_comment="made up for a demonstration"
    )

    class Meta:
        db_table = "customer_profiles"
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
    """What people are asked, word by word, by version (table `consent_texts`); never changed once it is here."""

    class Purpose(models.TextChoices):
        """What a person agrees to."""

        HISTORY = "history", "keep what I buy and look at under my name"
        PROFILING = "profiling", "suggest products by my history"
        CHAT = "chat", "keep my conversations"
        MARKETING = "marketing", "send me news"

    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    purpose = models.CharField(max_length=10, choices=Purpose)
    version = models.CharField(max_length=20)
    text_en = models.TextField("English text")
    text_fr = models.TextField("French text")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "consent_texts"
        ordering = ("purpose", "-created_at")
        constraints = [
            models.UniqueConstraint(fields=["purpose", "version"], name="consent_texts_once")
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version}"


class Consent(models.Model):
    """That a person agreed to one purpose, to which text, when, and when they took it back (table `consents`)."""

    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    customer = models.ForeignKey(CustomerProfile, on_delete=models.CASCADE, related_name="consents")
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT)
    purpose = models.CharField(max_length=10, choices=ConsentText.Purpose)
    language = models.CharField(max_length=2, db_comment="in which the text was shown")
    given_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    channel = models.CharField(
        max_length=30, blank=True, db_comment="where it was given, for example till"
    )

    class Meta:
        db_table = "consents"
        ordering = ("-given_at",)
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "purpose"],
                condition=models.Q(withdrawn_at=None),
                name="consents_one_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of {self.customer_id}"


class PersonalAccess(models.Model):
    """Who read or changed what of whom (table `personal_access`); the person's own rows, not their contents."""

    id = models.UUIDField(primary_key=True, default=uuid4, db_default=RandomUUID(), editable=False)
    customer_id = models.UUIDField()
    actor = models.CharField(max_length=150, db_comment="user:NAME or key:PREFIX")
    action = models.CharField(max_length=50, db_comment="for example profile.read")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "personal_access"
        ordering = ("-at",)
        indexes = [models.Index(fields=["customer_id", "-at"], name="personal_access_of")]
        verbose_name_plural = "personal access"

    def __str__(self) -> str:
        return f"{self.actor} {self.action}"
