"""Two-level response cache: local in the process (L1), shared in Redis (L2)."""

from config.cache.responses import ResponseCache
from config.cache.serialization import RenderedResponse
from config.cache.shared import is_shared_cache_unavailable

__all__ = ["RenderedResponse", "ResponseCache", "is_shared_cache_unavailable"]
