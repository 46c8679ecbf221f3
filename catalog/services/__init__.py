"""Every write to the catalogue."""
