"""Where a customer's taste lies among the products: the sum of what they bought and did, for those who agreed to it."""

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
from customers.services.preferences import LINES, MONTHS
from vectors.entities import ComposedEntity, register

Purpose, Kind = ConsentText.Purpose, Interaction.Kind
PURCHASE = "purchase"
# What is bought every month still tells; what was tried once a year ago weighs a sixtieth of it.
HALF_LIFE = timedelta(days=60)
# A receipt and a word of praise tell most; of what is put into a basket most is bought, and counts as that then; of what is
# looked at most is not. What is disliked pushes away, though half as far as what is liked draws near.
WEIGHTS: Mapping[str, float] = {
    PURCHASE: 1.0,
    Kind.LIKE: 1.0,
    Kind.DISLIKE: -0.5,
    Kind.BASKET_ADD: 0.3,
    Kind.VIEW: 0.1,
}
"""What a deed weighs when it is new. A line of a receipt is one, whatever its quantity: that tells need, not taste."""
ENCODED = (
    "preferred_thc_range",
    "preferred_cbd_range",
    "preferred_price_range",
    "preferred_strain_types",
)
"""Fields of a profile that are read here; the triggers of migration 0004 note their changes."""
_WORDS = (Kind.LIKE, Kind.DISLIKE)
_SCALARS = {
    "thc_percentage": "float",
    "cbd_percentage": "float",
    "price": "float",
    "strain_type": "text",
}
# Of each kind the newest, lest a day of looking around crowd out a dislike; what was merged is what it was merged into.
_DEEDS = """
WITH deeds AS (
  SELECT customer_id, product_id, %(purchase)s AS kind, purchased_at AS at,
    row_number() OVER (PARTITION BY customer_id ORDER BY purchased_at DESC, id) AS place
  FROM purchases WHERE customer_id = ANY(%(customers)s) AND quantity > 0 AND purchased_at > %(since)s
  UNION ALL
  SELECT customer_id, product_id, kind, occurred_at,
    row_number() OVER (PARTITION BY customer_id, kind ORDER BY occurred_at DESC, id)
  FROM interactions WHERE customer_id = ANY(%(customers)s) AND kind = ANY(%(kinds)s) AND occurred_at > %(since)s
)
SELECT d.customer_id, coalesce(p.merged_into_id, p.id), d.kind, d.at
FROM deeds d JOIN products p ON p.id = d.product_id WHERE d.place <= %(most)s
"""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did with a product, and when; kind: "purchase", or one of an interaction."""

    product: UUID
    kind: str
    at: datetime


@register
class CustomerVector(ComposedEntity):
    """Customers among the products they bought and liked, away from those they dislike."""

    collection = "customer_embeddings"
    table = "customer_profiles"
    made_of = "product_embeddings"
    scalar_fields = _SCALARS
    # A person's own data: the person may see all of it.
    audiences: Mapping[str, Audience] = dict.fromkeys(
        (*ENCODED, "purchases", "interactions", *_SCALARS), Audience.VERIFIED
    )

    def queryset(self) -> QuerySet[CustomerProfile]:
        given = Consent.objects.filter(customer=OuterRef("pk"), withdrawn_at=None)
        agreeing = (
            Exists(given.filter(purpose=purpose))
            for purpose in (Purpose.HISTORY, Purpose.PROFILING)
        )
        return CustomerProfile.objects.filter(*agreeing).only("id", *ENCODED)

    def parts(self, rows: Sequence[CustomerProfile]) -> list[dict[UUID, float]]:
        done = _deeds([row.pk for row in rows])
        return [weights(done[row.pk]) for row in rows]

    def scalars(self, row: CustomerProfile) -> dict[str, str | float]:
        return {
            "thc_percentage": _middle(row.preferred_thc_range),
            "cbd_percentage": _middle(row.preferred_cbd_range),
            "price": _middle(row.preferred_price_range),
            "strain_type": (row.preferred_strain_types or [""])[0],
        }


def weights(deeds: Iterable[Deed]) -> dict[UUID, float]:
    """
    Return what each product weighs, above or below 0, by what was done with it.

    Decay counts from the newest deed and not from now: a vector's direction is the same, and the weights stay as they are
    while nobody does anything. The last word of praise or blame holds; a product that is blamed counts as nothing else.
    """
    told = sorted(deeds, key=lambda deed: (deed.at, deed.kind))
    words = {deed.product: deed for deed in told if deed.kind in _WORDS}
    blamed = {product for product, word in words.items() if word.kind == Kind.DISLIKE}
    counted = [deed for deed in told if deed.kind not in _WORDS and deed.product not in blamed]
    total: dict[UUID, float] = defaultdict(float)
    for deed in (*counted, *words.values()):
        total[deed.product] += WEIGHTS[deed.kind] * 0.5 ** ((told[-1].at - deed.at) / HALF_LIFE)
    return {product: rounded for product, weight in total.items() if (rounded := round(weight, 6))}


def _deeds(customers: Sequence[UUID]) -> Mapping[UUID, list[Deed]]:
    found: dict[UUID, list[Deed]] = defaultdict(list)
    asked: dict[str, Any] = {
        "customers": list(customers),
        "since": timezone.now() - MONTHS,
        "most": LINES,
        "purchase": PURCHASE,
        "kinds": [kind for kind in WEIGHTS if kind != PURCHASE],
    }
    with connection.cursor() as cursor:
        cursor.execute(_DEEDS, asked)
        for customer, *told in cursor.fetchall():
            found[customer].append(Deed(*told))
    return found


def _middle(told: NumericRange | None) -> float:
    """Return the middle of a range, the end there is of one that is open, -1 of none."""
    ends = [float(end) for end in (told.lower, told.upper) if end is not None] if told else []
    return round(sum(ends) / len(ends), 2) if ends else -1.0
