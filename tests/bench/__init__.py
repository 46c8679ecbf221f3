"""Benchmarks: ratios of alternating measurements in one process; see `bin/bench --help`."""
