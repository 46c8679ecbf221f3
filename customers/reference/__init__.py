"""Reference data: consent texts, reason texts, and the initial values of scenarios."""
