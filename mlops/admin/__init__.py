"""Runs, raw records, quarantine, lineage, alerts in the console: to look at, not to write."""

from mlops.admin import pages, raw

__all__ = ["pages", "raw"]
