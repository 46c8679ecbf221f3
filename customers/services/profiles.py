"""Profiles: made, corrected by the person, age proven."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from catalog.ingest.vocabulary import CATEGORIES
from catalog.models import Store
from catalog.reference.provinces import PROVINCES
from config.errors import BadInput, Conflict
from customers.models import CustomerProfile
from customers.services.access import note
from customers.services.preferences import settle

STRAIN_TYPES = ("indica", "sativa", "hybrid", "blend", "indica-dominant", "sativa-dominant", "cbd")
_MOST = {"thc_range": Decimal(100), "cbd_range": Decimal(100), "price_range": Decimal(10_000)}
AGES = sorted({age for province in PROVINCES.values() for _, age in province.ages})
"""Ages from which cannabis may be bought, somewhere."""
_MOST_DISLIKED = 50
_DISLIKED = ("disliked_brands", "disliked_categories", "disliked_strain_types")
STATED = (*_MOST, "strain_types", *_DISLIKED)
"""Preferences that a person may state."""


def register(
    *,
    external_customer_id: str,
    by: str,
    province: str = "",
    language: str = "en",
    store: Store | None = None,
    is_synthetic: bool = False,
) -> CustomerProfile:
    """Make a profile that knows nothing but its number. Raises BadInput, and Conflict when the number is known."""
    number = external_customer_id.strip()
    if not number or len(number) > 100 or "\x00" in number:
        raise BadInput("external_customer_id", "must have 1 to 100 characters")
    values = {"province": _province(province) if province else "", "language": _language(language)}
    try:
        with transaction.atomic():
            made = CustomerProfile.objects.create(
                external_customer_id=number, store=store, is_synthetic=is_synthetic, **values
            )
            note(customer=made, actor=by, action="profile.register")
    except IntegrityError:
        raise Conflict(
            "This customer is registered already.",
            [("external_customer_id", "is registered already")],
        ) from None
    return CustomerProfile.objects.get(pk=made.pk)


@transaction.atomic
def correct(*, customer: CustomerProfile, changes: Mapping[str, Any], by: str) -> CustomerProfile:
    """
    Correct what the person says is wrong; what they state of their preferences outranks what purchases tell.

    changes: province, language, store, and of `STATED` those given; None takes a statement back. Raises BadInput with
    the field; nothing is changed then.
    """
    held = CustomerProfile.objects.select_for_update().get(pk=customer.pk)
    stated = dict(held.stated)
    for field, value in changes.items():
        if field in STATED:
            stated[field] = _stated(field, value)
        elif field in _CORRECTED:
            setattr(held, field, _CORRECTED[field](value))
        else:
            raise BadInput(
                field, f"cannot be corrected; what can is {', '.join((*_CORRECTED, *STATED))}"
            )
    held.stated = {field: value for field, value in stated.items() if value is not None}
    settle(held)
    held.updated_at = Now()
    held.save()
    note(customer=held, actor=by, action="profile.correct")
    held.refresh_from_db()
    return held


@transaction.atomic
def verify_age(
    *, customer: CustomerProfile, proof: str, by: str, age: int | None = None
) -> CustomerProfile:
    """
    Note that the person has shown to be of age, and by what; the document is not kept. Raises BadInput.

    age: the least that was shown, 18, 19 or 21; else that of their province today, and where none is known the lowest. It
    stays what it is when they move.
    """
    if proof not in CustomerProfile.AgeProof.values:
        raise BadInput("proof", f"must be one of {', '.join(CustomerProfile.AgeProof.values)}")
    if age not in (None, *AGES):
        raise BadInput("age", f"must be one of {', '.join(map(str, AGES))}")
    home = PROVINCES.get(customer.province)
    shown = age or (home.least_age(timezone.localdate()) if home else AGES[0])
    CustomerProfile.objects.filter(pk=customer.pk).update(
        is_age_verified=True,
        age_proof=proof,
        proven_age=shown,
        age_verified_at=Now(),
        updated_at=Now(),
    )
    note(customer=customer, actor=by, action="age.verify")
    customer.refresh_from_db()
    return customer


def _province(value: Any) -> str:
    if value not in PROVINCES:
        raise BadInput("province", f"must be one of {', '.join(sorted(PROVINCES))}")
    return str(value)


def _language(value: Any) -> str:
    if value not in ("en", "fr"):
        raise BadInput("language", "must be en or fr")
    return str(value)


def _store(value: Any) -> Store | None:
    if value is None or isinstance(value, Store):
        return value
    found = Store.objects.filter(code=str(value)).first()
    if found is None:
        raise BadInput("store", "is not known")
    return found


_CORRECTED: Mapping[str, Callable[[Any], Any]] = {
    "province": _province,
    "language": _language,
    "store": _store,
}


def _stated(field: str, value: Any) -> Any:
    if value is None:
        return None
    if field == "strain_types":
        if (
            not isinstance(value, list)
            or not value
            or any(one not in STRAIN_TYPES for one in value)
        ):
            raise BadInput(field, f"must be a list of some of {', '.join(STRAIN_TYPES)}, or null")
        return sorted(set(value))
    if field in _DISLIKED:
        return _disliked(field, value)
    try:
        low, high = (Decimal(str(end)) for end in value)
        is_right = 0 <= low <= high <= _MOST[field]
    except (TypeError, ValueError, InvalidOperation):
        is_right = False
    if not is_right:
        raise BadInput(
            field, f"must be two numbers, the lower first, from 0 to {_MOST[field]}, or null"
        )
    return [float(low), float(high)]


def _disliked(field: str, value: Any) -> list[str]:
    allowed = {
        "disliked_categories": set(CATEGORIES.values()),
        "disliked_strain_types": set(STRAIN_TYPES),
    }.get(field)
    is_right = isinstance(value, list) and 0 < len(value) <= _MOST_DISLIKED
    if not is_right or any(
        not isinstance(one, str) or not one.strip() or len(one) > 100 for one in value
    ):
        raise BadInput(field, f"must be a list of 1 to {_MOST_DISLIKED} words, or null")
    if allowed is not None and not set(value) <= allowed:
        raise BadInput(field, f"must be a list of some of {', '.join(sorted(allowed))}, or null")
    return sorted({one.strip() for one in value})
