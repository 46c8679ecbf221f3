"""Business rules in force for a request."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from customers.models import BusinessRule
from customers.recommendations.product_facts import ProductFacts
from customers.recommendations.request import RecommendationRequest

# Bounds of the combined factor of all matching rules: no product is buried or lifted above all.
_MIN_FACTOR = 0.1
_MAX_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class ActiveRules:
    """
    Rules in force for a request, oldest first.

    changes_at: when the next rule starts or ends, None if none does.
    """

    rules: Sequence[BusinessRule]
    changes_at: datetime | None


def load_rules(request: RecommendationRequest, *, now: datetime) -> ActiveRules:
    """
    Return the rules in force for the scenario, store and province of a request.

    Without a province the hide rules of any province apply.
    """
    province = request.resolved_province
    in_province = Q(province__in=("", province))
    if not province:
        in_province |= Q(action=BusinessRule.Action.HIDE)
    in_store = Q(store=None) | Q(store=request.store) if request.store else Q(store=None)
    not_ended = BusinessRule.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now),
        in_province,
        in_store,
        scenario__in=("", request.scenario),
    )
    not_ended = not_ended.select_related("product", "store").defer("product__search_document")
    in_force: list[BusinessRule] = []
    changes: list[datetime] = []
    for rule in not_ended.order_by("created_at", "pk"):
        if rule.starts_at and rule.starts_at > now:
            changes.append(rule.starts_at)
            continue
        in_force.append(rule)
        if rule.ends_at:
            changes.append(rule.ends_at)
    return ActiveRules(in_force, min(changes, default=None))


def rank_adjustment(
    rules: Iterable[BusinessRule], facts: ProductFacts
) -> tuple[tuple[BusinessRule, ...], float]:
    """Return the boosts and demotions that match a product, and the factor of its score."""
    matching = tuple(
        rule
        for rule in rules
        if rule.action != BusinessRule.Action.HIDE and matches_rule(rule, facts)
    )
    factor = 1.0
    for rule in matching:
        is_boost = rule.action == BusinessRule.Action.BOOST
        factor *= 1 + rule.strength if is_boost else 1 - rule.strength
    return matching, min(max(factor, _MIN_FACTOR), _MAX_FACTOR)


def matches_rule(rule: BusinessRule, facts: ProductFacts) -> bool:
    """Return whether a product meets every product criterion of a rule."""
    criteria = (
        (rule.product and rule.product.effective_id, facts.id),
        (rule.brand.lower(), facts.brand.lower()),
        (rule.category, facts.category),
        (rule.strain_type, facts.strain_type),
    )
    minimum = rule.min_thc_percentage
    if minimum is not None and (facts.thc is None or facts.thc < minimum):
        return False
    return all(wanted == actual for wanted, actual in criteria if wanted)
