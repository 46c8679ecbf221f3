"""Console pages of runs, raw records, quality, streams, privacy and models; work and charts."""

from mlops.admin import (
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
