"""Runs, raw records, quarantine, lineage, alerts in the console: to look at, not to write."""

from mlops.admin import checks, metrics, pages, privacy, raw, streams

__all__ = ["checks", "metrics", "pages", "privacy", "raw", "streams"]
