"""Celery tasks: each calls one service and returns its counts."""

from customers.recommendations import statistics
from customers.services import consents, preferences
from mlops.pipelines.tasks import pipeline_task


@pipeline_task()
def derive_preferences() -> dict[str, int]:
    """Derive the preferences of customers with new purchases."""
    return {"derived": preferences.derive_due_preferences()}


@pipeline_task()
def complete_withdrawals() -> dict[str, int]:
    """Delete data without consent that a legal hold retained, once the hold has ended."""
    return {"removals": consents.complete_withdrawals()}


@pipeline_task(soft_time_limit=540)
def update_recommendation_statistics() -> dict[str, int]:
    """Update co-purchase neighbors and popularity."""
    neighbors = statistics.update_product_neighbors()
    popularity = statistics.update_product_popularity()
    return {"neighbors": neighbors, "popularity": popularity}


@pipeline_task(soft_time_limit=540)
def update_repeat_statistics() -> dict[str, int]:
    """Update orders per buyer, discovery ratio and segment shares."""
    return {"products": statistics.update_repeat_statistics()}
