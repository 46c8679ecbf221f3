"""Connectors: ways to reach a source (HTTP, spreadsheets)."""
