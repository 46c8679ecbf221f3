"""Templates that may be used at this moment."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BigIntegerField, BinaryField, Count, F, Func, Q, QuerySet
from django.utils import timezone
from psycopg import capabilities

from biometrics.models import CustomerBiometric, FacePurpose
from biometrics.selectors.provinces import is_enabled
from customers.models import Consent, CustomerProfile

_CHUNK_SIZE = 500
_MICROSECONDS = "(extract(epoch from %(expressions)s) * 1000000)::bigint"
CHANGE_NOTICE = "biometrics"
"""Member of the changed rows (`config.cache.invalidation`) when any template may have changed."""

EXPIRY_NOTICE_PERIOD = timedelta(days=30)
"""Time before the expiry from which a new enrolment is offered."""


def usable(*, now: datetime | None = None) -> QuerySet[CustomerBiometric]:
    """
    Return templates that have not expired and whose own consent is active, with their salts.

    Salts that are deleted leave their templates out.
    """
    return CustomerBiometric.objects.filter(
        expires_at__gt=now or timezone.now(),
        consent__withdrawn_at=None,
        consent__customer=F("customer"),
        consent__purpose=F("purpose"),
    ).select_related("salt")


def matchable(
    *, province: str, store_group: str, now: datetime | None = None
) -> QuerySet[CustomerBiometric]:
    """
    Return the templates of customers who may be identified (1:N) in a group of stores.

    Empty where identification is not enabled. Whoever copies them must drop each at its
    `expires_at`, and all after a notice of `CHANGE_NOTICE`.
    """
    if not is_enabled(province=province, purpose=FacePurpose.IDENTIFICATION, now=now):
        return CustomerBiometric.objects.none()
    return usable(now=now).filter(
        province=province, store_group=store_group, purpose=FacePurpose.IDENTIFICATION
    )


def verification_template(
    *, customer: CustomerProfile, now: datetime | None = None
) -> CustomerBiometric | None:
    """Return the template for the verification (1:1) of a customer, None without one."""
    row = usable(now=now).filter(customer=customer, purpose=FacePurpose.VERIFICATION).first()
    if row and is_enabled(province=row.province, purpose=row.purpose, now=now):
        return row
    return None


def template_counts(*, now: datetime | None = None) -> list[dict[str, Any]]:
    """Return the numbers of stored, usable and soon expiring templates by group of rows."""
    moment = now or timezone.now()
    is_usable = Q(expires_at__gt=moment, consent__withdrawn_at=None)
    expires_soon = Q(expires_at__lte=moment + EXPIRY_NOTICE_PERIOD)
    groups = CustomerBiometric.objects.order_by("province", "purpose", "model").values(
        "province", "purpose", "model"
    )
    counted = groups.annotate(
        stored=Count("pk"),
        usable=Count("pk", filter=is_usable),
        expiring=Count("pk", filter=is_usable & expires_soon),
    )
    return [dict(row) for row in counted]


def identifiable_template(pk: UUID, *, now: datetime | None = None) -> CustomerBiometric | None:
    """Return the template of an identification (1:N) with its customer, None if unusable."""
    rows = usable(now=now).filter(pk=pk, purpose=FacePurpose.IDENTIFICATION)
    row = rows.select_related("customer").first()
    if row and is_enabled(province=row.province, purpose=row.purpose, now=now):
        return row
    return None


def active_face_consent(*, customer: CustomerProfile, purpose: str) -> Consent | None:
    """Return the customer's active consent to a purpose of biometrics, None without one."""
    return Consent.objects.filter(customer=customer, purpose=purpose, withdrawn_at=None).first()


def has_templates(*, customer: CustomerProfile, purposes: Sequence[str]) -> bool:
    """Return whether templates of a customer are stored, usable or not."""
    return CustomerBiometric.objects.filter(customer=customer, purpose__in=purposes).exists()


StoredTemplate = tuple[bytes, bytes, bytes, int, bytes, bytes | None, str, int, str]
"""
A stored template in binary form.

Ids of template, customer and consent (16 bytes each), expiry in microseconds since 1970, token,
salt (None if it was deleted), id of the key, version, model.
"""


def stored_templates(rows: QuerySet[CustomerBiometric]) -> Iterator[StoredTemplate]:
    """
    Yield the templates of a query in binary form, in its order.

    A tenth of the time that model instances take: a gallery has thousands of rows.
    """
    columns = rows.values_list(
        _uuid_bytes("pk"),
        _uuid_bytes("customer_id"),
        _uuid_bytes("consent_id"),
        Func(F("expires_at"), template=_MICROSECONDS, output_field=BigIntegerField()),
        "encrypted_template",
        "salt__value",
        "key_id",
        "template_version",
        "model",
    )
    try:
        sql, parameters = columns.query.sql_with_params()
    except EmptyResultSet:
        return
    connection.ensure_connection()
    # Django's own cursors cannot receive binary values.
    with psycopg.Cursor(connection.connection) as cursor:
        # In chunks: the database prepares the next while this process decrypts.
        found = cursor.stream(
            sql, [_as_plain(value) for value in parameters], binary=True, size=_chunk_size()
        )
        yield from found


def _chunk_size() -> int:
    return _CHUNK_SIZE if capabilities.has_stream_chunked() else 1


def _uuid_bytes(column: str) -> Func:
    return Func(F(column), function="uuid_send", output_field=BinaryField())


def _as_plain(value: Any) -> Any:
    # psycopg would send the name of a choice instead of its value.
    return str(value) if isinstance(value, str) else value


def customers_with_withdrawn_consents() -> list[UUID]:
    """Return the customers with a template whose consent is withdrawn (during a legal hold)."""
    withdrawn = CustomerBiometric.objects.filter(consent__withdrawn_at__isnull=False)
    return list(withdrawn.order_by().values_list("customer_id", flat=True).distinct())
