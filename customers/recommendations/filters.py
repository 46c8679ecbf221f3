"""
Hard filters: conditions under which a product is not recommended, whatever its score.

Every filter is applied to every product. A filter returns why the product is excluded, or an empty
text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from catalog.reference.provinces import PROVINCES
from customers.recommendations.context import RecommendationContext
from customers.recommendations.product_facts import ProductFacts
from customers.recommendations.rules import matches_rule

_MAX_LEGAL_AGE = max(age for province in PROVINCES.values() for _, age in province.ages)
_MIN_LEGAL_AGE = min(age for province in PROVINCES.values() for _, age in province.ages)


@dataclass(frozen=True, slots=True)
class BlockingReason:
    """A hard filter that excludes a product or a whole request, and its explanation for staff."""

    filter: str
    explanation: str


def blocking_reasons(facts: ProductFacts, context: RecommendationContext) -> list[BlockingReason]:
    """Return every filter that excludes a product; none: it is eligible."""
    explanations = {name: explain(facts, context) for name, explain in FILTERS.items()}
    return [BlockingReason(name, text) for name, text in explanations.items() if text]


def is_blocked(facts: ProductFacts, context: RecommendationContext) -> bool:
    """Return whether any filter excludes a product."""
    return any(explain(facts, context) for explain in FILTERS.values())


def request_blocking_reasons(context: RecommendationContext) -> list[BlockingReason]:
    """Return what excludes all products: a disabled scenario, or an age that is not proven."""
    reasons = []
    if not context.scenario.is_active:
        reasons.append(BlockingReason("scenario", "this scenario is disabled"))
    if explanation := _age_not_verified(context):
        reasons.append(BlockingReason("age", explanation))
    return reasons


def _age_not_verified(context: RecommendationContext) -> str:
    customer = context.customer
    if customer is None:  # the client has verified the age: its audience is `verified`
        return ""
    province = PROVINCES.get(context.request.resolved_province or customer.province)
    required = province.min_age(context.today) if province else _MAX_LEGAL_AGE
    if not customer.is_age_verified:
        return f"no proof of age {required}"
    proven = customer.verified_age or _MIN_LEGAL_AGE
    return "" if proven >= required else f"proven age {proven}, required {required}"


def _merged(facts: ProductFacts, _context: RecommendationContext) -> str:
    return "" if facts.is_current else "merged into another product"


def _out_of_stock(facts: ProductFacts, context: RecommendationContext) -> str:
    if facts.is_in_stock:
        return ""
    store = context.request.store
    return f"not in stock in {store.name if store else 'any store in scope'}"


def _sale_not_allowed(facts: ProductFacts, context: RecommendationContext) -> str:
    # Without a province, the product must be allowed in all of them.
    provinces = [context.province_rules] if context.province_rules else PROVINCES.values()
    for province in provinces:
        if not province.is_sale_allowed(
            category=facts.category,
            thc=facts.thc,
            milligrams=facts.milligrams,
            mg_basis=facts.mg_basis,
            on=context.today,
        ):
            return f"may not be sold in {province.name_en}"
    return ""


def _outside_price_range(facts: ProductFacts, context: RecommendationContext) -> str:
    if context.price_range is None:
        return ""
    if facts.price is None:
        return "no price"
    lowest, highest = context.price_range
    is_within = lowest <= facts.price <= highest
    return "" if is_within else f"{facts.price} is outside the price range"


def _disliked(facts: ProductFacts, context: RecommendationContext) -> str:
    customer = context.customer
    if customer is None:
        return ""
    if facts.id in customer.disliked:
        return "the customer dislikes it"
    values = {
        "brands": facts.brand,
        "categories": facts.category,
        "strain_types": facts.strain_type,
    }
    for name, value in values.items():
        if value.lower() in context.disliked_values[name]:
            return f"the customer dislikes {value}"
    return ""


def _hidden(facts: ProductFacts, context: RecommendationContext) -> str:
    rule = next((rule for rule in context.hide_rules if matches_rule(rule, facts)), None)
    return f"rule {rule.name}: {rule.reason}" if rule else ""


def _other_category(facts: ProductFacts, context: RecommendationContext) -> str:
    if not context.scenario.is_same_category or not context.viewed:
        return ""
    categories = {viewed.category for viewed in context.viewed.values()}
    return "" if facts.category in categories else f"not {', '.join(sorted(categories))}"


def _viewed_or_in_basket(facts: ProductFacts, context: RecommendationContext) -> str:
    return "viewed or in the basket" if facts.id in context.viewed else ""


FILTERS: Mapping[str, Callable[[ProductFacts, RecommendationContext], str]] = {
    "stock": _out_of_stock,
    "merged": _merged,
    "province": _sale_not_allowed,
    "price": _outside_price_range,
    "dislike": _disliked,
    "rule": _hidden,
    "category": _other_category,
    "viewed_or_in_basket": _viewed_or_in_basket,
}
"""Filters by name; each returns the explanation, empty where the product passes."""
FILTER_NAMES = ("scenario", "age", "consent", *FILTERS)
"""Names of all hard filters that every result has passed."""
