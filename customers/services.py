"""Every write about people."""

from datetime import datetime

from psqlextra.partitioning import (
    PostgresCurrentTimePartitioningStrategy,
    PostgresPartitioningManager,
    PostgresTimePartitionSize,
)
from psqlextra.partitioning.config import PostgresPartitioningConfig

from customers.models import ChatMessage


class _WholeMonths(PostgresCurrentTimePartitioningStrategy):
    """Months from midnight UTC; the library's begin at the hour of the call."""

    def get_start_datetime(self) -> datetime:
        now: datetime = super().get_start_datetime()
        return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


# This month's and the three after it; what is dated elsewhere goes to the default partition.
CHAT_PARTITIONS = PostgresPartitioningManager(
    [
        PostgresPartitioningConfig(
            model=ChatMessage, strategy=_WholeMonths(size=PostgresTimePartitionSize(months=1), count=4)
        )
    ]
)


def make_chat_partitions() -> int:
    """Make the partitions of chat messages that this and the next three months lack; return how many. Safe to repeat."""
    plan = CHAT_PARTITIONS.plan(skip_delete=True)
    plan.apply()
    return len(plan.creations)
