"""Milvus, the projection of the rows."""

from config.env import ENV

MILVUS_URI = ENV.milvus_uri
MILVUS_TOKEN = ENV.milvus_token
MILVUS_COLLECTION_PREFIX = ENV.milvus_collection_prefix
MILVUS_TIMEOUT_SECONDS = 10
