"""Shops we watch, and what they ask."""
