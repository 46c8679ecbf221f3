"""
Cache of a product's competitor prices, in the process and in Redis (half an hour).

Triggers announce new observations and other changes of a product's offers as `prices.<id>` (see
price_notices.sql), and changes of the product itself by its id.
"""

import hashlib
from collections.abc import Iterable
from uuid import UUID

from config.cache import RenderedResponse, ResponseCache

LIFETIME = 1800.0
COMPETITOR_PRICE_CACHE = ResponseCache(prefix="competitor_prices", lifetime=LIFETIME)


def render_prices(body: bytes, product_ids: Iterable[UUID]) -> RenderedResponse:
    """
    Return a rendered response that depends on the prices of products.

    product_ids: the product and those that were merged into it.
    """
    ids = [str(product_id) for product_id in product_ids]
    return RenderedResponse(
        body=body,
        etag=f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"',
        dependencies=frozenset([*ids, *(f"prices.{product_id}" for product_id in ids)]),
        lifetime=LIFETIME,
    )
