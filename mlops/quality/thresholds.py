"""Thresholds of metrics: an alert is open while the newest measurement exceeds one."""

from collections.abc import Mapping, Sequence

from mlops.models import MetricThreshold
from mlops.quality.alerts import close_alerts, open_alert

ALERT_CODE = "metric_threshold"


def evaluate_thresholds(newest: Mapping[tuple[str, str], float]) -> int:
    """
    Open and close alerts by the newest value of each (source, name).

    Returns how many thresholds are exceeded.
    """
    names = {name for _, name in newest}
    exceeded = 0
    for threshold in MetricThreshold.objects.filter(is_active=True, name__in=names):
        for (source, name), value in newest.items():
            if name != threshold.name or threshold.source not in ("", source):
                continue
            subject = f"{source} {name} {threshold.side}"
            if _exceeds(value, threshold):
                message = f"{name} of {source} is {value:g}, {threshold.side} {threshold.value:g}."
                open_alert(code=ALERT_CODE, subject=subject, message=message, severity="warning")
                exceeded += 1
            else:
                close_alerts(codes=(ALERT_CODE,), subject=subject)
    return exceeded


def _exceeds(value: float, threshold: MetricThreshold) -> bool:
    if threshold.side == MetricThreshold.Side.ABOVE:
        return value > threshold.value
    return value < threshold.value


def find_threshold(
    *, name: str, sources: Sequence[str], side: MetricThreshold.Side = MetricThreshold.Side.ABOVE
) -> float | None:
    """
    Return the limit of a metric: of the first source that has one, else that for any; one query.

    None: no row, or the row that applies is not active.
    """
    rows = MetricThreshold.objects.filter(name=name, side=side, source__in=("", *sources))
    by_source = {row.source: row for row in rows}
    for source in (*sources, ""):
        if source in by_source:
            row = by_source[source]
            return row.value if row.is_active else None
    return None
