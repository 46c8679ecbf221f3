"""Logging and health."""
