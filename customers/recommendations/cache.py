"""
Cache of rendered recommendations, by customer in Redis (an hour) and in the process.

A cached result is used while the rows that it depends on are unchanged.
"""

import hashlib
import json
from uuid import UUID

from django.db import connection
from django.utils import timezone

from config.cache import RenderedResponse, ResponseCache
from customers.recommendations.context import CUSTOMER_VERSION
from customers.recommendations.request import RecommendationRequest
from customers.recommendations.result import RecommendationResult
from customers.recommendations.rules import SETTINGS_VERSION

LIFETIME = 3600.0
# Lifetime of a result for which a component was unavailable, so that it is soon tried again.
_DEGRADED_LIFETIME = 5.0
# Version of the fingerprint and of the rendered form; a change invalidates all cached results.
_LAYOUT_VERSION = 3
RECOMMENDATION_CACHE = ResponseCache(prefix="recommendations", lifetime=LIFETIME)
# Versions of products, as `_dependency_versions` writes them.
_PRODUCT_VERSIONS = """
SELECT p.id::text || ':' || p.xmin::text FROM products p WHERE p.id = ANY(%s::uuid[])
"""
# Whether a shown product is sold out, or a transaction outside the snapshot has restocked a product
# that was in none of the stores. A transaction id in the future belongs to another database, from
# which this one was restored.
_STOCK_CHANGED = """
WITH stock AS NOT MATERIALIZED (
  SELECT product_id,
    restocked_at >= pg_snapshot_xmin(%(snapshot)s::pg_snapshot)::text::bigint
    AND restocked_at < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    AND NOT pg_visible_in_snapshot(restocked_at::text::xid8, %(snapshot)s::pg_snapshot) AS is_new
  FROM store_stock WHERE store_id = ANY(%(stores)s::uuid[]) AND quantity > 0
)
SELECT EXISTS (
    SELECT FROM unnest(%(shown)s::uuid[]) AS shown(id)
    WHERE NOT EXISTS (SELECT FROM stock WHERE product_id = shown.id))
  OR EXISTS (
    SELECT FROM stock AS restocked WHERE is_new AND NOT EXISTS (
      SELECT FROM stock WHERE product_id = restocked.product_id AND NOT is_new))
"""


def cache_owner(request: RecommendationRequest, field: str) -> str:
    """Return the owner of a cache entry: the customer, else one for each anonymous request."""
    if request.customer:
        return str(request.customer)
    return f"anonymous.{hashlib.blake2b(field.encode(), digest_size=8).hexdigest()}"


def render_result(
    result: RecommendationResult, request: RecommendationRequest, body: bytes
) -> RenderedResponse:
    """Return a rendered result with its lifetime and the fingerprint that `is_current` checks."""
    fingerprint = {
        "layout": _LAYOUT_VERSION,
        "customer": str(request.customer) if request.customer else "",
        "versions": result.dependency_versions,
        "shown": [str(recommended.product.pk) for recommended in result.recommendations],
        "stores": [str(store) for store in result.store_ids],
        "snapshot": result.snapshot,
    }
    lifetime = (result.valid_until - timezone.now()).total_seconds()
    if any(reason.endswith("_unavailable") for reason in result.fallback_reasons):
        lifetime = min(lifetime, _DEGRADED_LIFETIME)
    return RenderedResponse(
        body=body,
        etag=f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"',
        dependencies=result.dependencies,
        fingerprint=json.dumps(fingerprint),
        lifetime=max(min(lifetime, LIFETIME), 0.0),
    )


def is_current(rendered: RenderedResponse) -> bool:
    """Return whether customer, settings, products and stock are unchanged since the result."""
    fingerprint = json.loads(rendered.fingerprint)
    if fingerprint.get("layout") != _LAYOUT_VERSION:  # written by another release
        return False
    customer_version, settings_version, *product_versions = fingerprint["versions"]
    with connection.cursor() as cursor:
        if fingerprint["customer"]:
            cursor.execute(CUSTOMER_VERSION, {"id": UUID(fingerprint["customer"])})
            if cursor.fetchone()[0] != customer_version:
                return False
        cursor.execute(SETTINGS_VERSION)
        if cursor.fetchone()[0] != settings_version:
            return False
        product_ids = [version.partition(":")[0] for version in product_versions]
        cursor.execute(_PRODUCT_VERSIONS, [product_ids])
        if sorted(version for (version,) in cursor.fetchall()) != product_versions:
            return False
        cursor.execute(
            _STOCK_CHANGED,
            {
                "shown": fingerprint["shown"],
                "stores": fingerprint["stores"],
                "snapshot": fingerprint["snapshot"],
            },
        )
        return not cursor.fetchone()[0]
