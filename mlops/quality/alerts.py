"""Alerts: one an incident, told once by e-mail and webhook, closed when the cause is gone."""

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from config.clients.http import HttpClient, HttpFailed
from mlops.models import Alert, Run

log = structlog.get_logger(__name__)


def open_alert(
    *, code: str, subject: str, message: str, severity: str = "error", run: Run | None = None
) -> Alert:
    """Open the alert of an incident, or bring the words of the one that is open up to date."""
    alert, is_new = Alert.objects.get_or_create(
        code=code,
        subject=subject[:100],
        closed_at=None,
        defaults={"message": message, "severity": severity, "run": run},
    )
    if not is_new and alert.message != message:
        Alert.objects.filter(pk=alert.pk).update(message=message, severity=severity)
    return alert


def close_alerts(*, codes: tuple[str, ...], subject: str) -> int:
    """Close what is open of these codes on a subject; return how many."""
    gone = Alert.objects.filter(code__in=codes, subject=subject[:100], closed_at=None)
    return gone.update(closed_at=timezone.now())


def notify_alerts() -> int:
    """
    Tell people of every open alert that they have not been told of; return how many.

    What cannot be sent stays due and is tried at the next call; told by one way and not by the other, it is told again by
    both: twice is better than never.
    """
    told = 0
    for alert in Alert.objects.filter(closed_at=None, notified_at=None).order_by("opened_at")[:100]:
        try:
            _send(alert)
        except (HttpFailed, OSError) as error:  # smtplib's errors are OSErrors
            log.warning("alert not sent", alert=alert.pk, reason=type(error).__name__)
            continue
        told += Alert.objects.filter(pk=alert.pk, notified_at=None).update(
            notified_at=timezone.now()
        )
    return told


def _send(alert: Alert) -> None:
    if settings.ALERT_WEBHOOK_URL:
        with HttpClient(
            base_url=settings.ALERT_WEBHOOK_URL, timeout_seconds=5, retries=2
        ) as client:
            client.post(
                "",
                json=_told(alert),
                headers={"Idempotency-Key": f"alert-{alert.pk}"},
                is_idempotent=True,
            )
    if settings.ALERT_EMAILS:
        send_mail(
            f"Cultivar: {alert.code} ({alert.subject})", alert.message, None, settings.ALERT_EMAILS
        )


def _told(alert: Alert) -> dict[str, str | int]:
    return {
        "id": alert.pk,
        "code": alert.code,
        "subject": alert.subject,
        "message": alert.message,
        "severity": alert.severity,
        "opened_at": alert.opened_at.isoformat(),
    }
