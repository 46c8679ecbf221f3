"""Metrics of processes: what they count, and gauges that applications declare."""
