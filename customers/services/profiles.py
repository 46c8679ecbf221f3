"""Register customers, correct their profiles and record age verification."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext

from catalog.ingest.vocabulary import CATEGORIES
from catalog.models import Store
from catalog.reference.provinces import PROVINCES
from config.errors import BadInput, Conflict
from config.languages import parse_language
from customers.external_ids import MAX_EXTERNAL_ID_LENGTH, normalize_external_id
from customers.models import CustomerProfile
from customers.services.access import log_access
from customers.services.preferences import set_effective_preferences

STRAIN_TYPES = ("indica", "sativa", "hybrid", "blend", "indica_dominant", "sativa_dominant", "cbd")
LEGAL_AGES = sorted({age for province in PROVINCES.values() for _, age in province.ages})
"""The legal ages of all provinces, the lowest first."""
_MAX_RANGE_VALUES = {
    "thc_range": Decimal(100),
    "cbd_range": Decimal(100),
    "price_range": Decimal(10_000),
}
_MAX_DISLIKED = 50
_MAX_DISLIKED_LENGTH = 100
_DISLIKED_FIELDS = ("disliked_brands", "disliked_categories", "disliked_strain_types")
PREFERENCE_FIELDS = (*_MAX_RANGE_VALUES, "strain_types", *_DISLIKED_FIELDS)
"""The preferences that a customer may state."""


def register_customer(  # noqa: PLR0913  # keyword-only
    *,
    external_id: str,
    by: str,
    province: str = "",
    language: str = "en",
    store: Store | None = None,
    is_synthetic: bool = False,
) -> CustomerProfile:
    """
    Create a customer profile.

    external_id: loyalty number or account, normalized as for every look-up. Raises BadInput, and
    Conflict when the external id is registered already.
    """
    external_id = normalize_external_id(external_id)
    if not external_id or len(external_id) > MAX_EXTERNAL_ID_LENGTH:
        raise BadInput(
            "external_id",
            gettext("must have 1 to %(maximum)s characters") % {"maximum": MAX_EXTERNAL_ID_LENGTH},
        )
    province = _parse_province(province) if province else ""
    language = parse_language(language)
    new_id = uuid4()
    profile = CustomerProfile(
        pk=new_id,
        external_customer_id=external_id,
        province=province,
        language=language,
        store=store,
        is_synthetic=is_synthetic,
    )
    with transaction.atomic():
        # A violated constraint would write the number into the log of the database server.
        CustomerProfile.objects.bulk_create([profile], ignore_conflicts=True)
        registered = CustomerProfile.objects.filter(pk=new_id).first()
        if registered is None:
            raise Conflict(
                gettext("This customer is registered already."),
                [("external_id", gettext("is registered already"))],
            )
        log_access(customer=registered, actor=by, action="profile.register")
    return registered


def lock_profile(pk: UUID) -> CustomerProfile | None:
    """
    Return a customer profile with its store, locked until the end of the transaction.

    None for an unknown id. One query.
    """
    profiles = CustomerProfile.objects.select_related("store").select_for_update(of=("self",))
    return profiles.filter(pk=pk).first()


@transaction.atomic
def correct_profile(
    *, customer: CustomerProfile, changes: Mapping[str, Any], by: str
) -> CustomerProfile:
    """
    Lock the profile of a customer and correct it: see `correct_locked_profile`.

    Raises BadInput, and CustomerProfile.DoesNotExist for a customer that was erased since.
    """
    profile = lock_profile(customer.pk)
    if profile is None:
        raise CustomerProfile.DoesNotExist
    return correct_locked_profile(profile=profile, changes=changes, by=by)


def correct_locked_profile(
    *, profile: CustomerProfile, changes: Mapping[str, Any], by: str
) -> CustomerProfile:
    """
    Correct fields and stated preferences of a locked profile, at the customer's request.

    changes: province, language, store and any of `PREFERENCE_FIELDS`, by name. A preference of
    None removes the statement, so that the derived preference applies again. Raises BadInput
    naming the field; nothing is changed then.
    """
    stated = dict(profile.stated_preferences)
    for field, value in changes.items():
        if field in PREFERENCE_FIELDS:
            stated[field] = _parse_preference(field, value)
        elif field in _PROFILE_FIELD_PARSERS:
            setattr(profile, field, _PROFILE_FIELD_PARSERS[field](value))
        else:
            correctable = ", ".join((*_PROFILE_FIELD_PARSERS, *PREFERENCE_FIELDS))
            raise BadInput(
                field,
                gettext("cannot be corrected; correctable fields are %(correctable)s")
                % {"correctable": correctable},
            )
    profile.stated_preferences = {
        field: value for field, value in stated.items() if value is not None
    }
    set_effective_preferences(profile)
    profile.updated_at = Now()
    profile.save()
    log_access(customer=profile, actor=by, action="profile.correct")
    profile.refresh_from_db(fields=["updated_at"])
    return profile


@transaction.atomic
def verify_age(
    *,
    customer: CustomerProfile,
    verification_method: str,
    by: str,
    verified_age: int | None = None,
) -> CustomerProfile:
    """
    Record that the customer's age was verified, and how; the document itself is not stored.

    verified_age: the minimum age that was shown (18, 19 or 21). Default: the legal age of the
    customer's province today; required when the province is unknown. It does not change when the
    customer moves, and counts only where it suffices. Raises BadInput.
    """
    methods = CustomerProfile.VerificationMethod.values
    if verification_method not in methods:
        raise BadInput(
            "verification_method",
            gettext("must be one of %(choices)s") % {"choices": ", ".join(methods)},
        )
    if verified_age is not None and verified_age not in LEGAL_AGES:
        raise BadInput(
            "verified_age",
            gettext("must be one of %(choices)s") % {"choices": ", ".join(map(str, LEGAL_AGES))},
        )
    province = PROVINCES.get(customer.province)
    if verified_age is None:
        if province is None:
            raise BadInput(
                "verified_age", gettext("is required, as the customer's province is not known")
            )
        verified_age = province.min_age(timezone.localdate())
    CustomerProfile.objects.filter(pk=customer.pk).update(
        is_age_verified=True,
        verification_method=verification_method,
        verified_age=verified_age,
        age_verified_at=Now(),
        updated_at=Now(),
    )
    log_access(customer=customer, actor=by, action="age.verify")
    customer.refresh_from_db()
    return customer


def provinces_of_legal_age(customer: CustomerProfile) -> list[str]:
    """Return the codes of the provinces where the verified age allows a purchase today."""
    if not customer.is_age_verified:
        return []
    verified_age = customer.verified_age or LEGAL_AGES[0]
    today = timezone.localdate()
    return sorted(
        code for code, province in PROVINCES.items() if province.min_age(today) <= verified_age
    )


def _parse_province(value: Any) -> str:
    if value not in PROVINCES:
        raise BadInput(
            "province",
            gettext("must be one of %(choices)s") % {"choices": ", ".join(sorted(PROVINCES))},
        )
    return str(value)


def _parse_store(value: Any) -> Store | None:
    if value is None or isinstance(value, Store):
        return value
    store = Store.objects.filter(code=str(value)).first()
    if store is None:
        raise BadInput("store", gettext("is not known"))
    return store


_PROFILE_FIELD_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "province": _parse_province,
    "language": parse_language,
    "store": _parse_store,
}


def _parse_preference(field: str, value: Any) -> Any:
    if value is None:
        return None
    if field == "strain_types":
        return _parse_strain_types(field, value)
    if field in _DISLIKED_FIELDS:
        return _parse_disliked(field, value)
    return _parse_range(field, value)


def _parse_strain_types(field: str, value: Any) -> list[str]:
    is_valid = (
        isinstance(value, list)
        and bool(value)
        and all(strain_type in STRAIN_TYPES for strain_type in value)
    )
    if not is_valid:
        raise BadInput(
            field,
            gettext("must be a list of some of %(choices)s, or null")
            % {"choices": ", ".join(STRAIN_TYPES)},
        )
    return sorted(set(value))


def _parse_range(field: str, value: Any) -> list[float]:
    max_value = _MAX_RANGE_VALUES[field]
    try:
        lower, upper = (Decimal(str(bound)) for bound in value)
        is_valid = 0 <= lower <= upper <= max_value
    except (TypeError, ValueError, InvalidOperation):
        is_valid = False
    if not is_valid:
        raise BadInput(
            field,
            gettext("must be two numbers, the lower first, from 0 to %(maximum)s, or null")
            % {"maximum": max_value},
        )
    return [float(lower), float(upper)]


def _parse_disliked(field: str, value: Any) -> list[str]:
    allowed = {
        "disliked_categories": set(CATEGORIES.values()),
        "disliked_strain_types": set(STRAIN_TYPES),
    }.get(field)
    is_valid = (
        isinstance(value, list)
        and 0 < len(value) <= _MAX_DISLIKED
        and all(
            isinstance(word, str) and word.strip() and len(word) <= _MAX_DISLIKED_LENGTH
            for word in value
        )
    )
    if not is_valid:
        raise BadInput(
            field,
            gettext("must be a list of 1 to %(maximum)s words, or null")
            % {"maximum": _MAX_DISLIKED},
        )
    if allowed is not None and not set(value) <= allowed:
        raise BadInput(
            field,
            gettext("must be a list of some of %(choices)s, or null")
            % {"choices": ", ".join(sorted(allowed))},
        )
    return sorted({word.strip() for word in value})
