"""Doors: one call through, counts back."""

from customers import services
from mlops.flow.task_door import pipeline_task


@pipeline_task(queue="default")
def make_chat_partitions() -> dict[str, int]:
    """Make the partitions of chat messages for this and the next three months."""
    return {"made": services.make_chat_partitions()}
