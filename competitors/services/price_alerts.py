"""Alerts about prices: one for each product and kind, closed when its cause is gone."""

from datetime import datetime

from competitors.selectors.price_alerts import ALERT_CODES, price_findings
from mlops.models import Alert
from mlops.quality.alerts import close_alerts, open_alert

MAX_OPEN_ALERTS = 20
"""
Open alerts of one kind, each of which is mailed; further findings wait until others are closed.

The price board lists them all.
"""
_SEVERITIES = {"price_below_minimum": "error"}


def refresh_price_alerts(*, now: datetime | None = None) -> dict[str, int]:
    """
    Open alerts for new findings, the most severe first, and close those whose cause is gone.

    Returns the number of open alerts by code. Safe to repeat.
    """
    return {code: _refresh(code, now) for code in ALERT_CODES}


def _refresh(code: str, now: datetime | None) -> int:
    findings = {str(finding.product_id): finding for finding in price_findings(code, now=now)}
    open_subjects = set(
        Alert.objects.filter(code=code, closed_at=None).values_list("subject", flat=True)
    )
    for subject in sorted(open_subjects - findings.keys()):
        close_alerts(codes=(code,), subject=subject)
    remaining = open_subjects & findings.keys()
    new = [subject for subject in findings if subject not in remaining]
    shown = [*remaining, *new[: max(MAX_OPEN_ALERTS - len(remaining), 0)]]
    for subject in shown:
        open_alert(
            code=code,
            subject=subject,
            message=findings[subject].message,
            severity=_SEVERITIES.get(code, "warning"),
        )
    return len(shown)
