"""Business rules in force for a request, and the versioned settings they are read from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection
from django.db.models import Q

from customers.models import BusinessRule, Scenario, StoreRepeatStatistics
from customers.recommendations.product_facts import ProductFacts
from customers.recommendations.request import RecommendationRequest
from customers.recommendations.statistics.repeats import StoreStatistics

# One row: the version of all settings, which changes whenever a rule, its product, a scenario or a
# store changes or statistics are added; and the PostgreSQL snapshot in which it was read.
SETTINGS_VERSION = """
SELECT md5(concat_ws('.', (
    SELECT string_agg(concat(r.id, r.xmin, p.merged_into_id), ',' ORDER BY r.id)
    FROM recommendation_rules r LEFT JOIN products p ON p.id = r.product_id),
  (SELECT string_agg(concat(s.name, s.xmin), ',' ORDER BY s.name) FROM recommendation_scenarios s),
  (SELECT string_agg(concat(t.id, t.xmin), ',' ORDER BY t.id) FROM stores t),
  (SELECT max(h.id) FROM store_repeat_statistics h))), pg_current_snapshot()::text
"""
# Bounds of the combined factor of all matching rules: no product is buried or lifted above all.
_MIN_FACTOR = 0.1
_MAX_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class RecommendationSettings:
    """
    Rules that have not ended, oldest first, all scenarios, and store statistics, at one version.

    snapshot: PostgreSQL snapshot in which the version was read.
    """

    version: str
    snapshot: str
    rules: Sequence[BusinessRule]
    scenarios: Mapping[str, Scenario]
    statistics: StoreStatistics


@dataclass(frozen=True, slots=True)
class ActiveRules:
    """
    Rules in force for a request.

    changes_at: when the next rule starts or ends, None if none does. version: of all settings.
    """

    rules: Sequence[BusinessRule]
    changes_at: datetime | None
    version: str


_cached: RecommendationSettings | None = None


def load_settings(*, now: datetime) -> RecommendationSettings:
    """Return the settings; they are read again only when their version has changed."""
    global _cached  # noqa: PLW0603  # one immutable value for each process, replaced as a whole
    with connection.cursor() as cursor:
        cursor.execute(SETTINGS_VERSION)
        version, snapshot = cursor.fetchone()
    settings = _cached
    if settings is None or settings.version != version:
        rules = BusinessRule.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now))
        rules = rules.select_related("product", "store").defer("product__search_document")
        settings = RecommendationSettings(
            version,
            snapshot,
            list(rules.order_by("created_at", "pk")),
            {scenario.name: scenario for scenario in Scenario.objects.all()},
            _load_statistics(),
        )
        _cached = settings
    return replace(settings, snapshot=snapshot)


def _load_statistics() -> StoreStatistics:
    newest = StoreRepeatStatistics.objects.order_by("-id").first()
    if newest is None:
        return StoreStatistics()
    return StoreStatistics(newest.discovery_ratio, newest.segment_shares, newest.pk)


def active_rules(
    request: RecommendationRequest, *, settings: RecommendationSettings, now: datetime
) -> ActiveRules:
    """Return the rules in force for the scenario, store and province of a request."""
    in_force: list[BusinessRule] = []
    changes: list[datetime] = []
    for rule in settings.rules:
        if not _applies_to(rule, request) or (rule.ends_at and rule.ends_at <= now):
            continue
        if rule.starts_at and rule.starts_at > now:
            changes.append(rule.starts_at)
            continue
        in_force.append(rule)
        if rule.ends_at:
            changes.append(rule.ends_at)
    return ActiveRules(in_force, min(changes, default=None), settings.version)


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
        (rule.product and (rule.product.merged_into_id or rule.product_id), facts.id),
        (rule.brand.lower(), facts.brand.lower()),
        (rule.category, facts.category),
        (rule.strain_type, facts.strain_type),
    )
    minimum = rule.min_thc_percentage
    if minimum is not None and (facts.thc is None or facts.thc < minimum):
        return False
    return all(wanted == actual for wanted, actual in criteria if wanted)


def _applies_to(rule: BusinessRule, request: RecommendationRequest) -> bool:
    """Return whether a rule concerns a request; without a province, hide rules of any apply."""
    province = request.resolved_province
    is_in_province = rule.province in ("", province) or (
        not province and rule.action == BusinessRule.Action.HIDE
    )
    is_in_store = rule.store_id is None or bool(request.store and rule.store_id == request.store.pk)
    return is_in_province and is_in_store and rule.scenario in ("", request.scenario)
