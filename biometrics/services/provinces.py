"""Save the settings of provinces and groups of stores; each change is in the audit log."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from biometrics.models import BiometricSettings, FacePurpose, StoreGroup, StoreGroupMember
from biometrics.selectors.provinces import missing_requirements
from biometrics.services.audit import Action, record
from catalog.models import Store
from config.errors import BadInput, Conflict
from customers.models import ConsentText


@transaction.atomic
def save_settings(
    *, settings: BiometricSettings, by: Any, now: datetime | None = None
) -> BiometricSettings:
    """
    Save the settings of a province.

    by: the user. Raises Conflict with the reasons by field: enabled, but something is missing.
    """
    missing = missing_requirements(settings, now=now) if settings.is_enabled else {}
    if missing:
        raise Conflict("Biometrics cannot be enabled.", list(missing.items()))
    settings.updated_at = Now()
    settings.updated_by = by
    settings.save()
    record(
        action=Action.CONFIGURE,
        reason="enabled" if settings.is_enabled else "disabled",
        actor=f"user:{by.get_username()}",
        province=settings.province,
    )
    settings.refresh_from_db()
    return settings


def create_purpose_text(*, purpose: str, version: str, text_en: str, text_fr: str) -> ConsentText:
    """
    Create a version of a purpose text, which is never changed afterwards.

    Raises BadInput: a language is missing, or the version exists.
    """
    if purpose not in FacePurpose.values:
        raise BadInput("purpose", f"must be one of {', '.join(FacePurpose.values)}")
    texts: Mapping[str, str] = {"version": version, "text_en": text_en, "text_fr": text_fr}
    for name, value in texts.items():
        if not value.strip():
            raise BadInput(name, "is required")
    text, is_new = ConsentText.objects.get_or_create(
        purpose=purpose,
        version=version.strip(),
        defaults={"text_en": text_en.strip(), "text_fr": text_fr.strip()},
    )
    if not is_new:
        raise BadInput("version", "exists already; published texts are never changed")
    return text


def check_store_group(*, group: StoreGroup, stores: Sequence[Store]) -> None:
    """Raise BadInput if a store is in another province or group."""
    for store in stores:
        if store.province != group.province:
            raise BadInput("stores", f"{store} is in another province")
    others = StoreGroupMember.objects.filter(store__in=stores).exclude(group_id=group.pk)
    if other := others.select_related("store", "group").first():
        raise BadInput("stores", f"{other.store} is in the group {other.group}")


@transaction.atomic
def save_store_group(*, group: StoreGroup, stores: Sequence[Store], by: Any) -> StoreGroup:
    """
    Save a group with its stores.

    Templates stay in the group in which they were enrolled. Raises what `check_store_group` raises.
    """
    check_store_group(group=group, stores=stores)
    group.save()
    group.members.exclude(store__in=stores).delete()
    existing = set(group.members.values_list("store_id", flat=True))
    StoreGroupMember.objects.bulk_create(
        StoreGroupMember(group=group, store=store) for store in stores if store.pk not in existing
    )
    record(
        action=Action.CONFIGURE,
        reason="store_group",
        actor=f"user:{by.get_username()}",
        province=group.province,
        store_group=group.code,
        count=len(stores),
    )
    return group
