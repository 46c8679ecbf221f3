"""Recommendation request and its lookup errors."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from catalog.models import Store
from config.errors import CultivarError


class RecommendationLookupError(CultivarError):
    """Base of the errors of a request that refers to something unknown."""

    code = "not_found"


class CustomerNotFound(RecommendationLookupError):
    """No customer has the requested id."""


class ScenarioNotFound(RecommendationLookupError):
    """No scenario has the requested name."""


class ProductNotFound(RecommendationLookupError):
    """No product has the requested id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationRequest:
    """
    Parameters of a recommendation.

    customer: None for an anonymous request. province: used where no store is given. products: the
    viewed product, or the products in the basket. limit: 1 to 50.
    """

    scenario: str
    customer: UUID | None = None
    session: str = ""
    store: Store | None = None
    province: str = ""
    products: tuple[UUID, ...] = ()
    limit: int = 10
    min_price: Decimal | None = None
    max_price: Decimal | None = None

    @property
    def resolved_province(self) -> str:
        """Province of the store, else the requested province; empty when neither is given."""
        return self.store.province if self.store else self.province
