"""Whether biometrics may be used in a province, and what is missing otherwise."""

from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from biometrics.errors import BiometricsDisabled
from biometrics.models import (
    BiometricSettings,
    CustomerBiometric,
    FacePurpose,
    StoreGroupMember,
)
from catalog.models import Store
from customers.models import ConsentText

DECLARATION_PROVINCES = frozenset({"QC"})
"""Provinces in which a biometric database is declared to the regulator before it is used."""
DECLARATION_DAYS = 60
"""Days from the declaration to the first use (Quebec, C-1.1, s. 45)."""
_DECLARATION_ZONE = ZoneInfo("America/Toronto")


def all_settings() -> list[BiometricSettings]:
    """Return the settings of every province that has any, with their texts."""
    rows = BiometricSettings.objects.select_related("verification_text", "identification_text")
    return list(rows.order_by("province"))


def find_settings(pk: UUID) -> BiometricSettings | None:
    """Return settings by their id, None for an unknown id."""
    return BiometricSettings.objects.filter(pk=pk).first()


def count_templates(province: str) -> int:
    """Return the number of templates that are stored for a province."""
    return CustomerBiometric.objects.filter(province=province).count()


def is_purpose_text_published(*, purpose: str, version: str) -> bool:
    """Return whether a version of a purpose text exists."""
    return ConsentText.objects.filter(purpose=purpose, version=version).exists()


def all_stores() -> QuerySet[Store]:
    """Return every store by province and name."""
    return Store.objects.order_by("province", "name")


def missing_requirements(
    settings: BiometricSettings, *, now: datetime | None = None
) -> dict[str, str]:
    """Return what a province lacks before biometrics may be used there: reasons by field."""
    missing: dict[str, str] = {}
    texts = [settings.verification_text, settings.identification_text]
    if not any(texts):
        missing["verification_text"] = _("a purpose text is required for at least one purpose")
    for name, text in zip(("verification_text", "identification_text"), texts, strict=True):
        if text and not (text.text_en.strip() and text.text_fr.strip()):
            missing[name] = _("the purpose text must be in English and French")
    if not settings.alternative:
        missing["alternative"] = _("an equal alternative is required for those who do not consent")
    if not settings.retention_days:
        missing["retention_days"] = _("a retention period is required")
    if settings.province in DECLARATION_PROVINCES:
        missing |= _missing_declaration(settings, _today(now))
    return missing


def require_enabled(
    *, province: str, purpose: str, now: datetime | None = None
) -> BiometricSettings:
    """
    Return the settings of a province in which biometrics may be used for a purpose.

    Raises BiometricsDisabled with the reasons. One query.
    """
    rows = BiometricSettings.objects.select_related("verification_text", "identification_text")
    settings = rows.filter(province=province).first()
    if settings is None or not settings.is_enabled:
        raise BiometricsDisabled(province)
    if missing := missing_requirements(settings, now=now):
        raise BiometricsDisabled(province, list(missing.values()))
    if text_of(settings, purpose) is None:
        raise BiometricsDisabled(province, [_("it is not used for this purpose")])
    return settings


def is_enabled(*, province: str, purpose: str, now: datetime | None = None) -> bool:
    """Return whether biometrics may be used in a province for a purpose."""
    try:
        require_enabled(province=province, purpose=purpose, now=now)
    except BiometricsDisabled:
        return False
    return True


def text_of(settings: BiometricSettings, purpose: str) -> ConsentText | None:
    """Return the purpose text of a province; None: not used for this purpose."""
    return {
        FacePurpose.VERIFICATION.value: settings.verification_text,
        FacePurpose.IDENTIFICATION.value: settings.identification_text,
    }.get(purpose)


def store_group_of(store: Store) -> str:
    """Return the code of the group of stores that a store belongs to, or its own code."""
    member = StoreGroupMember.objects.filter(store=store).select_related("group").first()
    return member.group.code if member else store.code


def _missing_declaration(settings: BiometricSettings, today: date) -> dict[str, str]:
    missing: dict[str, str] = {}
    if not settings.declaration_number.strip():
        missing["declaration_number"] = _(
            "the number of the declaration to the Commission d'accès à l'information is required"
        )
    if settings.declared_on is None:
        missing["declared_on"] = _("the date of the declaration is required")
    elif (allowed_on := settings.declared_on + timedelta(days=DECLARATION_DAYS)) > today:
        missing["declared_on"] = _(
            "the declaration must be at least {days} days old; it will be on {date}"
        ).format(days=DECLARATION_DAYS, date=allowed_on.isoformat())
    return missing


def _today(now: datetime | None) -> date:
    return timezone.localdate(now or timezone.now(), _DECLARATION_ZONE)
