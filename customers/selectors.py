"""What is known of customers' taste."""

from uuid import UUID

from customers.embeddings import CustomerVector
from vectors import search
from vectors.encoders.base import Vectors


def taste_of(customer: UUID) -> tuple[Vectors, str] | None:
    """
    Return where a customer lies among the products, a unit vector (768,), and the stamp it bears; None if nowhere.

    Nowhere are those who have not agreed to it, or did nothing in a year that tells. A consent withdrawn within the last
    minute may not be seen here yet: whoever asks looks at consents first. Raises VectorsUnavailable. One row is read.
    """
    return search.stored(collection=CustomerVector.collection, entity_id=str(customer))
