"""Enroll, decrypt and erase face templates."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from biometrics.errors import (
    BiometricsDisabled,
    BiometricsError,
    ConsentMissing,
    EmbeddingRefused,
    TemplateExpired,
    TemplateRefused,
    TemplateShredded,
    TemplateTampered,
)
from biometrics.keys import TemplateKeys, template_keys
from biometrics.matching import GalleryRow
from biometrics.models import CustomerBiometric, FacePurpose, TemplateSalt
from biometrics.rotation import DIMENSION, Float32Array, rotate_with, rotation_id
from biometrics.selectors.provinces import require_enabled, store_group_of, text_of
from biometrics.selectors.templates import stored_templates
from biometrics.services.audit import Action, AuditEvent, record, record_all, record_refusal
from biometrics.services.recognized_images import forget_customers
from biometrics.tokens import (
    SALT_BYTES,
    TEMPLATE_VERSION,
    TemplateContext,
    decrypt_content,
    decrypt_template,
    derive_key,
    encrypt_template,
    pack_header,
)
from catalog.models import Store
from config.errors import BadInput, Conflict
from customers.models import Consent, CustomerProfile
from mlops.privacy.legal_holds import active_legal_hold, subjects_on_hold

log = structlog.get_logger(__name__)
SYSTEM = "system"
"""Actor of reads that no request has caused."""
_MAX_NORM_ERROR = 1e-3
_MAX_MODEL_LENGTH = 50


@dataclass(frozen=True, slots=True)
class OpenedTemplates:
    """
    Decrypted templates.

    rows: those that were decrypted, in the order of the query: ids of template and customer, and
    expiry. vectors: rotated, float32 (n, 128),
    in the same order. refused: ids of those that were not decrypted; each is in the audit log.
    """

    rows: list[GalleryRow]
    vectors: Float32Array
    refused: set[UUID]


def rotate(embedding: Float32Array) -> Float32Array:
    """
    Return an embedding in the space of the stored templates, float32 (128,) or (n, 128).

    Raises TemplateKeysUnavailable.
    """
    return rotate_with(template_keys().rotation, embedding)


def enroll(  # noqa: PLR0913  # keyword-only
    *,
    customer: CustomerProfile,
    embedding: Float32Array,
    model: str,
    quality: float,
    consent: Consent,
    by: str,
    store: Store | None = None,
    now: datetime | None = None,
) -> CustomerBiometric:
    """
    Encrypt and store a template, in place of the customer's earlier one for the purpose.

    embedding: float32 (128,), unit length, not rotated. model: name of the model that computed it.
    quality: 0 to 1. consent: of the customer to the current purpose text of the province; each
    purpose has a separate template. store: where the customer is enrolled, default their home
    store; it determines province and group. by: `user:NAME` or `key:PREFIX`.

    Raises EmbeddingRefused, BiometricsDisabled, ConsentMissing (also if the customer's age is not
    verified), TemplateKeysUnavailable, BadInput, and Conflict: a legal hold retains the earlier
    template. Refusals are audited. Must not be called within a transaction.
    """
    moment = now or timezone.now()
    enrolled_in = store or customer.store
    province = enrolled_in.province if enrolled_in else customer.province
    try:
        vector = _checked_embedding(embedding)
        _check_names(model, quality)
        if enrolled_in is None:
            raise BiometricsDisabled(province, [_("the customer has no store to be recognized in")])
        store_group = store_group_of(enrolled_in)
        with transaction.atomic():
            profile = CustomerProfile.objects.select_for_update().get(pk=customer.pk)
            valid_consent = _valid_consent(profile, consent)
            settings = require_enabled(province=province, purpose=valid_consent.purpose, now=moment)
            if text_of(settings, valid_consent.purpose) != valid_consent.text:
                raise ConsentMissing(_("the consent is to another version of the purpose text"))
            _erase_replaced(profile, valid_consent.purpose, by=by)
            row = CustomerBiometric(
                id=uuid4(),
                customer=profile,
                confidence_score=Decimal(str(round(quality, 4))),
                created_at=moment,
                expires_at=moment + timedelta(days=settings.retention_days or 0),
                consent=valid_consent,
                purpose=valid_consent.purpose,
                model=model,
                province=province,
                store_group=store_group,
            )
            store_encrypted(row, rotate(vector), keys=template_keys(), is_new=True)
            record(
                action=Action.ENROLL, actor=by, template_digest=digest(row), **audited_values(row)
            )
    except (BiometricsError, BadInput, Conflict) as error:
        record_refusal(reason=error.code, actor=by, province=province, purpose=str(consent.purpose))
        raise
    return row


def open_template(
    row: CustomerBiometric, *, by: str = SYSTEM, now: datetime | None = None
) -> Float32Array:
    """
    Return the rotated template of a row, float32 (128,).

    Raises TemplateExpired, TemplateShredded, TemplateTampered, RotationChanged, TemplateKeyUnknown,
    TemplateKeysUnavailable. Reads and refusals are audited. Must not be called within a
    transaction.
    """
    try:
        vector = decrypt_row(row, keys=template_keys(), now=now)
    except TemplateRefused as error:
        _report_refusal(row, error)
        record_refusal(reason=error.code, actor=by, **audited_values(row))
        raise
    record(action=Action.READ, actor=by, **audited_values(row))
    return vector


def open_templates(
    rows: QuerySet[CustomerBiometric], *, by: str = SYSTEM, now: datetime | None = None
) -> OpenedTemplates:
    """
    Decrypt the templates of a query; those that are refused are left out.

    One audit entry for all that were decrypted, and one for each that was refused. Raises
    TemplateKeysUnavailable.
    """
    keys = template_keys()
    rotation = rotation_id(keys.rotation)
    moment = int((now or timezone.now()).timestamp() * 1_000_000)
    opened: list[GalleryRow] = []
    contents: list[bytes] = []
    errors: dict[UUID, TemplateRefused] = {}
    # One frame for all rows: calls and objects of each would be a fifth of the time.
    for row in stored_templates(rows):
        template, customer, consent, expires_at, token, salt, key_id, version, model = row
        try:
            if expires_at <= moment:
                raise TemplateExpired
            if salt is None:
                raise TemplateShredded
            header = pack_header(version, template, customer, consent, model, expires_at, rotation)
            key = derive_key(keys.master(key_id), salt, customer, version)
            contents.append(decrypt_content(token, key, header))
        except TemplateRefused as error:
            errors[UUID(bytes=template)] = error
        else:
            opened.append((template, customer, expires_at))
    events = [_refusal_event(row, errors[row.pk], by) for row in _rows_with_ids(errors)]
    if opened:
        events.append(_load_event(rows, count=len(opened), by=by))
    record_all(events)
    # A bytearray: the vectors can be written, as the memory of a matcher is overwritten.
    vectors = np.frombuffer(bytearray().join(contents), "<f4").reshape(-1, DIMENSION)
    return OpenedTemplates(opened, vectors, set(errors))


def _rows_with_ids(ids: Iterable[UUID]) -> QuerySet[CustomerBiometric]:
    return CustomerBiometric.objects.filter(pk__in=list(ids)).order_by("pk")


def _refusal_event(row: CustomerBiometric, error: TemplateRefused, by: str) -> AuditEvent:
    _report_refusal(row, error)
    return AuditEvent(action=Action.REFUSE, reason=error.code, actor=by, **audited_values(row))


def decrypt_row(
    row: CustomerBiometric,
    *,
    keys: TemplateKeys,
    now: datetime | None = None,
    rotation: bytes | None = None,
) -> Float32Array:
    """
    Return the rotated template of a row, without an audit entry.

    rotation: id of the deployment key, to compute it once for many rows. Raises TemplateRefused.
    """
    if row.expires_at is None or row.expires_at <= (now or timezone.now()):
        raise TemplateExpired
    try:
        salt = bytes(row.salt.value)
    except TemplateSalt.DoesNotExist:
        raise TemplateShredded from None
    context = context_of(row, rotation or rotation_id(keys.rotation))
    return decrypt_template(
        row.encrypted_template, context=context, master=keys.master(row.key_id), salt=salt
    )


def store_encrypted(
    row: CustomerBiometric, template: Float32Array, *, keys: TemplateKeys, is_new: bool
) -> None:
    """Encrypt a rotated template with the newest key and a new salt, and save row and salt."""
    salt = os.urandom(SALT_BYTES)
    row.template_version = TEMPLATE_VERSION
    row.key_id = keys.newest
    row.encrypted_template = encrypt_template(
        template,
        context=context_of(row, rotation_id(keys.rotation)),
        master=keys.master(keys.newest),
        salt=salt,
    )
    if is_new:
        row.save(force_insert=True)
    else:
        row.save(update_fields=["template_version", "key_id", "encrypted_template"])
    row.salt, _ = TemplateSalt.objects.update_or_create(template=row, defaults={"value": salt})


@transaction.atomic
def erase_templates(
    *, customer_id: UUID, by: str, reason: str, purposes: Sequence[str] = FacePurpose.values
) -> int:
    """
    Delete a customer's templates with their salts; return how many. Safe to repeat.

    reason: code for the audit log, for example `withdrawal`. Within the transaction of the caller;
    at its commit every process drops them from memory.
    """
    rows = CustomerBiometric.objects.filter(customer_id=customer_id, purpose__in=purposes)
    return _erase(rows, by=by, reason=reason)


@transaction.atomic
def erase_withdrawn(*, customer_id: UUID, by: str) -> int:
    """Delete the templates of a customer whose consents are withdrawn; return how many."""
    rows = CustomerBiometric.objects.filter(
        customer_id=customer_id, consent__withdrawn_at__isnull=False
    )
    return _erase(rows, by=by, reason="withdrawal")


@transaction.atomic
def erase_province(*, province: str, by: str) -> int:
    """Delete all templates of a province that no longer uses biometrics; return how many."""
    rows = CustomerBiometric.objects.filter(province=province)
    return _erase(rows.exclude(customer_id__in=subjects_on_hold()), by=by, reason="province")


def record_expired(template_ids: Sequence[UUID]) -> None:
    """Append an audit entry for each template that the retention rule has deleted."""
    record_all(
        AuditEvent(action=Action.ERASE, reason="expired", actor="task:retention", template_id=pk)
        for pk in template_ids
    )


def digest(row: CustomerBiometric) -> str:
    """Return the sha256 of the stored token, which the audit log keeps."""
    return sha256(row.encrypted_template).hexdigest()


def audited_values(row: CustomerBiometric) -> dict[str, Any]:
    """Return the values of a row that audit entries have."""
    return {
        "template_id": row.pk,
        "province": row.province,
        "store_group": row.store_group,
        "purpose": row.purpose,
    }


def _erase(rows: QuerySet[CustomerBiometric], *, by: str, reason: str) -> int:
    found = list(rows.select_for_update(of=("self",)).order_by("pk"))
    record_all(
        AuditEvent(action=Action.ERASE, reason=reason, actor=by, **audited_values(row))
        for row in found
    )
    CustomerBiometric.objects.filter(pk__in=[row.pk for row in found]).delete()
    customer_ids = [row.customer_id for row in found if row.customer_id is not None]
    transaction.on_commit(partial(forget_customers, customer_ids))
    return len(found)


def _erase_replaced(customer: CustomerProfile, purpose: str, *, by: str) -> None:
    """Delete the customer's earlier template. Raises Conflict: a legal hold retains it."""
    rows = CustomerBiometric.objects.filter(customer=customer, purpose=purpose)
    if rows.exists() and active_legal_hold(customer.pk):
        reason = _("a legal hold retains the earlier template of this customer")
        raise Conflict(_("The customer cannot be enrolled."), [("customer_id", reason)])
    _erase(rows, by=by, reason="replaced")


def _checked_embedding(embedding: Any) -> Float32Array:
    vector = np.asarray(embedding)
    if vector.shape != (DIMENSION,) or vector.dtype != np.float32:
        raise EmbeddingRefused(f"The embedding must be float32 with {DIMENSION} dimensions.")
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    if not abs(norm - 1.0) <= _MAX_NORM_ERROR:  # also refuses NaN and infinity
        raise EmbeddingRefused("The embedding must be finite and have unit length.")
    return vector


def _check_names(model: str, quality: float) -> None:
    if not model or len(model) > _MAX_MODEL_LENGTH:
        raise BadInput("model", f"must have 1 to {_MAX_MODEL_LENGTH} characters")
    if not 0 <= quality <= 1:
        raise BadInput("quality", "must be between 0 and 1")


def _valid_consent(customer: CustomerProfile, consent: Consent) -> Consent:
    """Return the consent as it is now; the customer's row is locked. Raises ConsentMissing."""
    current = Consent.objects.select_related("text").filter(pk=consent.pk).first()
    if current is None or current.customer_id != customer.pk:
        raise ConsentMissing(_("the consent is not one of this customer"))
    if current.withdrawn_at is not None:
        raise ConsentMissing(_("the consent is withdrawn"))
    if current.purpose not in FacePurpose.values:
        raise ConsentMissing(_("the consent is for another purpose"))
    if not current.language or not current.channel:
        raise ConsentMissing(_("language and channel of the consent are not recorded"))
    if not customer.is_age_verified:
        raise ConsentMissing(_("the age of the customer is not verified"))
    return current


def context_of(row: CustomerBiometric, rotation: bytes) -> TemplateContext:
    """Return the values of a row that its token is bound to; rotation: id of the rotation key."""
    assert row.customer_id is not None and row.expires_at is not None  # noqa: S101, PT018  # narrows
    return TemplateContext(
        id=row.pk,
        customer_id=row.customer_id,
        consent_id=row.consent_id,
        model=row.model,
        expires_at=row.expires_at,
        rotation_id=rotation,
        version=row.template_version,
    )


def _load_event(rows: QuerySet[CustomerBiometric], *, count: int, by: str) -> AuditEvent:
    """Return the entry of many reads, with province, group and purpose where all have the same."""
    names = ("province", "store_group", "purpose")
    groups = list(rows.order_by().values_list(*names).distinct())
    common: dict[str, Any] = {
        name: values.pop() if len(values := set(column)) == 1 else ""
        for name, column in zip(names, zip(*groups, strict=True), strict=True)
    }
    return AuditEvent(action=Action.LOAD, actor=by, count=count, **common)


def _report_refusal(row: CustomerBiometric, error: TemplateRefused) -> None:
    part = error.part if isinstance(error, TemplateTampered) else ""
    log.warning("template.refused", template_id=str(row.pk), code=error.code, part=part)
