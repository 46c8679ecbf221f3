"""Settings: one file per subject, included by dev, test, unit and production."""
