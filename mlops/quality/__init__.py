"""Data quality: rules, freshness, integrity, alerts."""
