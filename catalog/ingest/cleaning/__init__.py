"""Cleaning rules: pure functions from a source's text to a value. Ambiguous text is rejected."""
