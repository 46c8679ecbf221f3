"""Repeat-purchase statistics, which are computed nightly."""

from customers.models import StoreRepeatStatistics


def newest_repeat_statistics() -> StoreRepeatStatistics | None:
    """Return the statistics in use; None before the first night. One query."""
    return StoreRepeatStatistics.objects.order_by("-id").first()
