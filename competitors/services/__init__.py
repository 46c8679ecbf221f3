"""Writes of the competitors application."""
