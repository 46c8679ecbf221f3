"""Audit: operations and the history of fields."""
