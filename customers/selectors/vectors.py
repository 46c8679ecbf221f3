"""Read access to customer embeddings."""

from uuid import UUID

from vectors import search
from vectors.encoders.base import Vectors

CUSTOMER_EMBEDDINGS = "customer_embeddings"
"""Vector collection of customers."""


def get_customer_vector(customer: UUID) -> tuple[Vectors, str] | None:
    """
    Return the unit vector (768,) of a customer and its embedding fingerprint.

    None without a vector: the customer has not given both consents, or no event of the history
    favors a product. A consent withdrawn within the last minute may not be reflected yet:
    callers check consents first. Reads one row. Raises VectorsUnavailable.
    """
    return search.stored_vector(collection=CUSTOMER_EMBEDDINGS, entity_id=str(customer))
