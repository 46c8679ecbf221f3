"""Work of the engine on the home page: alerts, quarantine, erasures, model versions."""

from collections.abc import Iterator

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.admin.work_list import Urgency, WorkItem, register
from mlops.waiting_work import (
    open_alerts,
    open_quarantine,
    unfinished_erasures,
    versions_to_approve,
)


@register("mlops.view_alert")
def alerts() -> Iterator[WorkItem]:
    """Yield the open alerts by severity."""
    url = reverse("admin:mlops_alert_changelist")
    for severity, waiting in open_alerts():
        is_error = severity == "error"
        yield WorkItem(
            title=_("Alerts: errors") if is_error else _("Alerts: warnings"),
            count=waiting.count,
            oldest_at=waiting.oldest_at,
            url=f"{url}?severity={severity}",
            urgency=Urgency.CRITICAL if is_error else Urgency.WARNING,
        )


@register("mlops.view_quarantinedrecord")
def quarantine() -> Iterator[WorkItem]:
    """Yield the records in quarantine."""
    waiting = open_quarantine()
    yield WorkItem(
        title=_("Rejected records in quarantine"),
        count=waiting.count,
        oldest_at=waiting.oldest_at,
        url=reverse("admin:mlops_quarantinedrecord_changelist"),
    )


@register("mlops.view_erasure")
def erasures() -> Iterator[WorkItem]:
    """Yield the erasures that are not finished."""
    waiting = unfinished_erasures()
    yield WorkItem(
        title=_("Erasures that are not complete"),
        count=waiting.count,
        oldest_at=waiting.oldest_at,
        url=reverse("admin:mlops_erasure_changelist"),
        urgency=Urgency.CRITICAL,
    )


@register("mlops.view_modelversion")
def model_versions() -> Iterator[WorkItem]:
    """Yield the model versions to approve."""
    waiting = versions_to_approve()
    yield WorkItem(
        title=_("Model versions to approve"),
        count=waiting.count,
        oldest_at=waiting.oldest_at,
        url=reverse("admin:mlops_modelversion_changelist") + "?verdict=passed",
    )
