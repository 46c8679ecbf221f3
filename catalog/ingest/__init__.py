"""The road of supplier products: raw → clean → enrich → rows."""
