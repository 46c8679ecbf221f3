"""Reminders of templates that expire soon, as events of the outbox."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from biometrics.models import CustomerBiometric
from biometrics.selectors.templates import EXPIRY_NOTICE_PERIOD, usable
from mlops.models import OutboxEvent

TOPIC, TYPE = "customer_notices", "face_template_expiring"
_BATCH_SIZE = 500


def enqueue_reminders(*, now: datetime | None = None) -> int:
    """
    Enqueue one event for each template that expires within 30 days; return how many.

    Whoever writes to customers may use it to offer a new enrolment. Safe to repeat.
    """
    moment = now or timezone.now()
    total = 0
    while count := _enqueue_batch(moment):
        total += count
    return total


@transaction.atomic
def _enqueue_batch(now: datetime) -> int:
    due = usable(now=now).filter(expires_at__lte=now + EXPIRY_NOTICE_PERIOD, reminded_at=None)
    rows = list(
        due.select_for_update(of=("self",), skip_locked=True).order_by("expires_at")[:_BATCH_SIZE]
    )
    OutboxEvent.objects.bulk_create(
        [
            OutboxEvent(
                topic=TOPIC,
                key=str(row.customer_id),
                type=TYPE,
                data={
                    "customer_id": str(row.customer_id),
                    "purpose": row.purpose,
                    "expires_at": row.expires_at.isoformat() if row.expires_at else None,
                },
            )
            for row in rows
        ]
    )
    CustomerBiometric.objects.filter(pk__in=[row.pk for row in rows]).update(reminded_at=now)
    return len(rows)
