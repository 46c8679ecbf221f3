"""Celery tasks: each calls one service and returns its counts."""

from uuid import UUID

from biometrics.services import photo_inbox, reminders, verification
from mlops.pipelines.tasks import pipeline_task


@pipeline_task()
def remind_of_expiry() -> dict[str, int]:
    """Enqueue events for templates that expire soon."""
    return {"reminders": reminders.enqueue_reminders()}


@pipeline_task(soft_time_limit=1800)
def verify_audit_log() -> dict[str, int]:
    """Verify the audit log and the stored templates."""
    return {"faults": len(verification.verify_biometrics().faults)}


@pipeline_task()
def enroll_stored_photo(
    *, key: str, customer_id: str, purpose: str, store_code: str
) -> dict[str, str]:
    """Enroll a customer with a photo in object storage, and delete the photo."""
    outcome = photo_inbox.enroll_stored_photo(
        key=key, customer_id=UUID(customer_id), purpose=purpose, store_code=store_code
    )
    return {"outcome": outcome}
