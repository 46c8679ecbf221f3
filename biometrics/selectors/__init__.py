"""Reads of biometrics."""
