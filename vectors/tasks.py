"""Doors to the embed road."""

from mlops.flow.task_door import pipeline_task
from vectors.declaring import entities
from vectors.indexing import index_due


@pipeline_task(queue="embed", soft_time_limit=900)
def index_due_vectors() -> dict[str, int]:
    """Bring every collection up to its rows."""
    return {name: index_due(collection=name)["encoded"] for name in entities()}
