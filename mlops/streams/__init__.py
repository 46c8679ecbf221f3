"""Events: declared above, read, taken in once, applied; by Kafka and by REST alike."""
