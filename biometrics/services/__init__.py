"""Writes of biometrics."""
