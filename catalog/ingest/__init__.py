"""Ingestion of supplier products: raw records → clean listings → enriched listings → rows."""
