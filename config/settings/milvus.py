"""Milvus: vector indexes, rebuilt from PostgreSQL."""

from config.env import ENV

MILVUS_URI = ENV.milvus_uri
MILVUS_TOKEN = ENV.milvus_token
MILVUS_COLLECTION_PREFIX = ENV.milvus_collection_prefix
MILVUS_TIMEOUT_SECONDS = 10
# Indexes up to this number of rows are searched exactly, in the process; larger ones by Milvus.
VECTORS_EXACT_BELOW = ENV.vectors_exact_below
# While Milvus is unavailable, a process searches up to this number of rows itself (3 kB per row).
VECTORS_FALLBACK_BELOW = ENV.vectors_fallback_below
