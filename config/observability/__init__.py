"""Logging and health checks."""
