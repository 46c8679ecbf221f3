"""
Cache of rendered recommendations, by customer in Redis (an hour) and in the process.

A cached result is used while the rows that it depends on are unchanged.
"""

import hashlib

from django.utils import timezone

from config.cache import RenderedResponse, ResponseCache
from config.telemetry.degradation import CACHE, HEADER, MODELS, VECTORS, degradation_header
from customers.recommendations.request import RecommendationRequest
from customers.recommendations.result import RecommendationResult

LIFETIME = 3600.0
# Lifetime of a result for which a component was unavailable, so that it is soon tried again.
_DEGRADED_LIFETIME = 5.0
# Components by the fallback reason of a result that does without them.
_MISSING = {
    "vectors_unavailable": VECTORS,
    "model_unavailable": MODELS,
    "cache_unavailable": CACHE,
}
RECOMMENDATION_CACHE = ResponseCache(prefix="recommendations", lifetime=LIFETIME)


def cache_owner(request: RecommendationRequest, field: str) -> str:
    """Return the owner of a cache entry: the customer, else one for each anonymous request."""
    if request.customer:
        return str(request.customer)
    return f"anonymous.{hashlib.blake2b(field.encode(), digest_size=8).hexdigest()}"


def render_result(result: RecommendationResult, body: bytes) -> RenderedResponse:
    """Return a rendered result with its dependencies, its lifetime and what it does without."""
    lifetime = (result.valid_until - timezone.now()).total_seconds()
    missing = {_MISSING[reason] for reason in result.fallback_reasons if reason in _MISSING}
    if missing:
        lifetime = min(lifetime, _DEGRADED_LIFETIME)
    return RenderedResponse(
        body=body,
        etag=f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"',
        dependencies=result.dependencies,
        lifetime=max(min(lifetime, LIFETIME), 0.0),
        headers={HEADER: degradation_header(missing)} if missing else {},
    )
