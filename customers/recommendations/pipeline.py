"""
Recommendation pipeline: the order of its steps.

load_context → request_blocking_reasons → generate_candidates → rank_candidates →
apply_hard_filters → add_fallback_products (only when too few products are eligible) →
select_products → build_result → record_recommendation. A request that is blocked as a whole goes
straight to build_result.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from time import perf_counter
from uuid import UUID, uuid4

from django.utils import timezone

from catalog.selectors import products_in_order
from customers.models import BusinessRule, Scenario
from customers.recommendations.candidates import (
    CandidateSet,
    generate_candidates,
    popular_products,
    stocked_products,
)
from customers.recommendations.context import RecommendationContext, load_context
from customers.recommendations.filters import (
    FILTER_NAMES,
    BlockingReason,
    is_blocked,
    request_blocking_reasons,
)
from customers.recommendations.log import record_recommendation
from customers.recommendations.model_ranking import (
    MODEL_DEPENDENCY,
    RankerChoice,
    choose_ranker,
    rank_candidates,
)
from customers.recommendations.product_facts import ProductFacts, load_product_facts
from customers.recommendations.reasons import build_reasons, select_anchors
from customers.recommendations.request import RecommendationRequest
from customers.recommendations.result import (
    FALLBACK_LEVELS,
    FallbackLevel,
    RecommendationResult,
    RecommendedProduct,
)
from customers.recommendations.rules import rank_adjustment
from customers.recommendations.scoring import SCORING_VERSION, ScoredCandidate, diversify
from customers.reference.segments import segment_of
from mlops.experiments import Assignment

# Fallback reasons of a request that a hard filter blocks as a whole.
_FALLBACK_REASON_BY_FILTER = {"age": "age_not_verified", "scenario": "scenario_disabled"}
# Candidates are filtered in pages, best first, until enough are eligible for diversification.
_PAGE_SIZE = 80
_MIN_ELIGIBLE = 60
_ELIGIBLE_PER_RESULT = 2
# Score of the first fallback product, below those of candidates; the following score less.
_FALLBACK_SCORE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """
    Eligible products of a context, best first, before diversification.

    facts: of every product that was checked against the hard filters. matched_rules: boosts and
    demotions by product; none for fallback products. version: of the ranking. unavailable: fallback
    reasons of components that failed.
    """

    candidates: CandidateSet = field(default_factory=CandidateSet)
    eligible: Sequence[ScoredCandidate[UUID]] = ()
    facts: Mapping[UUID, ProductFacts] = field(default_factory=dict)
    matched_rules: Mapping[UUID, tuple[BusinessRule, ...]] = field(default_factory=dict)
    version: str = SCORING_VERSION
    unavailable: tuple[str, ...] = ()


def recommend(  # noqa: PLR0913  # optional keywords
    request: RecommendationRequest,
    *,
    scenario: Scenario | None = None,
    language: str = "",
    unavailable: Sequence[str] = (),
    record: bool = True,
    variant: Assignment | None = None,
    now: datetime | None = None,
) -> RecommendationResult:
    """
    Rank products for a customer, session or product page.

    scenario: used instead of the stored one, for previews. language: of the reasons, en or fr; the
    customer's by default. unavailable: fallback reasons of components outside the pipeline that
    failed, for example the cache. record: store the result for evaluation and feedback, with the
    customer only under consent to `history`. variant: of an experiment, whose settings replace
    those of the scenario. Raises CustomerNotFound, ScenarioNotFound.
    """
    started = perf_counter()
    context = load_context(request, scenario=scenario, variant=variant, now=now or timezone.now())
    blocked_by = request_blocking_reasons(context)
    ranking = Ranking() if blocked_by else rank_eligible_products(context)
    selected = [] if blocked_by else select_products(ranking, context)
    result = build_result(
        context,
        ranking,
        selected,
        fallback_reasons=(*_fallback_reasons(context, ranking, selected, blocked_by), *unavailable),
        is_personalized=bool(context.history) and not blocked_by,
        language=language or default_language(context),
    )
    if record:
        milliseconds = 1000 * (perf_counter() - started)
        record_recommendation(result, request, variant=variant, milliseconds=milliseconds)
    return result


def rank_eligible_products(
    context: RecommendationContext,
    *,
    also_load: Collection[UUID] = (),
    choice: RankerChoice | None = None,
) -> Ranking:
    """
    Return the eligible products, best first.

    also_load: products whose facts are returned even if no source proposes them; with any, all
    candidates are filtered instead of only the first pages. choice: what ranks, instead of the
    deployed version.
    """
    candidates = generate_candidates(context)
    choice = choice or choose_ranker(context)
    scored = rank_candidates(candidates, context, choice)
    ranking = apply_hard_filters(scored, context, also_load=also_load)
    ranking = replace(
        ranking,
        candidates=candidates,
        version=choice.version,
        unavailable=(*candidates.unavailable, *choice.unavailable),
    )
    if len(ranking.eligible) < context.request.limit:
        ranking = add_fallback_products(ranking, context)
    return ranking


def apply_hard_filters(
    scored: Sequence[ScoredCandidate[UUID]],
    context: RecommendationContext,
    *,
    also_load: Collection[UUID] = (),
) -> Ranking:
    """Return candidates that pass all hard filters, re-ranked by the boosts and demotions."""
    facts = load_product_facts(also_load, context.store_ids)
    matched_rules: dict[UUID, tuple[BusinessRule, ...]] = {}
    eligible: list[ScoredCandidate[UUID]] = []
    required = _required_eligible(context, also_load)
    for start in range(0, len(scored), _PAGE_SIZE):
        page = scored[start : start + _PAGE_SIZE]
        facts |= load_product_facts([candidate.key for candidate in page], context.store_ids)
        for candidate in page:
            product = facts.get(candidate.key)
            if product is None or is_blocked(product, context):
                continue
            rules, factor = rank_adjustment(context.rules.rules, product)
            matched_rules[candidate.key] = rules
            eligible.append(_with_factor(candidate, factor))
        if len(eligible) >= required:
            break
    eligible.sort(key=lambda candidate: (-candidate.score, str(candidate.key)))
    return Ranking(eligible=eligible, facts=facts, matched_rules=matched_rules)


def add_fallback_products(ranking: Ranking, context: RecommendationContext) -> Ranking:
    """
    Append best sellers, then other products in stock, that pass the same hard filters.

    Boosts and demotions do not apply to them.
    """
    popular = ranking.candidates.scores.get("popularity") or popular_products(context)
    fallback = list(dict.fromkeys([*popular, *stocked_products(context)]))
    missing = [pk for pk in fallback if pk not in ranking.facts]
    facts = {**ranking.facts, **load_product_facts(missing, context.store_ids)}
    present = {candidate.key for candidate in ranking.eligible}
    eligible = [
        pk
        for pk in fallback
        if pk in facts and pk not in present and not is_blocked(facts[pk], context)
    ]
    added = [
        ScoredCandidate(key=pk, score=_FALLBACK_SCORE / rank, components={})
        for rank, pk in enumerate(eligible[: context.request.limit], start=1)
    ]
    return replace(ranking, eligible=[*ranking.eligible, *added], facts=facts)


def select_products(
    ranking: Ranking, context: RecommendationContext
) -> list[ScoredCandidate[UUID]]:
    """
    Return the products to recommend, diversified.

    Where `max_per_brand` excludes the rest they are fewer than asked for; no fallback products are
    added then.
    """
    traits = {}
    for candidate in ranking.eligible:
        facts = ranking.facts[candidate.key]
        traits[candidate.key] = (facts.brand, segment_of(facts.category, facts.strain_type))
    return diversify(
        ranking.eligible,
        traits=traits,
        diversity=context.scenario.diversity,
        max_per_brand=context.scenario.max_per_brand,
        limit=context.request.limit,
    )


def build_result(  # noqa: PLR0913  # keywords, each computed by one step
    context: RecommendationContext,
    ranking: Ranking,
    selected: Sequence[ScoredCandidate[UUID]],
    *,
    fallback_reasons: tuple[str, ...],
    is_personalized: bool,
    language: str,
) -> RecommendationResult:
    """
    Return the result, with reasons and with the dependencies that a cache needs.

    A product that was merged away or deleted since it was ranked is left out.
    """
    levels = [FALLBACK_LEVELS[reason] for reason in fallback_reasons]
    return RecommendationResult(
        id=uuid4(),
        scenario=context.scenario,
        model_version=f"{ranking.version}.{context.statistics.row_id}",
        applied_filters=FILTER_NAMES,
        fallback_level=max(levels, default=FallbackLevel.NONE),
        fallback_reasons=fallback_reasons,
        recommendations=_recommended_products(context, ranking, selected, language),
        language=language,
        is_personalized=is_personalized,
        valid_until=_valid_until(context),
        dependencies=_dependencies(context, selected),
        created_at=context.now,
    )


def default_language(context: RecommendationContext) -> str:
    """Return the customer's language; for an anonymous request that of the province."""
    if context.customer:
        return context.customer.language
    return "fr" if context.request.resolved_province == "QC" else "en"


def _required_eligible(context: RecommendationContext, also_load: Collection[UUID]) -> float:
    """Return the number of eligible products after which filtering may stop; inf: never."""
    if also_load:
        return math.inf
    if any(rule.action != BusinessRule.Action.HIDE for rule in context.rules.rules):
        return math.inf  # a low-ranked product may be boosted
    return max(_MIN_ELIGIBLE, _ELIGIBLE_PER_RESULT * context.request.limit)


def _with_factor(candidate: ScoredCandidate[UUID], factor: float) -> ScoredCandidate[UUID]:
    components = {source: factor * part for source, part in candidate.components.items()}
    return replace(candidate, score=factor * candidate.score, components=components)


def _fallback_reasons(
    context: RecommendationContext,
    ranking: Ranking,
    selected: Sequence[ScoredCandidate[UUID]],
    blocked_by: Sequence[BlockingReason],
) -> tuple[str, ...]:
    """Return why the result differs from an ideal one; empty when it does not."""
    if blocked_by:
        return tuple(_FALLBACK_REASON_BY_FILTER[reason.filter] for reason in blocked_by)
    reasons = list(ranking.unavailable)
    if context.request.products:
        similar = {"co_purchase", "embedding_similarity"}
        if not any(similar & candidate.components.keys() for candidate in selected):
            reasons.append("no_similar_products")
    elif context.customer is None:
        reasons.append("anonymous")
    elif not context.customer.is_profiled:
        reasons.append("no_consent")
    elif not context.history:
        reasons.append("cold_start")
    if not selected:
        reasons.append("no_eligible_products")
    return tuple(reasons)


def _recommended_products(
    context: RecommendationContext,
    ranking: Ranking,
    selected: Sequence[ScoredCandidate[UUID]],
    language: str,
) -> list[RecommendedProduct]:
    anchor_ids = select_anchors(ranking.candidates.seeds, context.request.products)
    ids = [*(candidate.key for candidate in selected), *anchor_ids]
    products = {product.pk: product for product in products_in_order([str(pk) for pk in ids])}
    anchors = [products[pk] for pk in anchor_ids if pk in products]
    return [
        RecommendedProduct(
            product=products[candidate.key],
            score=candidate.score,
            score_components=candidate.components,
            rules=ranking.matched_rules.get(candidate.key, ()),
            reasons=build_reasons(
                products[candidate.key],
                score_components=candidate.components,
                anchors=anchors,
                language=language,
            ),
            probability=candidate.probability,
        )
        for candidate in selected
        if candidate.key in products
    ]


def _valid_until(context: RecommendationContext) -> datetime:
    """
    Return when the result may change although no row changes.

    That is when the next rule starts or ends, when the experiment ends, or at midnight: provincial
    law applies by date.
    """
    tomorrow = datetime.combine(
        context.today + timedelta(days=1), time.min, timezone.get_current_timezone()
    )
    ends_at = context.variant.ends_at if context.variant else None
    moments = (context.rules.changes_at, ends_at, tomorrow)
    return min(moment for moment in moments if moment)


def _dependencies(
    context: RecommendationContext, selected: Sequence[ScoredCandidate[UUID]]
) -> frozenset[str]:
    """
    Return the ids of the customer, the viewed and shown products, and the stores; and the model.

    A product that was not shown is none of them: its change can make the result less good, but not
    wrong.
    """
    request = context.request
    customers = [request.customer] if request.customer else []
    products = [*request.products, *(candidate.key for candidate in selected)]
    ids = frozenset(str(pk) for pk in (*customers, *products, *context.store_ids))
    return ids | {MODEL_DEPENDENCY}
