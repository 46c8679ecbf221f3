"""Settings of biometrics by province, and groups of stores."""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from catalog.models import Store
from catalog.reference.provinces import PROVINCES
from catalog.reference.word_labels import province_choices
from customers.models import ConsentText

MAX_RETENTION_DAYS = 730


class BiometricSettings(models.Model):
    """
    Whether and how biometrics is used in a province (table `biometric_settings`).

    A province without a row does not use it.
    """

    class Alternative(models.TextChoices):
        """How customers who do not consent are looked up, at the same conditions."""

        PHONE = "phone", _("phone number")
        CARD = "card", _("loyalty card")
        PHONE_OR_CARD = "phone_or_card", _("phone number or loyalty card")

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    province = models.CharField(
        max_length=2,
        unique=True,
        choices=province_choices(),
        db_comment="province that the settings apply to",
    )
    is_enabled = models.BooleanField(
        "enabled",
        default=False,
        db_default=False,
        db_comment="whether biometrics is used, provided that nothing is missing",
    )
    verification_text = models.ForeignKey(
        ConsentText,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        limit_choices_to={"purpose": ConsentText.Purpose.FACE_VERIFICATION},
        help_text="Empty: customers are not verified.",
        db_comment="purpose text of verification (1:1); NULL: not used",
    )
    identification_text = models.ForeignKey(
        ConsentText,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        limit_choices_to={"purpose": ConsentText.Purpose.FACE_IDENTIFICATION},
        help_text="Empty: customers are not identified. Verification is less intrusive.",
        db_comment="purpose text of identification (1:N); NULL: not used",
    )
    alternative = models.CharField(
        "equal alternative",
        max_length=20,
        blank=True,
        default="",
        db_default="",
        choices=Alternative,
        help_text="How customers who do not consent are served, without any disadvantage.",
        db_comment="phone, card or phone_or_card; empty: not decided",
    )
    retention_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_RETENTION_DAYS)],
        help_text="Templates are deleted this many days after the enrolment.",
        db_comment="days from enrolment to deletion; NULL: not decided",
    )
    declaration_number = models.CharField(
        max_length=50,
        blank=True,
        default="",
        db_default="",
        help_text="Quebec: number of the declaration to the Commission d'accès à l'information.",
        db_comment="Quebec: number of the declaration to the regulator (C-1.1, ss. 44 and 45)",
    )
    declared_on = models.DateField(
        null=True,
        blank=True,
        help_text="Quebec: date of the declaration, at least 60 days ago.",
        db_comment="Quebec: date of the declaration",
    )
    updated_at = models.DateTimeField(db_default=Now(), db_comment="when the row was last changed")
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_comment="member of staff who last changed it",
    )

    class Meta:
        db_table = "biometric_settings"
        db_table_comment = "Whether and how biometrics is used, by province"
        ordering = ("province",)
        verbose_name = verbose_name_plural = "biometric settings"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(province__in=sorted(PROVINCES)),
                name="biometric_settings_province",
            ),
            models.CheckConstraint(
                condition=models.Q(retention_days=None)
                | models.Q(retention_days__gte=1, retention_days__lte=MAX_RETENTION_DAYS),
                name="biometric_settings_retention",
            ),
        ]

    def __str__(self) -> str:
        return self.get_province_display()


class StoreGroup(models.Model):
    """
    Stores that recognize each other's customers (table `biometric_store_groups`).

    A store without a group forms one alone, under the code of the store.
    """

    id = models.UUIDField(
        primary_key=True,
        default=uuid4,
        db_default=RandomUUID(),
        editable=False,
        db_comment="primary key",
    )
    code = models.SlugField(max_length=50, unique=True, db_comment="code of the group")
    name = models.CharField(max_length=100, db_comment="name of the group")
    province = models.CharField(
        max_length=2,
        choices=province_choices(),
        db_comment="province of all its stores",
    )
    stores = models.ManyToManyField(Store, through="StoreGroupMember", related_name="+", blank=True)

    class Meta:
        db_table = "biometric_store_groups"
        db_table_comment = "Groups of stores that recognize each other's customers"
        ordering = ("code",)

    def __str__(self) -> str:
        return self.name


class StoreGroupMember(models.Model):
    """A store of a group (table `biometric_store_group_members`)."""

    id = models.BigAutoField("ID", primary_key=True, db_comment="primary key")
    group = models.ForeignKey(
        StoreGroup, on_delete=models.CASCADE, related_name="members", db_comment="group"
    )
    store = models.OneToOneField(
        Store, on_delete=models.CASCADE, related_name="+", db_comment="store, in one group only"
    )

    class Meta:
        db_table = "biometric_store_group_members"
        db_table_comment = "Stores of the groups that recognize each other's customers"

    def __str__(self) -> str:
        return f"{self.group_id} {self.store_id}"
