"""Console pages of runs, raw records, quality, metrics, streams and privacy."""

from mlops.admin import metrics, privacy, quality, raw_records, runs, streams

__all__ = ["metrics", "privacy", "quality", "raw_records", "runs", "streams"]
