"""Customer embeddings: weighted sums of the vectors of products that customers interacted with."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.backends.postgresql.psycopg_any import NumericRange
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from config.api.keys import Audience
from customers.models import Consent, ConsentText, CustomerProfile, Interaction
from customers.services.preferences import HISTORY_WINDOW, MAX_PURCHASE_LINES
from vectors.entities import ComposedEntity, register

Kind = Interaction.Kind
PURCHASE = "purchase"
# A monthly purchase still counts; a single purchase of a year ago counts for a sixtieth.
HALF_LIFE = timedelta(days=60)
# Most products that are put into a basket are bought, and then count as purchases; most products
# that are viewed are not. A dislike pushes the vector away, with half the strength of a like.
EMBEDDING_WEIGHTS: Mapping[str, float] = {
    PURCHASE: 1.0,
    Kind.LIKE: 1.0,
    Kind.DISLIKE: -0.5,
    Kind.BASKET_ADD: 0.3,
    Kind.VIEW: 0.1,
}
"""Weight of an interaction at the time of the newest one. A receipt line counts once: its quantity
shows demand and not taste."""
ENCODED_FIELDS = (
    "preferred_thc_range",
    "preferred_cbd_range",
    "preferred_price_range",
    "preferred_strain_types",
)
"""Profile fields of the scalars; triggers in `migrations/sql/vector_outbox.sql` watch them."""
_RATINGS = (Kind.LIKE, Kind.DISLIKE)
_SCALARS = {
    "thc_percentage": "float",
    "cbd_percentage": "float",
    "price": "float",
    "strain_type": "text",
}
# Interactions of customers: customer, product or the product it was merged into, kind, time. Of
# each kind the newest ones, so that many views cannot displace a dislike.
_INTERACTIONS = """
WITH numbered AS (
  SELECT customer_id, product_id, %(purchase)s AS kind, purchased_at AS at,
    row_number() OVER (PARTITION BY customer_id ORDER BY purchased_at DESC, id) AS number
  FROM purchases
  WHERE customer_id = ANY(%(customers)s) AND quantity > 0 AND purchased_at > %(since)s
  UNION ALL
  SELECT customer_id, product_id, kind, occurred_at,
    row_number() OVER (PARTITION BY customer_id, kind ORDER BY occurred_at DESC, id)
  FROM interactions
  WHERE customer_id = ANY(%(customers)s) AND kind = ANY(%(kinds)s) AND occurred_at > %(since)s
)
SELECT n.customer_id, coalesce(p.merged_into_id, p.id), n.kind, n.at
FROM numbered n JOIN products p ON p.id = n.product_id WHERE n.number <= %(limit)s
"""


@dataclass(frozen=True, slots=True)
class ProductInteraction:
    """A purchase or interaction with a product; kind: "purchase" or an `Interaction.Kind`."""

    product: UUID
    kind: str
    at: datetime


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
        required = (ConsentText.Purpose.HISTORY, ConsentText.Purpose.PROFILING)
        conditions = [Exists(consents.filter(purpose=purpose)) for purpose in required]
        return CustomerProfile.objects.filter(*conditions).only("id", *ENCODED_FIELDS)

    def component_weights(self, rows: Sequence[CustomerProfile]) -> list[dict[UUID, float]]:
        """Return the weight of each product in the vector of each customer."""
        interactions = _load_interactions([row.pk for row in rows])
        return [product_weights(interactions[row.pk]) for row in rows]

    def scalars(self, row: CustomerProfile) -> dict[str, str | float]:
        """Return the middle of the preferred ranges, -1 for none, and the first strain type."""
        return {
            "thc_percentage": _midpoint(row.preferred_thc_range),
            "cbd_percentage": _midpoint(row.preferred_cbd_range),
            "price": _midpoint(row.preferred_price_range),
            "strain_type": (row.preferred_strain_types or [""])[0],
        }


def product_weights(interactions: Iterable[ProductInteraction]) -> dict[UUID, float]:
    """
    Return the weight of each product, above or below 0.

    Weights decay from the newest interaction and not from now: the direction of the vector is the
    same, and the weights are stable without new interactions. Of likes and dislikes of a product
    only the newest counts; a disliked product counts for nothing else.
    """
    ordered = sorted(interactions, key=lambda interaction: (interaction.at, interaction.kind))
    ratings = {each.product: each for each in ordered if each.kind in _RATINGS}
    disliked = {product for product, each in ratings.items() if each.kind == Kind.DISLIKE}
    others = [
        each for each in ordered if each.kind not in _RATINGS and each.product not in disliked
    ]
    totals: dict[UUID, float] = defaultdict(float)
    for interaction in (*others, *ratings.values()):
        half_lives = (ordered[-1].at - interaction.at) / HALF_LIFE
        totals[interaction.product] += EMBEDDING_WEIGHTS[interaction.kind] * 0.5**half_lives
    rounded = {product: round(weight, 6) for product, weight in totals.items()}
    return {product: weight for product, weight in rounded.items() if weight}


def _load_interactions(customers: Sequence[UUID]) -> Mapping[UUID, list[ProductInteraction]]:
    interactions: dict[UUID, list[ProductInteraction]] = defaultdict(list)
    params: dict[str, Any] = {
        "customers": list(customers),
        "since": timezone.now() - HISTORY_WINDOW,
        "limit": MAX_PURCHASE_LINES,
        "purchase": PURCHASE,
        "kinds": [kind for kind in EMBEDDING_WEIGHTS if kind != PURCHASE],
    }
    with connection.cursor() as cursor:
        cursor.execute(_INTERACTIONS, params)
        for customer, *values in cursor.fetchall():
            interactions[customer].append(ProductInteraction(*values))
    return interactions


def _midpoint(bounds: NumericRange | None) -> float:
    """Return the middle of a range, the bound of a half-open one, -1 of none."""
    if not bounds:
        return -1.0
    known = [float(bound) for bound in (bounds.lower, bounds.upper) if bound is not None]
    return round(sum(known) / len(known), 2) if known else -1.0
