"""Milvus, the projection of the rows."""

from config.env import ENV

MILVUS_URI = ENV.milvus_uri
MILVUS_TOKEN = ENV.milvus_token
MILVUS_COLLECTION_PREFIX = ENV.milvus_collection_prefix
MILVUS_TIMEOUT_SECONDS = 10
# Indexes of so many rows are searched exactly, in the process that asks; larger ones by Milvus.
VECTORS_EXACT_BELOW = ENV.vectors_exact_below
# When Milvus does not answer, a process holds and searches up to so many itself (3 kB a row).
VECTORS_FALLBACK_BELOW = ENV.vectors_fallback_below
