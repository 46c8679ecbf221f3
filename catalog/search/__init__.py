"""Search of products: what a question means, what answers it, in which order, and why."""
