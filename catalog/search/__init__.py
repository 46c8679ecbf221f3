"""Product search: query parsing, retrieval, ranking and explanation."""
