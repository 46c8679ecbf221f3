"""What staff have decided, as far as it holds here and now, and what is counted of the whole shop."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection
from django.db.models import Q

from customers.models import Rule, Scenario, ShopHabits
from customers.recommendations.filters import Facts, names
from customers.recommendations.request import Question
from customers.recommendations.statistics.repeats import Habits

VERSION = """
SELECT md5(concat_ws('.', (
    SELECT string_agg(concat(r.id, r.xmin, p.merged_into_id), ',' ORDER BY r.id)
    FROM recommendation_rules r LEFT JOIN products p ON p.id = r.product_id),
  (SELECT string_agg(concat(s.name, s.xmin), ',' ORDER BY s.name) FROM recommendation_scenarios s),
  (SELECT string_agg(concat(t.id, t.xmin), ',' ORDER BY t.id) FROM stores t),
  (SELECT max(h.id) FROM shop_habits h))), pg_current_snapshot()::text
"""
"""What changes whenever a rule, the product it is on, a scenario or a store does, or habits are counted; and what was seen."""
_LEAST, _MOST = 0.1, 3.0
"""However many rules meet, they neither bury a product nor lift it beyond all others."""


@dataclass(frozen=True, slots=True)
class Decided:
    """
    All rules that are not over, the oldest first, all scenarios, and the shop's habits, as they were at a version.

    snapshot: which transactions were seen when that was read, as PostgreSQL writes it.
    """

    version: str
    snapshot: str
    rules: Sequence[Rule]
    scenarios: Mapping[str, Scenario]
    habits: Habits


@dataclass(frozen=True, slots=True)
class Rules:
    """Those that hold for a question, when that changes by itself, and the version of all there are."""

    holding: Sequence[Rule]
    until: datetime | None
    version: str


_held: Decided | None = None


def decided(*, now: datetime) -> Decided:
    """Return what staff have decided; read anew only where its version says that it has changed."""
    global _held
    with connection.cursor() as cursor:
        cursor.execute(VERSION)
        version, snapshot = cursor.fetchone()
    held = _held
    if held is None or held.version != version:
        rules = Rule.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now)).select_related(
            "product", "store"
        )
        held = _held = Decided(
            version,
            snapshot,
            list(rules.defer("product__search_document").order_by("created_at", "pk")),
            {scenario.name: scenario for scenario in Scenario.objects.all()},
            _habits(),
        )
    return replace(held, snapshot=snapshot)


def _habits() -> Habits:
    newest = ShopHabits.objects.order_by("-id").first()
    return Habits(newest.odds, newest.shares, newest.pk) if newest else Habits()


def rules_for(question: Question, *, of: Decided, now: datetime) -> Rules:
    """Return the rules of a question's scenario, store and province; until: when the next begins or ends."""
    holding, turns = [], []
    for rule in of.rules:
        if not _concerns(rule, question) or (rule.ends_at and rule.ends_at <= now):
            continue
        if rule.starts_at and rule.starts_at > now:
            turns.append(rule.starts_at)
            continue
        holding.append(rule)
        if rule.ends_at:
            turns.append(rule.ends_at)
    return Rules(holding, min(turns, default=None), of.version)


def moving(rules: Iterable[Rule], facts: Facts) -> tuple[tuple[Rule, ...], float]:
    """Return the rules that raise or lower a product, and what they multiply its score by."""
    met = tuple(rule for rule in rules if rule.deed != Rule.Deed.HIDE and names(rule, facts))
    factor = 1.0
    for rule in met:
        factor *= 1 + rule.strength if rule.deed == Rule.Deed.RAISE else 1 - rule.strength
    return met, min(max(factor, _LEAST), _MOST)


def _concerns(rule: Rule, question: Question) -> bool:
    """Tell whether a rule is meant for what is asked; where nobody tells the place, what any province hides is hidden."""
    is_placed = rule.province in ("", question.place) or (
        not question.place and rule.deed == Rule.Deed.HIDE
    )
    is_in_store = rule.store_id is None or bool(
        question.store and rule.store_id == question.store.pk
    )
    return is_placed and is_in_store and rule.scenario in ("", question.scenario)
