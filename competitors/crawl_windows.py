"""Daily crawl windows, in the local time of a shop. A window may pass midnight."""

from datetime import datetime, time, timedelta, tzinfo


def is_open(moment: datetime, *, start: time | None, end: time | None, zone: tzinfo) -> bool:
    """Return whether a moment is within the window; without start or end it always is."""
    if start is None or end is None or start == end:
        return True
    local = moment.astimezone(zone).time()
    if start < end:
        return start <= local < end
    return local >= start or local < end


def next_opening(
    moment: datetime, *, start: time | None, end: time | None, zone: tzinfo
) -> datetime:
    """Return the moment itself if the window is open then, else the next start of the window."""
    if start is None or is_open(moment, start=start, end=end, zone=zone):
        return moment
    local = moment.astimezone(zone)
    opening = datetime.combine(local.date(), start, tzinfo=zone)
    if opening <= local:
        opening = datetime.combine(local.date() + timedelta(days=1), start, tzinfo=zone)
    return opening.astimezone(moment.tzinfo)
