"""Runs, raw records, quarantine, lineage, alerts in the console: to look at, not to write."""

from mlops.admin import checks, pages, raw

__all__ = ["checks", "pages", "raw"]
