"""Embedded servers and local processes of bin/dev, bin/test and bin/bench."""
