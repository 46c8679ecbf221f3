"""
Integrity check: the audit log against itself, and the stored templates against the log.

A template that was erased and is back (a restored dump, a replayed row), one that was never
enrolled, and one that was deleted or replaced outside of the application all show.
"""

from collections.abc import Iterable

import structlog
from django.db import connection

from biometrics.services.audit import ChainReport, verify_chain
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
ALERT_CODE = "biometric_audit"
_ALERT_SUBJECT = "biometrics"
_MAX_SHOWN = 10
# Returns id and fault of each template that differs from its last audit entry.
_DIFFERENCES = """
WITH last_entries AS (
  SELECT DISTINCT ON (template_id) template_id, action, template_digest FROM biometric_audit
  WHERE template_id IS NOT NULL AND action IN ('enroll', 'reencrypt', 'erase')
  ORDER BY template_id, sequence DESC
), differences AS (
  SELECT coalesce(t.id, e.template_id)::text AS id, CASE
    WHEN e.template_id IS NULL THEN 'was never enrolled'
    WHEN e.action = 'erase' AND t.id IS NOT NULL THEN 'was erased and is stored again'
    WHEN e.action <> 'erase' AND t.id IS NULL THEN 'was deleted outside of the application'
    WHEN t.id IS NOT NULL AND encode(sha256(t.encrypted_template), 'hex') <> e.template_digest
      THEN 'was replaced outside of the application'
    END AS fault
  FROM customer_biometrics t FULL JOIN last_entries e ON e.template_id = t.id
)
SELECT id, fault FROM differences WHERE fault IS NOT NULL ORDER BY id
"""


def verify_biometrics(*, expected_head: str = "") -> ChainReport:
    """
    Verify the audit log and the stored templates; open an alert for faults, or close it.

    expected_head: see `verify_chain`.
    """
    report = verify_chain(expected_head=expected_head)
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES)
        report.faults += [f"template {pk} {fault}" for pk, fault in cursor.fetchall()]
    _update_alert(report.faults)
    # Outside of the database, an earlier head proves that entries are missing at the end.
    log.info("biometric_audit.verified", head=report.head, fault_count=len(report.faults))
    return report


def _update_alert(faults: Iterable[str]) -> None:
    found = list(faults)
    if not found:
        close_alerts(codes=(ALERT_CODE,), subject=_ALERT_SUBJECT)
        return
    hidden = len(found) - _MAX_SHOWN
    more = f"; and {hidden} more" if hidden > 0 else ""
    message = f"The biometric audit log does not verify: {'; '.join(found[:_MAX_SHOWN])}{more}"
    open_alert(code=ALERT_CODE, subject=_ALERT_SUBJECT, message=message)
