"""REST conventions: keys, permissions, errors, pagination, ETags, idempotency, throttling."""
