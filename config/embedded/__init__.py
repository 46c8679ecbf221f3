"""Servers and processes for a machine that has none: what bin/dev, bin/test and bin/bench run on."""
