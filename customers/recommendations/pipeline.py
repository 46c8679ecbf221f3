"""The road of a recommendation, whole: who asks, candidates, filters, order, reasons."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from uuid import UUID, uuid4

from django.utils import timezone

from catalog.selectors import products_in_order
from customers.models import Rule, Scenario
from customers.recommendations import candidates, scoring
from customers.recommendations.candidates import Candidates
from customers.recommendations.context import basket_of, know
from customers.recommendations.filters import (
    NAMES,
    Blocked,
    Facts,
    Setting,
    barred,
    facts_of,
    is_blocked,
    stores_in_reach,
)
from customers.recommendations.reasons import anchors_of, explain
from customers.recommendations.request import Question, Unknown
from customers.recommendations.result import LEVELS, Answer, Pick
from customers.recommendations.rules import Rules, decided, moving, rules_for
from customers.recommendations.scoring import Scored
from customers.recommendations.segments import sort_of
from customers.recommendations.statistics.repeats import Habits
from customers.services.recommendations import keep

_BARS = {"age": "age-not-proven", "scenario": "scenario-off"}
_LEGS = ("again", "alike", "taste", "popular", "new")
# The best are held against filters a page after the other, until so many are kept that brands can take turns.
_PAGE, _ENOUGH, _TURNS = 80, 60, 2
# What fills up an answer stands below all that was found for it.
_FILLING = 1e-9


@dataclass(slots=True, kw_only=True)
class Weighed:
    """All candidates of a question, those kept in order, and what keeps the others out."""

    setting: Setting
    stores: list[UUID]
    rules: Rules
    habits: Habits
    snapshot: str
    found: Candidates
    facts: dict[UUID, Facts]
    bars: list[Blocked]
    kept: list[Scored[UUID]] = field(default_factory=list)
    moved: dict[UUID, tuple[Rule, ...]] = field(default_factory=dict)


def recommend(
    question: Question,
    *,
    scenario: Scenario | None = None,
    language: str = "",
    silent: Sequence[str] = (),
    is_kept: bool = True,
    now: datetime | None = None,
) -> Answer:
    """
    Return what a person should be shown, here and now.

    scenario: one that is not saved, for a preview. language: of the reasons, en or fr; else the person's. silent: what else
    did not answer, as it stands in LEVELS. is_kept: note the answer, so that what becomes of it can be told. Raises
    Unknown where nobody has the id, or nothing the name.
    """
    moment = now or timezone.now()
    weighed = weigh(question, scenario=scenario, now=moment)
    ordered = order(weighed)
    why, spoken = (*_why(weighed, ordered), *silent), language or language_of(weighed.setting)
    answer = Answer(
        id=uuid4(),
        scenario=weighed.setting.scenario,
        model_version=f"{scoring.VERSION}.{weighed.habits.number}",
        filters=NAMES,
        level=max((LEVELS[reason] for reason in why), default=0),
        why=why,
        picks=_picks(weighed, ordered, spoken),
        language=spoken,
        is_personal=_is_personal(weighed),
        until=_until(weighed),
        rests_on=_rests_on(weighed, ordered),
        versions=_versions(weighed, ordered),
        stores=tuple(weighed.stores),
        snapshot=weighed.snapshot,
        made_at=moment,
    )
    if is_kept:
        keep(answer, question)
    return answer


def weigh(
    question: Question,
    *,
    scenario: Scenario | None = None,
    also: Collection[UUID] = (),
    now: datetime,
) -> Weighed:
    """Return every candidate, and `also` those, held against filters and rules. Raises as `recommend` does."""
    person = know(question.customer, now=now) if question.customer else None
    if question.customer and person is None:
        raise Unknown("Nobody has this id.")
    if person and not question.place:
        question = replace(question, province=person.province)
    if question.session and not question.products and question.scenario == Scenario.Name.BASKET:
        question = replace(question, products=basket_of(question.session))
    staff = decided(now=now)
    mixed_as = scenario or staff.scenarios.get(question.scenario)
    if mixed_as is None:
        raise Unknown("There is no such scenario.")
    rules = rules_for(question, of=staff, now=now)
    stores = stores_in_reach(question)
    setting = Setting(
        question=question,
        scenario=mixed_as,
        person=person,
        rules=rules.holding,
        looked_at=facts_of(question.products, stores),
        today=timezone.localdate(now),
    )
    weighed = Weighed(
        setting=setting,
        stores=stores,
        rules=rules,
        habits=staff.habits,
        snapshot=staff.snapshot,
        found=Candidates(),
        facts={},
        bars=barred(setting),
    )
    if weighed.bars and not also:
        return weighed
    weights = {leg: weight for leg in _LEGS if (weight := float(getattr(setting.scenario, leg)))}
    weighed.found = candidates.gather(
        question, person, stores, legs=weights, shop=staff.habits, now=now
    )
    weighed.facts = facts_of(also, stores)
    mixed = scoring.mix(
        weighed.found.legs, weights, odds=weighed.found.odds, lifts=weighed.found.lifts
    )
    weighed.kept = _kept(weighed, mixed, enough=_enough(question, also))
    if len(weighed.kept) < question.limit:
        _fill(weighed)
    return weighed


def _enough(question: Question, also: Collection[UUID]) -> float:
    """Return how many must be kept: all of them where one is asked for that may stand anywhere."""
    return math.inf if also else max(_ENOUGH, _TURNS * question.limit)


def order(weighed: Weighed) -> list[Scored[UUID]]:
    """Return what is shown of what is kept, with variety."""
    if weighed.bars:
        return []
    scenario = weighed.setting.scenario
    traits = {
        one.key: (facts.brand, sort_of(facts.category, facts.strain_type))
        for one in weighed.kept
        if (facts := weighed.facts[one.key])
    }
    return scoring.diversify(
        weighed.kept,
        traits=traits,
        diversity=scenario.diversity,
        most_of_a_brand=scenario.most_of_a_brand,
        limit=weighed.setting.question.limit,
    )


def _kept(weighed: Weighed, mixed: Sequence[Scored[UUID]], *, enough: float) -> list[Scored[UUID]]:
    """Leave out what a filter keeps out, move what rules move."""
    kept: list[Scored[UUID]] = []
    if any(rule.deed != Rule.Deed.HIDE for rule in weighed.rules.holding):
        enough = math.inf  # what stands far below may be raised
    for start in range(0, len(mixed), _PAGE):
        page = mixed[start : start + _PAGE]
        weighed.facts |= facts_of([one.key for one in page], weighed.stores)
        for one in page:
            facts = weighed.facts.get(one.key)
            if facts is None or is_blocked(facts, weighed.setting):
                continue
            weighed.moved[one.key], factor = moving(weighed.rules.holding, facts)
            parts = {leg: factor * part for leg, part in one.parts.items()}
            kept.append(Scored(key=one.key, score=factor * one.score, parts=parts))
        if len(kept) >= enough:
            break
    return sorted(kept, key=lambda one: (-one.score, str(one.key)))


def _fill(weighed: Weighed) -> None:
    """Add what sells, else what there is, where candidates are too few; held against the same filters."""
    sells = weighed.found.legs.get("popular") or candidates.popular(
        weighed.setting.question, weighed.stores
    )
    more = dict.fromkeys([*sells, *candidates.anything(weighed.stores)])
    missing = [pk for pk in more if pk not in weighed.facts]
    weighed.facts |= facts_of(missing, weighed.stores)
    there = {one.key for one in weighed.kept}
    fit = [
        pk
        for pk in more
        if pk in weighed.facts
        and pk not in there
        and not is_blocked(weighed.facts[pk], weighed.setting)
    ]
    weighed.kept += [
        Scored(key=pk, score=_FILLING / (place + 1), parts={})
        for place, pk in enumerate(fit[: weighed.setting.question.limit])
    ]


def _until(weighed: Weighed) -> datetime:
    """Return when it may be otherwise by itself: when a rule begins or ends, or with the day, by which laws hold."""
    tomorrow = datetime.combine(
        weighed.setting.today + timedelta(days=1), time.min, timezone.get_current_timezone()
    )
    return min(filter(None, (weighed.rules.until, tomorrow)))


def _is_personal(weighed: Weighed) -> bool:
    person = weighed.setting.person
    return bool(person and person.is_profiled and person.deeds and not weighed.bars)


def _why(weighed: Weighed, ordered: Sequence[Scored[UUID]]) -> tuple[str, ...]:
    """Return what stood between the answer and what was asked for."""
    if weighed.bars:
        return tuple(_BARS[bar.filter] for bar in weighed.bars)
    why = list(weighed.found.silent)
    person, question = weighed.setting.person, weighed.setting.question
    if not question.products:  # what is looked at is answered by itself, whoever asks
        if person is None:
            why.append("nobody-known")
        elif not person.is_profiled:
            why.append("no-consent")
        elif not person.deeds:
            why.append("cold-start")
    elif not any(set(one.parts) & {"alike", "taste"} for one in ordered):
        why.append("nothing-alike")
    if not ordered:
        why.append("nothing-fits")
    return tuple(why)


def language_of(setting: Setting) -> str:
    """Return the person's language; of somebody unknown that of the province."""
    if setting.person:
        return setting.person.language
    return "fr" if setting.question.place == "QC" else "en"


def _picks(weighed: Weighed, ordered: Sequence[Scored[UUID]], language: str) -> list[Pick]:
    anchors = anchors_of(weighed.found.seeds, weighed.setting.question.products)
    products = {
        product.pk: product
        for product in products_in_order([*(str(one.key) for one in ordered), *map(str, anchors)])
    }
    told = [products[pk] for pk in anchors if pk in products]
    return [
        Pick(
            product=products[one.key],
            score=one.score,
            parts=one.parts,
            rules=weighed.moved.get(one.key, ()),
            reasons=explain(products[one.key], parts=one.parts, anchors=told, language=language),
        )
        for one in ordered
        if one.key in products
    ]


def _rests_on(weighed: Weighed, ordered: Sequence[Scored[UUID]]) -> frozenset[str]:
    question = weighed.setting.question
    own = [question.customer] if question.customer else []
    return frozenset(
        map(str, (*own, *question.products, *weighed.stores, *(one.key for one in ordered)))
    )


def _versions(weighed: Weighed, ordered: Sequence[Scored[UUID]]) -> tuple[str, ...]:
    """Return the versions of person, rules and products as they were read; `customers.recommendations.cache` asks for the same again."""
    person, facts = weighed.setting.person, {**weighed.facts, **weighed.setting.looked_at}
    shown = {one.key for one in ordered}
    products = sorted(f"{pk}:{facts[pk].version}" for pk in {*shown, *weighed.setting.looked_at})
    return (person.version if person else "", weighed.rules.version, *products)
