"""Statistics of purchases and interactions, computed nightly for the recommendations."""
