"""Freshness: alerts for sources without recent data. Applications register in `freshness.py`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from config.declarations import DeclarationRegistry, function_name
from mlops.quality.alerts import close_alerts, open_alert

ALERT_CODE = "stale"
MAX_AGE = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredSource:
    """A source of data: when it last delivered, and how old that may be."""

    subject: str
    label: str
    newest_at: datetime | None
    max_age: timedelta = MAX_AGE

    def is_fresh(self, now: datetime) -> bool:
        """Return whether its newest data are young enough."""
        return self.newest_at is not None and now - self.newest_at <= self.max_age


ListSources = Callable[[], Iterable[MonitoredSource]]
MONITORED_SOURCES = DeclarationRegistry[str, ListSources]("freshness", name_of=function_name)


def register(function: ListSources) -> ListSources:
    """Register a function that returns sources to monitor; a decorator."""
    MONITORED_SOURCES.register(function)
    return function


def monitored_sources() -> Iterator[MonitoredSource]:
    """Yield the sources of all applications."""
    for list_sources in MONITORED_SOURCES.all():
        yield from list_sources()


def check_freshness() -> dict[str, int]:
    """Open an alert for each stale source, close those of fresh ones; return the counts."""
    counts = {"fresh": 0, "stale": 0}
    now = timezone.now()
    for source in monitored_sources():
        if source.is_fresh(now):
            counts["fresh"] += 1
            close_alerts(codes=(ALERT_CODE,), subject=source.subject)
        else:
            counts["stale"] += 1
            open_alert(
                code=ALERT_CODE,
                subject=source.subject,
                message=_stale_message(source),
                severity="warning",
            )
    return counts


def _stale_message(source: MonitoredSource) -> str:
    hours = source.max_age.total_seconds() / 3600
    if source.newest_at is None:
        return f"{source.label} has never delivered data; the limit is {hours:g} hours."
    return (
        f"{source.label} has delivered no data since {source.newest_at:%Y-%m-%d %H:%M} UTC; the"
        f" limit is {hours:g} hours."
    )
