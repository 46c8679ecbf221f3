"""
Webhooks: events of the outbox are posted to the clients that have subscribed to them.

A trigger on the outbox writes a delivery for each subscriber, in the transaction of the change.
Deliveries are signed as Standard Webhooks describes (https://www.standardwebhooks.com), at least
once and in no particular order; `occurred_at` and the id of the event let a receiver sort and
ignore repetitions. A failed delivery is repeated with exponential backoff and full jitter.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.db import transaction
from django.utils import timezone

from config.clients.address_guard import AddressRefused, check_source_url
from config.clients.http import HttpClient, HttpFailed
from mlops.models import Webhook, WebhookDelivery

MAX_ATTEMPTS = 12
BATCH_SIZE = 100
_SECRET_BYTES = 32
_SECRET_PREFIX = "whsec_"  # noqa: S105  # of every secret, as the standard has it
_FIRST_DELAY = timedelta(seconds=30)
_MAX_DELAY = timedelta(hours=6)
_LEASE = timedelta(minutes=5)
"""While an attempt lasts; the delivery is due again if the process dies."""
_TIMEOUT_SECONDS = 10
_MAX_RESPONSE_BYTES = 65_536
_MAX_ERROR_LENGTH = 200
Status = WebhookDelivery.Status
_jitter = Random()  # noqa: S311  # spreads attempts, protects nothing


@dataclass(frozen=True, slots=True)
class Signed:
    """Body of a delivery, and the headers that prove its origin."""

    body: bytes
    headers: dict[str, str]


def create_secret() -> tuple[bytes, str]:
    """Return a new secret, and the text that its receiver is given."""
    secret = secrets.token_bytes(_SECRET_BYTES)
    return secret, _SECRET_PREFIX + base64.b64encode(secret).decode()


def save_with_new_secret(webhook: Webhook) -> str:
    """Save a webhook with a new secret; return its text, which cannot be read again."""
    secret, text = create_secret()
    webhook.secret = secret
    webhook.save()
    return text


def sign(*, secret: bytes, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return the headers id, timestamp and HMAC-SHA256 signature of a body."""
    timestamp = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def backoff(attempts: int, *, random: Random) -> timedelta:
    """Return the time until the next attempt: up to 30 s, doubled each time, at most 6 hours."""
    longest: timedelta = min(_MAX_DELAY, _FIRST_DELAY * 2 ** min(attempts, 20))
    return longest * random.uniform(0.5, 1)


def deliver_due(*, now: Callable[[], datetime] = timezone.now) -> dict[str, int]:
    """
    Post every delivery that is due; return counts by state. Several processes may share the work.

    Safe to repeat: a delivery is posted again only if the receiver has not accepted it.
    """
    counts = dict.fromkeys(Status.values, 0)
    while deliveries := _claim(now()):
        for delivery in deliveries:
            _attempt(delivery, now=now)
            counts[delivery.status] += 1
    return counts


def replay(deliveries: Iterable[WebhookDelivery]) -> int:
    """Make deliveries due again, with all attempts; return how many."""
    ids = [delivery.pk for delivery in deliveries]
    return WebhookDelivery.objects.filter(pk__in=ids).update(
        status=Status.PENDING, attempts=0, next_attempt_at=timezone.now(), error=""
    )


@transaction.atomic
def _claim(now: datetime) -> list[WebhookDelivery]:
    """Return deliveries that are due, reserved for this process."""
    due = WebhookDelivery.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        status=Status.PENDING, next_attempt_at__lte=now, webhook__is_active=True
    )
    deliveries = list(due.select_related("webhook").order_by("next_attempt_at")[:BATCH_SIZE])
    ids = [delivery.pk for delivery in deliveries]
    WebhookDelivery.objects.filter(pk__in=ids).update(next_attempt_at=now + _LEASE)
    return deliveries


def _attempt(delivery: WebhookDelivery, *, now: Callable[[], datetime]) -> None:
    """Post a delivery once and record the outcome."""
    delivery.attempts += 1
    delivery.response_status, delivery.error = _post(delivery, at=now())
    if not delivery.error:
        delivery.status = Status.DELIVERED
        delivery.delivered_at = now()
    elif delivery.attempts >= MAX_ATTEMPTS:
        delivery.status = Status.DEAD
    else:
        delivery.next_attempt_at = now() + backoff(delivery.attempts, random=_jitter)
    delivery.save(
        update_fields=(
            "attempts",
            "response_status",
            "error",
            "status",
            "delivered_at",
            "next_attempt_at",
        )
    )


def _post(delivery: WebhookDelivery, *, at: datetime) -> tuple[int | None, str]:
    """Post a delivery; return the status of the response, and why it failed; "": it did not."""
    signed = signed_delivery(delivery, at=at)
    try:
        check_source_url(delivery.webhook.url)
        with HttpClient(
            base_url=delivery.webhook.url,
            timeout_seconds=_TIMEOUT_SECONDS,
            total_timeout_seconds=_TIMEOUT_SECONDS,
            retries=0,
            max_bytes=_MAX_RESPONSE_BYTES,
            follows_redirects=False,
        ) as client:
            result = client.post("", body=signed.body, headers=signed.headers)
    except AddressRefused as error:
        return None, error.reason[:_MAX_ERROR_LENGTH]
    except HttpFailed as error:
        return error.status, (f"status {error.status}" if error.status else "no response")
    if result.status >= 300:
        return result.status, f"status {result.status}"
    return result.status, ""


def signed_delivery(delivery: WebhookDelivery, *, at: datetime) -> Signed:
    """Return body and headers of a delivery."""
    envelope: dict[str, Any] = {
        "id": str(delivery.event_id),
        "type": delivery.type,
        "version": 1,
        "occurred_at": delivery.occurred_at.isoformat(),
        "data": delivery.data,
    }
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
    headers = sign(
        secret=delivery.webhook.secret, message_id=str(delivery.event_id), at=at, body=body
    )
    return Signed(body, {"Content-Type": "application/json", **headers})
