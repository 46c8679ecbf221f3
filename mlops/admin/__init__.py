"""Console pages of runs, raw records, quality, streams, privacy, models and experiments; work."""

from mlops.admin import (
    experiments,
    home_charts,
    metrics,
    models,
    monitoring,
    privacy,
    quality,
    raw_records,
    runs,
    streams,
    webhooks,
    work,
)

__all__ = [
    "experiments",
    "home_charts",
    "metrics",
    "models",
    "monitoring",
    "privacy",
    "quality",
    "raw_records",
    "runs",
    "streams",
    "webhooks",
    "work",
]
