"""Ways to a source, by kind: HTTP, files, sheets."""
