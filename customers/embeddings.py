"""Customer embeddings: weighted sums of the vectors of products that customers interacted with."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db.backends.postgresql.psycopg_any import NumericRange
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from config.api.keys import Audience
from customers.models import Consent, CustomerProfile
from customers.reference.consents import PROFILING_PURPOSES
from customers.reference.history import HISTORY_HALF_LIFE_DAYS
from customers.selectors.history import HistoryEntry, load_histories
from vectors.entities import ComposedEntity, register

ENCODED_FIELDS = (
    "preferred_thc_range",
    "preferred_cbd_range",
    "preferred_price_range",
    "preferred_strain_types",
)
"""Profile fields of the scalars; triggers in `migrations/sql/vector_outbox.sql` watch them."""
_SCALARS = {
    "thc_percentage": "float",
    "cbd_percentage": "float",
    "price": "float",
    "strain_type": "text",
}


@register
class CustomerVector(ComposedEntity):
    """Customers in the space of products: near those they bought and liked, away from dislikes."""

    collection = "customer_embeddings"
    table = "customer_profiles"
    source_collection = "product_embeddings"
    scalar_fields = _SCALARS
    # Customers may see all of their own data.
    audiences: Mapping[str, Audience] = dict.fromkeys(
        (*ENCODED_FIELDS, "purchases", "interactions", *_SCALARS), Audience.VERIFIED
    )

    def queryset(self) -> QuerySet[CustomerProfile]:
        """Return the customers who consent to profiling by their history."""
        consents = Consent.objects.filter(customer=OuterRef("pk"), withdrawn_at=None)
        conditions = [
            Exists(consents.filter(purpose=purpose)) for purpose in sorted(PROFILING_PURPOSES)
        ]
        return CustomerProfile.objects.filter(*conditions).only("id", *ENCODED_FIELDS)

    def component_weights(self, rows: Sequence[CustomerProfile]) -> list[dict[UUID, float]]:
        """Return the weight of each product in the vector of each customer."""
        histories = load_histories([row.pk for row in rows], now=timezone.now())
        return [product_weights(histories[row.pk]) for row in rows]

    def scalars(self, row: CustomerProfile) -> dict[str, str | float]:
        """Return the middle of the preferred ranges, -1 for none, and the first strain type."""
        return {
            "thc_percentage": _midpoint(row.preferred_thc_range),
            "cbd_percentage": _midpoint(row.preferred_cbd_range),
            "price": _midpoint(row.preferred_price_range),
            "strain_type": (row.preferred_strain_types or [""])[0],
        }


def product_weights(history: Sequence[HistoryEntry]) -> dict[UUID, float]:
    """
    Return the weight of each product, above or below 0.

    history: the events that count. Weights decay from the newest event and not from now: the
    direction of the vector is the same, and the weights are stable while no event is added or
    becomes too old. A disliked product counts for nothing else.
    """
    weighted = [entry for entry in history if entry.weight]
    newest_age = min((entry.age_days for entry in weighted), default=0.0)
    disliked = {entry.product for entry in weighted if entry.kind == "dislike"}
    totals: dict[UUID, float] = defaultdict(float)
    for entry in weighted:
        if entry.product in disliked and entry.kind != "dislike":
            continue
        half_lives = (entry.age_days - newest_age) / HISTORY_HALF_LIFE_DAYS
        totals[entry.product] += entry.weight * 0.5**half_lives
    rounded = {product: round(weight, 6) for product, weight in totals.items()}
    return {product: weight for product, weight in rounded.items() if weight}


def _midpoint(bounds: NumericRange | None) -> float:
    """Return the middle of a range, the bound of a half-open one, -1 of none."""
    if not bounds:
        return -1.0
    known = [float(bound) for bound in (bounds.lower, bounds.upper) if bound is not None]
    return round(sum(known) / len(known), 2) if known else -1.0
