"""Write observations of competitors' offers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from competitors.models import PriceHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferObservation:
    """Price and stock status of an offer at one time; None where unknown. id: of its event."""

    id: UUID
    product_id: UUID
    competitor: str
    price: Decimal | None
    in_stock: bool | None
    observed_at: datetime


def record_observations(*, observations: Iterable[OfferObservation]) -> None:
    """Insert observations, each once. Safe to repeat."""
    PriceHistory.objects.bulk_create(
        [
            PriceHistory(
                id=observation.id,
                product_id=observation.product_id,
                competitor=observation.competitor,
                price=observation.price,
                in_stock=observation.in_stock,
                scraped_at=observation.observed_at,
            )
            for observation in observations
        ],
        ignore_conflicts=True,
    )
