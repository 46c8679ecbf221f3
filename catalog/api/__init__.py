"""REST API of the catalogue: products, search and similar products."""
