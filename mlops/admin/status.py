"""Event streams, freshness of sources and served models on the status page."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.admin.status import State, Status, register
from config.clients import kafka
from mlops.models.registry import EVERYWHERE
from mlops.quality.freshness import monitored_sources
from mlops.registry import TRAINERS, current_deployments
from mlops.streams import selectors

_RECENT = timedelta(hours=1)


@register(gettext_lazy("Event streams"), "mlops.view_inboxevent")
def streams() -> Iterator[Status]:
    """Yield each consumer and partition with its lag, and the events to publish."""
    url = reverse("admin:mlops_inboxevent_streams")
    if not kafka.is_configured():
        yield Status(
            title="Kafka",
            state=State.UNUSED,
            detail=_("Events are received by the API only."),
            url=url,
        )
        return
    metrics = selectors.newest_partition_metrics(since=timezone.now() - _RECENT)
    if not metrics:
        yield Status(
            title="Kafka",
            state=State.FAILED,
            detail=_("No consumer has reported in the last hour."),
            advice=_("Start the consumer, and check the address of the brokers."),
            url=url,
        )
    for metric in metrics:
        lag = int(metric.get("lag", 0))
        is_late = lag > settings.KAFKA_LAG_ALERT
        yield Status(
            title=f"{metric['consumer']} {metric['partition']}",
            state=State.WARNING if is_late else State.OK,
            since=metric["measured_at"],
            detail=_("%(count)s events wait") % {"count": lag},
            advice=_("Start more consumers, or look for rejected events.") if is_late else "",
            url=url,
        )


@register(gettext_lazy("Freshness of sources"), "catalog.view_catalogsource")
def freshness() -> Iterator[Status]:
    """Yield each source that must deliver, with the time of its newest data."""
    now = timezone.now()
    for source in monitored_sources():
        yield Status(
            title=source.label,
            state=State.OK if source.is_fresh(now) else State.WARNING,
            since=source.newest_at,
            detail=_("newest data; at most %(hours)g hours old")
            % {"hours": source.max_age / timedelta(hours=1)},
            advice=""
            if source.is_fresh(now)
            else _("Look at its last run, and at its address and credentials."),
        )


@register(gettext_lazy("Models that serve"), "mlops.view_deployment")
def models() -> Iterable[Status]:
    """Yield each model with its current deployments."""
    url = reverse("admin:mlops_deployment_changelist")
    now = timezone.now()
    for model in sorted(TRAINERS.by_name()):
        deployments = current_deployments(model=model, at=now)
        if not deployments:
            yield Status(
                title=model,
                state=State.UNUSED,
                detail=_("No version is deployed; the built-in method serves."),
                url=url,
            )
        for deployment in deployments:
            yield Status(
                title=model,
                state=State.OK,
                since=deployment.started_at,
                detail=_("version %(number)s as %(role)s, scope: %(scope)s")
                % {
                    "number": deployment.version.number,
                    "role": deployment.get_role_display(),
                    "scope": _("everywhere")
                    if deployment.scope == EVERYWHERE
                    else deployment.scope,
                },
                url=url,
            )
