"""Charts of the home page: rejected records, and lag of the streams."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.admin.home_charts import ChartData, HomeChart, register
from mlops.streams import selectors
from mlops.waiting_work import quarantined_by_day

_DAYS = 30


def _quarantine() -> ChartData | None:
    today = timezone.localdate()
    days = [today - timedelta(days=number) for number in reversed(range(_DAYS))]
    by_day = quarantined_by_day(since=days[0])
    if not by_day:
        return None
    return ChartData(
        labels=[f"{day:%m-%d}" for day in days],
        series=[(_("rejected records"), [by_day.get(day, 0) for day in days])],
        unit=_("records"),
    )


def _lag() -> ChartData | None:
    lag, _rate = selectors.lag_and_rate_by_minute(since=timezone.now() - timedelta(hours=1))
    if not lag:
        return None
    minutes = sorted(lag)
    return ChartData(
        labels=[timezone.localtime(minute).strftime("%H:%M") for minute in minutes],
        series=[(_("events that wait"), [lag[minute] for minute in minutes])],
        unit=_("events"),
    )


register(
    HomeChart(
        name="quarantine",
        title=_("Rejected records in the last 30 days"),
        permission="mlops.view_quarantinedrecord",
        load=_quarantine,
        url=lambda: reverse("admin:mlops_quarantinedrecord_changelist"),
    )
)
register(
    HomeChart(
        name="stream-lag",
        title=_("Events that wait, in the last hour"),
        permission="mlops.view_inboxevent",
        load=_lag,
        url=lambda: reverse("admin:mlops_inboxevent_streams"),
    )
)
