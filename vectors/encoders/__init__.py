"""From things to unit vectors."""
