"""REST conventions: keys, errors, pagination, ETags, idempotency, throttling."""
