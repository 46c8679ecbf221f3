"""Celery tasks: each calls one service and returns its counts."""

from biometrics.services import reminders, verification
from mlops.pipelines.tasks import pipeline_task


@pipeline_task()
def remind_of_expiry() -> dict[str, int]:
    """Enqueue events for templates that expire soon."""
    return {"reminders": reminders.enqueue_reminders()}


@pipeline_task(soft_time_limit=1800)
def verify_audit_log() -> dict[str, int]:
    """Verify the audit log and the stored templates."""
    return {"faults": len(verification.verify_biometrics().faults)}
