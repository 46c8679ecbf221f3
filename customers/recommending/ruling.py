"""What staff have decided, as far as it holds here and now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q

from customers.models import Rule
from customers.recommending.asking import Question
from customers.recommending.filtering import Facts, names

VERSION = """
SELECT md5(concat_ws('.', (SELECT string_agg(concat(r.id, r.xmin), ',' ORDER BY r.id) FROM recommendation_rules r),
  (SELECT string_agg(concat(s.name, s.xmin), ',' ORDER BY s.name) FROM recommendation_scenarios s),
  (SELECT string_agg(concat(t.id, t.xmin), ',' ORDER BY t.id) FROM stores t)))
"""
"""What changes whenever a rule, a scenario or a store does."""
_LEAST, _MOST = 0.1, 3.0
"""However many rules meet, they neither bury a product nor lift it beyond all others."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Those that hold for a question, when that changes by itself, and the version of all there are."""

    holding: Sequence[Rule]
    until: datetime | None
    version: str


def rules_for(question: Question, *, now: datetime) -> Rules:
    """Return the rules of a question's scenario, store and province; until: when the next begins or ends."""
    with connection.cursor() as cursor:
        cursor.execute(VERSION)
        (version,) = cursor.fetchone()
    scope = Q(scenario__in=("", question.scenario))
    # Where nobody has told the place, what is hidden in any province is hidden.
    scope &= Q(province__in=("", question.place)) if question.place else Q(province="") | Q(deed=Rule.Deed.HIDE)
    stores = Q(store=None) | Q(store=question.store) if question.store else Q(store=None)
    living = Rule.objects.filter(scope, stores, Q(ends_at=None) | Q(ends_at__gt=now)).select_related("product")
    holding, turns = [], []
    for rule in living.defer("product__search_document").order_by("created_at", "pk"):
        if rule.starts_at and rule.starts_at > now:
            turns.append(rule.starts_at)
            continue
        holding.append(rule)
        if rule.ends_at:
            turns.append(rule.ends_at)
    return Rules(holding, min(turns, default=None), version)


def moving(rules: Iterable[Rule], facts: Facts) -> tuple[tuple[Rule, ...], float]:
    """Return the rules that raise or lower a product, and what they multiply its score by."""
    met = tuple(rule for rule in rules if rule.deed != Rule.Deed.HIDE and names(rule, facts))
    factor = 1.0
    for rule in met:
        factor *= 1 + rule.strength if rule.deed == Rule.Deed.RAISE else 1 - rule.strength
    return met, min(max(factor, _LEAST), _MOST)
