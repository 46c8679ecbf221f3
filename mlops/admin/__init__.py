"""Console pages of runs, raw records, quarantine, lineage, quality, privacy and streams, read-only."""

from mlops.admin import checks, metrics, privacy, raw, runs, streams

__all__ = ["checks", "metrics", "privacy", "raw", "runs", "streams"]
