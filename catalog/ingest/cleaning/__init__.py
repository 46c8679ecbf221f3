"""Cleaning: pure functions from what a source wrote to what we keep. They refuse rather than guess."""
