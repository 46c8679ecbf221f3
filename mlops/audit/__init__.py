"""Audit trail: operations and row changes."""
