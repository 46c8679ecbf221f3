"""Reads of the competitors application."""
