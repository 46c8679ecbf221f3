"""
Alerts about versions that a process cannot load: one per version, whatever the number of processes.

A process reports at most every 30 seconds, when it tries again. The alert closes when a process
loads the version, and when the version is no longer deployed; a process that still cannot load it
opens it again.
"""

from datetime import datetime

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Q

from config.errors import CultivarError
from mlops.models import Alert, Deployment, ModelVersion
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
ALERT_CODE = "model_load_failed"


def report_load_failure(version: ModelVersion, error: Exception) -> None:
    """Open the alert, or update its message; a database that refuses it is logged."""
    # Messages of libraries may contain values.
    reason = str(error) if isinstance(error, CultivarError) else type(error).__name__
    message = (
        f"{version} cannot be loaded: {reason}. Processes go on with the version before it and try"
        " again every 30 seconds."
    )
    try:
        # The transaction of the request must survive a failure.
        with transaction.atomic():
            open_alert(code=ALERT_CODE, subject=str(version), message=message)
    except DatabaseError as refusal:
        log.warning("model.alert_not_opened", error_type=type(refusal).__name__)


def resolve_load_failure(version: ModelVersion) -> None:
    """Close the alert, if one is open."""
    try:
        with transaction.atomic():
            close_alerts(codes=(ALERT_CODE,), subject=str(version))
    except DatabaseError as refusal:
        log.warning("model.alert_not_closed", error_type=type(refusal).__name__)


def close_outdated_load_alerts(*, now: datetime) -> int:
    """Close the alerts of versions that have no deployment now, for example an expired trial."""
    deployed = Deployment.objects.filter(Q(ended_at=None) | Q(ended_at__gt=now))
    subjects = {str(one.version) for one in deployed.select_related("version")}
    outdated = Alert.objects.filter(code=ALERT_CODE, closed_at=None).exclude(subject__in=subjects)
    return outdated.update(closed_at=now)
