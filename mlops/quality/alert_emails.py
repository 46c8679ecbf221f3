"""
E-mails about alerts to the staff who have subscribed to them.

A message is a row before it is sent, one for each alert and receiver. A failed attempt is repeated,
with a pause that doubles. A process that dies between sending and recording sends a message twice;
both have the same Message-ID.
"""

from datetime import datetime, timedelta
from email.utils import parseaddr

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from mlops.models import Alert, AlertEmail, AlertSubscription
from mlops.quality.kinds import find_kind

log = structlog.get_logger(__name__)
MAX_ATTEMPTS = 10
VIEW_PERMISSION = "mlops.view_alert"
_FIRST_DELAY = timedelta(minutes=1)
_MAX_DELAY = timedelta(hours=3)
_LEASE = timedelta(minutes=5)
_BATCH_SIZE = 50
_MAX_SUBJECT_LENGTH = 120
Status = AlertEmail.Status


def send_alert_emails() -> dict[str, int]:
    """
    Queue a message for each new alert and subscriber, and send those that are due.

    Returns the number of messages by state. Safe to repeat; several processes may share the work.
    """
    counts = {"queued": _queue_messages(), **dict.fromkeys(Status.values, 0)}
    while messages := _claim(timezone.now()):
        for message in messages:
            _attempt(message, now=timezone.now())
            counts[message.status] += 1
    return counts


def _queue_messages() -> int:
    """Create the messages that are missing; return how many."""
    subscriptions = AlertSubscription.objects.filter(is_active=True, user__is_active=True)
    queued = 0
    for subscription in subscriptions.exclude(user__email="").select_related("user"):
        if not subscription.user.has_perm(VIEW_PERMISSION):
            continue
        alerts = Alert.objects.filter(
            closed_at=None,
            opened_at__gte=subscription.created_at,
            severity__in=subscription.severities,
        ).exclude(emails__user=subscription.user)
        if subscription.codes:
            alerts = alerts.filter(code__in=subscription.codes)
        messages = AlertEmail.objects.bulk_create(
            [
                AlertEmail(alert=alert, user=subscription.user, language=subscription.language)
                for alert in alerts
            ],
            ignore_conflicts=True,
        )
        queued += len(messages)
    return queued


@transaction.atomic
def _claim(now: datetime) -> list[AlertEmail]:
    """Return messages that are due, reserved for this process."""
    due = AlertEmail.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        status=Status.PENDING, next_attempt_at__lte=now
    )
    messages = list(due.select_related("alert", "user").order_by("next_attempt_at")[:_BATCH_SIZE])
    ids = [message.pk for message in messages]
    AlertEmail.objects.filter(pk__in=ids).update(next_attempt_at=now + _LEASE)
    return messages


def _attempt(message: AlertEmail, *, now: datetime) -> None:
    """Send a message once and record the outcome."""
    if not _is_wanted(message):
        message.status = Status.DROPPED
    else:
        message.attempts += 1
        try:
            _compose(message).send()
        except OSError as error:  # smtplib's errors are OSErrors
            _record_failure(message, error, now)
        else:
            message.status = Status.SENT
            message.sent_at = now
            message.error = ""
    message.save(
        update_fields=("status", "attempts", "next_attempt_at", "error", "sent_at"),
    )


def _is_wanted(message: AlertEmail) -> bool:
    user = message.user
    return bool(
        message.alert.closed_at is None
        and user.is_active
        and user.email
        and user.has_perm(VIEW_PERMISSION)
    )


def _record_failure(message: AlertEmail, error: OSError, now: datetime) -> None:
    message.error = type(error).__name__
    is_last = message.attempts >= MAX_ATTEMPTS
    if is_last:
        message.status = Status.DEAD
    pause: timedelta = min(_MAX_DELAY, _FIRST_DELAY * 2 ** (message.attempts - 1))
    message.next_attempt_at = now + pause
    log.warning(
        "alert.email_failed",
        message_id=message.pk,
        attempts=message.attempts,
        error_type=message.error,
        is_last=is_last,
    )


def _compose(message: AlertEmail) -> EmailMessage:
    """Return the message in the language of the subscription."""
    alert = message.alert
    with translation.override(message.language):
        kind = find_kind(alert.code)
        title = f"{alert.get_severity_display()}: {kind.title} ({alert.subject})"
        lines = [alert.message, "", str(kind.advice), *_link_lines(alert)]
        footer = _("You receive this because you have subscribed to alerts in Cultivar.")
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    return EmailMessage(
        f"Cultivar: {title}"[:_MAX_SUBJECT_LENGTH].replace("\n", " "),
        "\n".join([*lines, "", footer]),
        to=[message.user.email],
        headers={"Message-ID": f"<alert-{alert.pk}-{message.user_id}@{domain or 'localhost'}>"},
    )


def _link_lines(alert: Alert) -> list[str]:
    """Return the address of the alert, where the address of the console is known."""
    if not settings.CSRF_TRUSTED_ORIGINS:
        return []
    # Not by `reverse`: a worker would import every page of the console.
    path = f"{settings.LOGIN_REDIRECT_URL}mlops/alert/{alert.pk}/change/"
    return ["", f"{settings.CSRF_TRUSTED_ORIGINS[0]}{path}"]


def save_subscription(*, subscription: AlertSubscription, user_id: int) -> None:
    """Save a subscription of a person."""
    subscription.user_id = user_id
    subscription.save()
