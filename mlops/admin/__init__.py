"""Console pages of data, alerts, streams, privacy, models and experiments; work."""

from mlops.admin import (
    alerts,
    experiments,
    home_charts,
    metrics,
    models,
    monitoring,
    privacy,
    quality,
    raw_records,
    runs,
    status,
    streams,
    task_tray,
    webhooks,
    work,
)

__all__ = [
    "alerts",
    "experiments",
    "home_charts",
    "metrics",
    "models",
    "monitoring",
    "privacy",
    "quality",
    "raw_records",
    "runs",
    "status",
    "streams",
    "task_tray",
    "webhooks",
    "work",
]
