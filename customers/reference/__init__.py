"""Reference data: consent texts, reason texts, and the initial values and weights of scenarios."""
