"""Settings: one file per subject, included by dev, test and production."""
