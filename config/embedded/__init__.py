"""Servers that come with Cultivar, for a machine that has none; and what `bin/` runs with them."""
