"""Acknowledging and resolving of alerts by staff."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from config.errors import BadInput, CultivarError
from mlops.assignments import record_comment
from mlops.models import Alert, Comment


class AlertClosed(CultivarError):
    """The alert is closed already."""

    code = "alert_closed"


@transaction.atomic
def acknowledge_alert(*, alert: Alert, by: Any, reason: str = "") -> bool:
    """
    Record that a person has taken notice; return whether that is new.

    Raises AlertClosed.
    """
    current = _lock_open_alert(alert)
    if current.acknowledged_at is not None:
        return False
    Alert.objects.filter(pk=alert.pk).update(acknowledged_at=timezone.now(), acknowledged_by=by)
    record_comment(row=alert, action=Comment.Action.ACKNOWLEDGE, by=by, text=reason)
    return True


@transaction.atomic
def resolve_alert(*, alert: Alert, by: Any, reason: str) -> None:
    """
    Close an alert. While its cause lasts, the next check opens another one.

    Raises AlertClosed; BadInput: there is no reason.
    """
    if not reason.strip():
        raise BadInput("text", _("To resolve an alert, state the reason."))
    _lock_open_alert(alert)
    Alert.objects.filter(pk=alert.pk).update(closed_at=timezone.now(), closed_by=by)
    record_comment(row=alert, action=Comment.Action.RESOLVE, by=by, text=reason)


def _lock_open_alert(alert: Alert) -> Alert:
    current = Alert.objects.select_for_update(of=("self",)).get(pk=alert.pk)
    if current.closed_at is not None:
        raise AlertClosed(_("This alert is closed already."))
    return current
