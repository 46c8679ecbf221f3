"""Kills of every part of a running installation under load: `bin/chaos`."""
