"""One door for each outside library or server."""
