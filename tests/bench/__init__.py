"""Benchmarks: ratios of two things measured in turn in one process. One file each; `bin/bench --help` lists them."""
