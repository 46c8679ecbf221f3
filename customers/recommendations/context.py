"""Context of a recommendation: the customer, the scenario, the rules and the stores in scope."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from catalog.models import Store
from catalog.reference.provinces import PROVINCES, Province
from customers.models import BusinessRule, Scenario, StoreRepeatStatistics
from customers.recommendations.product_facts import ProductFacts, load_product_facts
from customers.recommendations.request import (
    CustomerNotFound,
    RecommendationRequest,
    ScenarioNotFound,
)
from customers.recommendations.rules import ActiveRules, load_rules
from customers.recommendations.statistics.repeats import StoreStatistics
from customers.recommendations.variants import MODEL_VERSION, with_settings
from customers.reference.consents import PROFILING_PURPOSES
from customers.selectors.history import HistoryEntry, load_basket, load_history, load_ratings
from mlops.experiments import Assignment

SOURCES = ("repurchase", "co_purchase", "embedding_similarity", "popularity", "newness")
"""Candidate sources, in the order in which their scores are added."""
# Profile and open consents of a customer.
_PROFILE = """
SELECT c.province, c.language, c.is_age_verified, c.verified_age, c.stated_preferences,
  ARRAY(
    SELECT k.purpose FROM consents k WHERE k.customer_id = c.id AND k.withdrawn_at IS NULL
  ) AS purposes
FROM customer_profiles c WHERE c.id = %(id)s
"""
_MIN_PRICE = Decimal(0)
_MAX_PRICE = Decimal("Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerContext:
    """
    A known customer.

    stated_preferences: those that the customer stated. purposes: of the consents in force.
    history: empty unless the customer consents to profiling; without dislikes. disliked: products,
    only with consent to `history`.
    """

    id: UUID
    province: str
    language: str
    is_age_verified: bool
    verified_age: int | None
    stated_preferences: dict[str, Any]
    purposes: frozenset[str]
    disliked: frozenset[UUID]
    history: Sequence[HistoryEntry] = field(default_factory=tuple)

    @property
    def is_profiled(self) -> bool:
        """Whether the customer consents to recommendations by their history."""
        return self.purposes >= PROFILING_PURPOSES


@dataclass(frozen=True, kw_only=True)
class RecommendationContext:
    """
    Everything that is known before candidates are generated.

    request: with the customer's province and the basket of the session filled in. store_ids:
    stores whose stock counts. viewed: facts of the products viewed or in the basket. scenario: with
    the settings of the variant.
    """

    request: RecommendationRequest
    scenario: Scenario
    customer: CustomerContext | None
    rules: ActiveRules
    statistics: StoreStatistics
    store_ids: tuple[UUID, ...]
    viewed: Mapping[UUID, ProductFacts]
    now: datetime
    variant: Assignment | None = None

    @cached_property
    def ranker_version(self) -> int | None:
        """Number of the model version that the variant sets; None: the one that serves."""
        return self.variant.settings.get(MODEL_VERSION) if self.variant else None

    @cached_property
    def today(self) -> date:
        """Local date, by which the laws of the provinces apply."""
        return timezone.localdate(self.now)

    @cached_property
    def source_weights(self) -> dict[str, float]:
        """Weight of each candidate source that the scenario uses."""
        weights = {source: float(getattr(self.scenario, source)) for source in SOURCES}
        return {source: weight for source, weight in weights.items() if weight}

    @cached_property
    def history(self) -> Sequence[HistoryEntry]:
        """History of a customer who consents to profiling; empty otherwise."""
        return self.customer.history if self.customer and self.customer.is_profiled else ()

    @cached_property
    def province_rules(self) -> Province | None:
        """Rules of the province of the request; None when it is not known."""
        return PROVINCES.get(self.request.resolved_province)

    @cached_property
    def hide_rules(self) -> Sequence[BusinessRule]:
        """Rules in force that hide products."""
        return [rule for rule in self.rules.rules if rule.action == BusinessRule.Action.HIDE]

    @cached_property
    def price_range(self) -> tuple[Decimal, Decimal] | None:
        """Lowest and highest accepted price, of the request and the stated preference."""
        preferences = self.customer.stated_preferences if self.customer else {}
        stated = preferences.get("price_range") or (None, None)
        lower = [Decimal(str(p)) for p in (self.request.min_price, stated[0]) if p is not None]
        upper = [Decimal(str(p)) for p in (self.request.max_price, stated[1]) if p is not None]
        if not lower and not upper:
            return None
        return max(lower, default=_MIN_PRICE), min(upper, default=_MAX_PRICE)

    @cached_property
    def disliked_values(self) -> Mapping[str, frozenset[str]]:
        """Stated dislikes in lower case, by `brands`, `categories` and `strain_types`."""
        preferences = self.customer.stated_preferences if self.customer else {}
        return {
            name: frozenset(value.lower() for value in preferences.get(f"disliked_{name}") or ())
            for name in ("brands", "categories", "strain_types")
        }


def load_context(
    request: RecommendationRequest,
    *,
    scenario: Scenario | None = None,
    variant: Assignment | None = None,
    now: datetime,
) -> RecommendationContext:
    """
    Return the context of a request. Raises CustomerNotFound, ScenarioNotFound.

    scenario: used instead of the stored one, for previews. variant: its settings replace those of
    the scenario.
    """
    customer = load_customer(request.customer, now=now) if request.customer else None
    if request.customer and customer is None:
        raise CustomerNotFound("Customer not found.")
    request = _resolve(request, customer)
    scenario = scenario or Scenario.objects.filter(name=request.scenario).first()
    if scenario is None:
        raise ScenarioNotFound("Scenario not found.")
    if variant:
        scenario = with_settings(scenario, variant.settings)
    store_ids = stores_in_scope(request)
    return RecommendationContext(
        request=request,
        scenario=scenario,
        customer=customer,
        rules=load_rules(request, now=now),
        statistics=_load_statistics(),
        store_ids=store_ids,
        viewed=load_product_facts(request.products, store_ids),
        now=now,
        variant=variant,
    )


def load_customer(customer: UUID, *, now: datetime) -> CustomerContext | None:
    """Return a customer; None when the id is unknown."""
    with connection.cursor() as cursor:
        cursor.execute(_PROFILE, {"id": customer})
        row = cursor.fetchone()
    if row is None:
        return None
    province, language, is_age_verified, verified_age, stated, purposes = row
    is_profiled = set(purposes) >= PROFILING_PURPOSES
    entries: list[HistoryEntry] = []
    if is_profiled:
        entries = load_history(customer, now=now)
    elif "history" in purposes:
        # Without consent to `history`, ratings exist only because of a legal hold: not used.
        entries = load_ratings(customer, now=now)
    return CustomerContext(
        id=customer,
        province=province,
        language=language,
        is_age_verified=is_age_verified,
        verified_age=verified_age,
        stated_preferences=json.loads(stated) if isinstance(stated, str) else stated,
        purposes=frozenset(purposes),
        disliked=frozenset(entry.product for entry in entries if entry.kind == "dislike"),
        history=tuple(entry for entry in entries if is_profiled and entry.kind != "dislike"),
    )


def stores_in_scope(request: RecommendationRequest) -> tuple[UUID, ...]:
    """Return the stores whose stock counts: the requested one, else the province's, else all."""
    if request.store:
        return (request.store.pk,)
    stores = Store.objects.all()
    if request.province:
        stores = stores.filter(province=request.province)
    return tuple(stores.values_list("pk", flat=True))


def _load_statistics() -> StoreStatistics:
    newest = StoreRepeatStatistics.objects.order_by("-id").first()
    if newest is None:
        return StoreStatistics()
    return StoreStatistics(newest.discovery_ratio, newest.segment_shares, newest.pk)


def _resolve(
    request: RecommendationRequest, customer: CustomerContext | None
) -> RecommendationRequest:
    """Fill in the customer's province and the basket of the session where they are not given."""
    if customer and not request.resolved_province:
        request = replace(request, province=customer.province)
    if request.session and not request.products and request.scenario == Scenario.Name.BASKET:
        request = replace(request, products=load_basket(request.session))
    return request
