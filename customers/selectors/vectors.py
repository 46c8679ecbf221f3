"""Read access to embeddings of customers, and of what they buy."""

from datetime import datetime
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from catalog.selectors import PRODUCT_EMBEDDINGS
from vectors import search
from vectors.encoders.base import Vectors

CUSTOMER_EMBEDDINGS = "customer_embeddings"
"""Vector collection of customers."""
# Returns products that were bought in a period, in the order of a hash, which is a random sample.
_BOUGHT_PRODUCTS = """
SELECT e.effective_id::text FROM purchases l
JOIN effective_products e ON e.product_id = l.product_id
WHERE l.purchased_at >= %s AND l.purchased_at < %s AND l.quantity > 0
ORDER BY hashtextextended(l.id::text, 0), l.id LIMIT %s
"""


def get_customer_vector(customer: UUID) -> tuple[Vectors, str] | None:
    """
    Return the unit vector (768,) of a customer and its embedding fingerprint.

    None without a vector: the customer has not given both consents, or no event of the history
    favors a product. A consent withdrawn within the last minute may not be reflected yet:
    callers check consents first. Reads one row. Raises VectorsUnavailable.
    """
    return search.stored_vector(collection=CUSTOMER_EMBEDDINGS, entity_id=str(customer))


def bought_product_vectors(since: datetime, until: datetime, limit: int) -> NDArray[np.float64]:
    """
    Return the vectors (n, d) of products of a random sample of purchases, one row per purchase.

    A product bought twice is in the sample twice; those without a vector are left out. (0, 0)
    without purchases. Raises VectorsUnavailable.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BOUGHT_PRODUCTS, [since, until, limit])
        products = [product for (product,) in cursor.fetchall()]
    if not products:
        return np.empty((0, 0))
    known = search.stored_vectors(collection=PRODUCT_EMBEDDINGS, ids=sorted(set(products)))
    rows = [known[product] for product in products if product in known]
    return np.array(rows, dtype=np.float64) if rows else np.empty((0, 0))
