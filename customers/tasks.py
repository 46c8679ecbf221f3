"""Doors: one call through, counts back."""

from customers.recommendations.statistics import jobs, repeat_jobs
from customers.services import consents, preferences
from mlops.pipelines.tasks import pipeline_task


@pipeline_task(queue="default")
def derive_preferences() -> dict[str, int]:
    """Derive the preferences of those who have bought since."""
    return {"derived": preferences.derive_due()}


@pipeline_task(queue="default")
def settle_withdrawals() -> dict[str, int]:
    """Take away what rests on no consent any more, once no hold keeps it."""
    return {"people": consents.settle_withdrawn()}


@pipeline_task(queue="default", soft_time_limit=540)
def count_recommendations() -> dict[str, int]:
    """Count anew what is bought together, and how products sell."""
    return {"neighbors": jobs.count_neighbors(), "popularity": jobs.count_popularity()}


@pipeline_task(queue="default", soft_time_limit=540)
def count_habits() -> dict[str, int]:
    """Count anew how often products are bought by who buys them, and what customers together are like."""
    return {"products": repeat_jobs.count_habits()}
