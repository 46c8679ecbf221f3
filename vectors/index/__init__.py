"""Vector index: encode rows, write them, build and reconcile collections."""
