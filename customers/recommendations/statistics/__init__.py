"""Statistics of purchases and interactions for recommendations: mathematics, queries and jobs."""
