"""Doors: one call through, counts back."""

from customers.services import preferences
from mlops.flow.task_door import pipeline_task


@pipeline_task(queue="default")
def derive_preferences() -> dict[str, int]:
    """Derive the preferences of those who have bought since."""
    return {"derived": preferences.derive_due()}
