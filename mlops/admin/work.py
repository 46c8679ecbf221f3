"""Work of the engine on the home page: alerts, quarantine, erasures, model versions."""

from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.admin.work_list import Urgency, WorkItem, register
from mlops.admin.alerts import ACKNOWLEDGED_PARAM
from mlops.admin.assignments import ASSIGNEE_PARAM, MINE, UNASSIGNED
from mlops.admin.subject_links import page_with
from mlops.waiting_work import (
    Waiting,
    open_alerts,
    open_quarantine,
    unfinished_erasures,
    versions_to_approve,
)

_ALERT_TITLES = {
    ("error", False): _("Alerts: errors"),
    ("error", True): _("Alerts: acknowledged errors"),
    ("warning", False): _("Alerts: warnings"),
    ("warning", True): _("Alerts: acknowledged warnings"),
}


def assignable_work(
    page: str,
    *,
    title: Any,
    waiting: Waiting,
    urgency: Urgency = Urgency.ROUTINE,
    **params: Any,
) -> WorkItem:
    """Return an item of rows that people are put in charge of, with the pages of its parts."""
    return WorkItem(
        title=title,
        count=waiting.count,
        oldest_at=waiting.oldest_at,
        url=page_with(page, **params),
        urgency=urgency,
        by_assignee=waiting.by_assignee,
        assignee_urls={
            name: page_with(page, **params, **{ASSIGNEE_PARAM: name}) for name in (MINE, UNASSIGNED)
        },
    )


@register("mlops.view_alert")
def alerts() -> Iterator[WorkItem]:
    """Yield the open alerts by severity; acknowledged ones are less urgent."""
    for severity, is_acknowledged, waiting in open_alerts():
        urgency = Urgency.CRITICAL if severity == "error" else Urgency.WARNING
        yield assignable_work(
            "mlops_alert_changelist",
            title=_ALERT_TITLES[severity, is_acknowledged],
            waiting=waiting,
            urgency=Urgency.ROUTINE if is_acknowledged else urgency,
            severity=severity,
            **{ACKNOWLEDGED_PARAM: "yes" if is_acknowledged else "no"},
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
