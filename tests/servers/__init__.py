"""Real servers that tests start beside those of bin/test."""
