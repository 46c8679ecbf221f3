"""Data quality: rules, freshness, integrity, metric thresholds, alerts."""
