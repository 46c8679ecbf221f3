"""Freshness: what should bring new data, as each application declares it in a file `freshness.py`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from mlops.quality.alerts import close_alerts, open_alert

CODE = "stale"
LIMIT = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Something that brings data: its name, when it last did, and how long that may be ago."""

    subject: str
    label: str
    newest_at: datetime | None
    limit: timedelta = LIMIT


_watches: list[Callable[[], Iterable[Watched]]] = []


def watch(found: Callable[[], Iterable[Watched]]) -> Callable[[], Iterable[Watched]]:
    """Declare what is to be watched; used as a decorator."""
    _watches.append(found)
    return found


def check_freshness() -> dict[str, int]:
    """Open an alert for each that is stale, close those of what is fresh; return the counts."""
    autodiscover_modules("freshness")
    counts = {"fresh": 0, "stale": 0}
    now = timezone.now()
    for found in _watches:
        for one in found():
            if one.newest_at and now - one.newest_at <= one.limit:
                counts["fresh"] += 1
                close_alerts(codes=(CODE,), subject=one.subject)
                continue
            counts["stale"] += 1
            since = f"since {one.newest_at:%Y-%m-%d %H:%M} UTC" if one.newest_at else "ever"
            hours = one.limit.total_seconds() / 3600
            message = (
                f"{one.label} has brought nothing {since}; at most {hours:g} hours are allowed."
            )
            open_alert(code=CODE, subject=one.subject, message=message, severity="warning")
    return counts
