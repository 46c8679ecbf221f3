"""Competitors: price and stock observations of their offers."""
