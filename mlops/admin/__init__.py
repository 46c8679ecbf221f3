"""Console pages of runs, raw records, quality, metrics, streams, privacy and models."""

from mlops.admin import metrics, models, privacy, quality, raw_records, runs, streams

__all__ = ["metrics", "models", "privacy", "quality", "raw_records", "runs", "streams"]
