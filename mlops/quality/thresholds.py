"""What metrics must not pass: an alert is open while the newest measurement does."""

from collections.abc import Mapping

from mlops.models import MetricThreshold
from mlops.quality.alerts import close_alerts, open_alert

CODE = "metric-threshold"


def hold_against(newest: Mapping[tuple[str, str], float]) -> int:
    """Open and close alerts by the newest value of each (source, name); return how many are passed."""
    names = {name for _, name in newest}
    passed = 0
    for threshold in MetricThreshold.objects.filter(is_active=True, name__in=names):
        for (source, name), value in newest.items():
            if name != threshold.name or threshold.source not in ("", source):
                continue
            subject = f"{source} {name} {threshold.side}"
            is_above = threshold.side == MetricThreshold.Side.ABOVE
            if value > threshold.value if is_above else value < threshold.value:
                message = f"{name} of {source} is {value:g}, {threshold.side} {threshold.value:g}."
                open_alert(code=CODE, subject=subject, message=message, severity="warning")
                passed += 1
            else:
                close_alerts(codes=(CODE,), subject=subject)
    return passed
