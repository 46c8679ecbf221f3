"""Encrypted face templates and their salts."""

from uuid import uuid4

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now

from biometrics.fields import EncryptedTemplateField
from customers.models import Consent, ConsentText


class FacePurpose(models.TextChoices):
    """Purpose of a template; each has a separate consent."""

    VERIFICATION = (
        ConsentText.Purpose.FACE_VERIFICATION.value,
        ConsentText.Purpose.FACE_VERIFICATION.label,
    )
    IDENTIFICATION = (
        ConsentText.Purpose.FACE_IDENTIFICATION.value,
        ConsentText.Purpose.FACE_IDENTIFICATION.label,
    )


class CustomerBiometric(models.Model):
    """
    An encrypted face template with its consent and expiry (table `customer_biometrics`).

    There is one for each consent. Rows are replaced, never edited, except by the rotation of keys.
    """

    # Generated in Python as well: the token is bound to it.
    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    customer = models.ForeignKey(
        "customers.CustomerProfile",
        on_delete=models.CASCADE,
        null=True,
        related_name="face_templates",
        db_comment="customer",
    )
    encrypted_template = EncryptedTemplateField(db_comment="template, encrypted")
    confidence_score = models.DecimalField(
        max_digits=5, decimal_places=4, null=True, db_comment="quality of the enrolment, 0 to 1"
    )
    created_at = models.DateTimeField(
        db_default=Now(), null=True, db_comment="when the row was created"
    )
    expires_at = models.DateTimeField(null=True, db_comment="when the template must be deleted")
    consent = models.ForeignKey(
        Consent,
        on_delete=models.CASCADE,
        related_name="+",
        db_comment="consent that covers the template",
    )
    purpose = models.CharField(
        max_length=30,
        choices=FacePurpose,
        db_comment="face_verification or face_identification, as in the consent",
    )
    model = models.CharField(max_length=50, db_comment="model that computed the embedding")
    template_version = models.SmallIntegerField(db_comment="version of the format of the token")
    key_id = models.CharField(max_length=50, db_comment="id of the master key in the key ring")
    province = models.CharField(max_length=2, db_comment="province whose settings apply")
    store_group = models.CharField(
        max_length=50, db_comment="stores in which the customer can be recognized"
    )
    reminded_at = models.DateTimeField(
        null=True, db_comment="when the event of its coming expiry was enqueued"
    )

    class Meta:
        db_table = "customer_biometrics"
        db_table_comment = "Encrypted face templates"
        ordering = ("-created_at",)
        verbose_name = "face template"
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "purpose"], name="customer_biometrics_one_per_purpose"
            ),
            models.CheckConstraint(
                condition=models.Q(customer__isnull=False, expires_at__isnull=False),
                name="customer_biometrics_complete",
            ),
        ]
        indexes = [
            models.Index(
                fields=["province", "store_group", "purpose"], name="customer_biometrics_group"
            ),
            models.Index(fields=["expires_at"], name="customer_biometrics_expiry"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class TemplateSalt(models.Model):
    """
    The salt of a template's key (table `biometric_salts`).

    In a separate table, which dumps leave out: a template whose salt is deleted cannot be decrypted
    in an older dump either.
    """

    template = models.OneToOneField(
        CustomerBiometric,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="salt",
        db_comment="template that it belongs to",
    )
    value = models.BinaryField(max_length=32, db_comment="32 random bytes")

    class Meta:
        db_table = "biometric_salts"
        db_table_comment = "Salts of the keys of face templates; excluded from dumps"
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.template_id)
