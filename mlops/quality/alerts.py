"""Alerts: one per incident, sent once by e-mail and webhook, closed when the cause is gone."""

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from config.clients.http import HttpClient, HttpFailed
from mlops.models import Alert, Run

log = structlog.get_logger(__name__)
_MAX_SUBJECT_LENGTH = 100
_BATCH_SIZE = 100


def open_alert(
    *, code: str, subject: str, message: str, severity: str = "error", run: Run | None = None
) -> Alert:
    """Open an alert; if one with this code and subject is open, update its message."""
    alert, is_new = Alert.objects.get_or_create(
        code=code,
        subject=subject[:_MAX_SUBJECT_LENGTH],
        closed_at=None,
        defaults={"message": message, "severity": severity, "run": run},
    )
    if not is_new and alert.message != message:
        Alert.objects.filter(pk=alert.pk).update(message=message, severity=severity)
    return alert


def close_alerts(*, codes: tuple[str, ...], subject: str) -> int:
    """Close the open alerts with these codes and this subject; return how many."""
    open_alerts = Alert.objects.filter(
        code__in=codes, subject=subject[:_MAX_SUBJECT_LENGTH], closed_at=None
    )
    return open_alerts.update(closed_at=timezone.now())


def notify_alerts() -> int:
    """
    Send every open alert that was not sent yet; return how many.

    An alert that cannot be sent stays due. If only one of webhook and e-mail fails, both are sent
    again: a repeated message is better than a lost one.
    """
    due = Alert.objects.filter(closed_at=None, notified_at=None).order_by("opened_at")
    sent = 0
    for alert in due[:_BATCH_SIZE]:
        try:
            _send(alert)
        except (HttpFailed, OSError) as error:  # smtplib's errors are OSErrors
            log.warning("alert.not_sent", alert_id=alert.pk, error_type=type(error).__name__)
            continue
        sent += Alert.objects.filter(pk=alert.pk, notified_at=None).update(
            notified_at=timezone.now()
        )
    return sent


def _send(alert: Alert) -> None:
    if settings.ALERT_WEBHOOK_URL:
        with HttpClient(
            base_url=settings.ALERT_WEBHOOK_URL,
            timeout_seconds=5,
            retries=2,
            is_operator_address=True,
        ) as client:
            client.post(
                "",
                json=_webhook_payload(alert),
                headers={"Idempotency-Key": f"alert-{alert.pk}"},
                is_idempotent=True,
            )
    if settings.ALERT_EMAILS:
        send_mail(
            f"Cultivar: {alert.code} ({alert.subject})", alert.message, None, settings.ALERT_EMAILS
        )


def _webhook_payload(alert: Alert) -> dict[str, str | int]:
    return {
        "id": alert.pk,
        "code": alert.code,
        "subject": alert.subject,
        "message": alert.message,
        "severity": alert.severity,
        "opened_at": alert.opened_at.isoformat(),
    }
