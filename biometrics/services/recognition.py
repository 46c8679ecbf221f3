"""
Enrolment, verification (1:1) and identification (1:N) by a photo of a face.

Photos are never stored: no purpose text foresees it. A photo of an unknown person leaves nothing
behind, neither in the database nor in Redis nor in the logs.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from biometrics.errors import (
    BiometricsError,
    ConsentMissing,
    NotEnrolled,
    NotInitiatedByCustomer,
)
from biometrics.faces import ENROLMENT_LIMITS, MODEL, PROBE_LIMITS, extract_face
from biometrics.matching import Gallery, GalleryScope, is_same_person
from biometrics.models import AuditEntry, CustomerBiometric, FacePurpose
from biometrics.selectors.provinces import require_enabled, store_group_of
from biometrics.selectors.templates import (
    active_face_consent,
    identifiable_template,
    verification_template,
)
from biometrics.services.audit import record, record_refusal
from biometrics.services.galleries import gallery_of, matchable_rows
from biometrics.services.recognized_images import (
    forget_customers,
    hash_image,
    recognized_customer,
    remember,
)
from biometrics.services.templates import audited_values, enroll, open_template, rotate
from catalog.models import Store
from config.crypto import TokenRefused, key_ring
from config.errors import BadInput
from customers.models import CustomerProfile
from customers.services.access import log_access
from customers.services.consents import withdraw_consent

CONFIRMATION_SECONDS = 120
"""How long staff may confirm an identification."""
_TOKEN_CONTEXT = b"face-confirmation"
_Action = AuditEntry.Action


@dataclass(frozen=True, slots=True)
class PendingMatch:
    """
    A match that staff must confirm.

    token: is exchanged for the customer by the client that received it, within
    CONFIRMATION_SECONDS. hint: last characters of the external id, to ask the customer for.
    """

    token: str
    hint: str


def enroll_image(
    *,
    customer: CustomerProfile,
    purpose: str,
    image: bytes,
    by: str,
    store: Store | None = None,
) -> CustomerBiometric:
    """
    Enroll a customer with a photo, in place of their earlier template for the purpose.

    image: content of a JPEG, PNG or WebP file; it is not stored. store: where it was taken, default
    the customer's home store. by: `user:NAME` or `key:PREFIX`. The checks of the photo come last,
    so that none is read where biometrics is off or without consent.

    Raises FaceImageRefused, FaceModelsUnavailable, and what `enroll` raises. Must not be called
    within a transaction.
    """
    home = store or customer.store
    province = home.province if home else customer.province
    try:
        require_enabled(province=province, purpose=purpose)
        consent = active_face_consent(customer=customer, purpose=purpose)
        if consent is None:
            raise ConsentMissing(_("the customer has given none for this purpose"))
    except BiometricsError as error:
        record_refusal(reason=error.code, actor=by, province=province, purpose=purpose)
        raise
    face = extract_face(image, limits=ENROLMENT_LIMITS)
    return enroll(
        customer=customer,
        embedding=face.embedding,
        model=face.model,
        quality=face.quality,
        consent=consent,
        by=by,
        store=home,
    )


def verify_image(*, customer: CustomerProfile, image: bytes, by: str) -> bool:
    """
    Return whether a photo shows the customer that the person says they are (1:1).

    Raises BiometricsDisabled, NotEnrolled, FaceImageRefused, FaceModelsUnavailable, and what
    `open_template` raises. Must not be called within a transaction.
    """
    row = verification_template(customer=customer)
    if row is None:
        # Off in the province, or not enrolled there: the more general reason comes first.
        province = customer.store.province if customer.store else customer.province
        require_enabled(province=province, purpose=FacePurpose.VERIFICATION)
        raise NotEnrolled
    if row.model != MODEL:
        raise NotEnrolled
    face = extract_face(image, limits=PROBE_LIMITS)
    is_verified = is_same_person(rotate(face.embedding), open_template(row, by=by))
    record(
        action=_Action.VERIFY,
        reason="verified" if is_verified else "not_verified",
        actor=by,
        **audited_values(row),
    )
    log_access(customer=customer, actor=by, action="face.verify")
    return is_verified


def identify_image(
    *, image: bytes, store: Store, is_initiated_by_customer: bool, by: str
) -> PendingMatch | None:
    """
    Return which consenting customer of the store's group a photo shows (1:N); None: unknown.

    is_initiated_by_customer: whether the person has asked to be recognized. Raises
    NotInitiatedByCustomer, BiometricsDisabled, FaceImageRefused, FaceModelsUnavailable,
    TemplateKeysUnavailable. Must not be called within a transaction.
    """
    if not is_initiated_by_customer:
        raise NotInitiatedByCustomer
    require_enabled(province=store.province, purpose=FacePurpose.IDENTIFICATION)
    scope = GalleryScope(store.province, store_group_of(store))
    gallery = gallery_of(scope, by=by)
    image_hash = hash_image(image, scope)
    customer_id = _find_customer(image, image_hash, gallery)
    if customer_id is None:
        return None
    # The memory of this process may be a moment behind.
    row = matchable_rows(scope).filter(customer_id=customer_id).select_related("customer").first()
    if row is None or row.customer is None:
        return None
    remember(image_hash, customer_id)
    record(action=_Action.MATCH, reason="awaiting_confirmation", actor=by, **audited_values(row))
    return PendingMatch(
        token=_create_token(row.pk, by=by), hint=_hint(row.customer.external_customer_id)
    )


def confirm_match(*, token: str, is_confirmed: bool, by: str) -> CustomerProfile | None:
    """
    Return the customer of a match that staff confirm; None if they reject it.

    by: the actor to whom the token was given. Raises BadInput: the token is invalid or too old, or
    the customer may not be identified any more.
    """
    row = _read_token(token, by=by)
    customer = row.customer
    assert customer is not None  # noqa: S101  # a constraint of the table
    if not is_confirmed:
        record(action=_Action.REFUSE, reason="rejected_by_staff", actor=by, **audited_values(row))
        forget_customers([customer.pk])
        return None
    record(action=_Action.MATCH, reason="confirmed", actor=by, **audited_values(row))
    log_access(customer=customer, actor=by, action="face.identify")
    return customer


def withdraw(*, customer: CustomerProfile, purposes: list[str], by: str) -> int:
    """
    Withdraw a customer's consents to purposes of biometrics; return how many were active.

    The templates are erased with them, unless a legal hold retains them; they match no more.
    """
    return sum(withdraw_consent(customer=customer, purpose=purpose, by=by) for purpose in purposes)


def _find_customer(image: bytes, image_hash: str, gallery: Gallery) -> UUID | None:
    if customer_id := recognized_customer(image_hash, gallery.customer_ids):
        return customer_id
    face = extract_face(image, limits=PROBE_LIMITS)
    entry = gallery.find(rotate(face.embedding))
    return entry.customer_id if entry else None


def _hint(external_id: str) -> str:
    """Return the last three characters; fewer of a short id, which they would disclose."""
    return external_id[-min(3, len(external_id) // 2) :] if len(external_id) > 1 else ""


def _create_token(template_id: UUID, *, by: str) -> str:
    payload = json.dumps({"template": template_id.hex, "by": by, "at": time.time()})
    token = key_ring().encrypt(payload.encode(), context=_TOKEN_CONTEXT)
    return base64.urlsafe_b64encode(token).decode()


def _read_token(token: str, *, by: str) -> CustomerBiometric:
    try:
        encrypted = base64.urlsafe_b64decode(token)
        payload = json.loads(key_ring().decrypt(encrypted, context=_TOKEN_CONTEXT))
    except (TokenRefused, binascii.Error, ValueError):
        raise BadInput("confirmation_token", _("is not a confirmation token")) from None
    age = time.time() - payload["at"]
    if payload["by"] != by or not 0 <= age + 1 <= CONFIRMATION_SECONDS + 1:
        raise BadInput("confirmation_token", _("has expired, or belongs to another client"))
    row = identifiable_template(UUID(payload["template"]))
    if row is None:
        raise BadInput("confirmation_token", _("belongs to a customer who was not found"))
    return row
