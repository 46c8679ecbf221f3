"""What an answer is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from catalog.models import Product
from customers.models import Rule, Scenario

# How far an answer is from what was asked for, by what stood in the way: 0 is all of it.
LEVELS: Mapping[str, int] = {
    "vectors-silent": 1,
    "cache-silent": 1,
    "no-consent": 2,
    "cold-start": 2,
    "nobody-known": 2,
    "nothing-alike": 3,
    "age-not-proven": 4,
    "scenario-off": 4,
    "nothing-fits": 4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A recommended product: its score, what each leg gave to it, staff's rules that moved it, and why it is there."""

    product: Product
    score: float
    parts: dict[str, float]
    rules: tuple[Rule, ...]
    reasons: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What is recommended, best first.

    model_version: of the mix, and by which count of the shop's habits it went, as mix-2.17. level: 0 all that was asked for,
    1 without a part that did not answer, 2 not personal, 3 what sells, as nothing else was found, 4 nothing; why: what
    stood in the way. rests_on: ids of rows; versions: what of them was read. stores: whose stock counted; snapshot: which
    transactions were seen before it was read. until: when it may be otherwise by itself.
    """

    id: UUID
    scenario: Scenario
    model_version: str
    filters: tuple[str, ...]
    level: int
    why: tuple[str, ...]
    picks: list[Pick]
    language: str
    is_personal: bool
    until: datetime
    rests_on: frozenset[str]
    versions: tuple[str, ...]
    stores: tuple[UUID, ...]
    snapshot: str
    made_at: datetime
