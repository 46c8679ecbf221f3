"""
Automatic matching of offers to products, by the catalogue's engine.

Verdicts of people and descriptions learned from them come first. What the engine finds certain is
matched, what it finds possible is proposed. An offer keeps the product it was matched to when that
is merged into another; readers take the product that stands for it (`effective_products`).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog.matching import (
    Match,
    MatchCandidate,
    ProductComparison,
    ProductIndex,
    algorithm_version,
    compare_products,
)
from catalog.models import Product
from catalog.served_models import with_served_match_model
from catalog.services.duplicates import brand_aliases, match_candidate
from competitors.matching import ALIAS_REASON, description_hash, offer_candidate
from competitors.models import CompetitorOffer, OfferAlias, OfferMatch
from competitors.selectors.match_queues import products_near
from mlops.sql_arrays import array

BATCH_SIZE = 1_000
MAX_CANDIDATES = 5
"""Products proposed for an offer."""
Status = CompetitorOffer.MatchStatus
Verdict = OfferMatch.Verdict
_BRAND_KEY = "lower(regexp_replace({}.brand, '[^[:alnum:]]', '', 'g'))"
# Makes offers due whose product, GTIN or brand has a product that changed since they were compared.
# Confirmed offers are left alone; all others are compared again after a week, since names may
# mention brands, and since the matching itself may have changed.
# Offers that a crawl is writing are skipped, so that neither waits for the other.
_MARK_DUE = """
UPDATE competitor_offers SET matched_at = NULL WHERE id IN (
  SELECT o.id FROM competitor_offers o JOIN products p ON {relation}
  WHERE o.match_status <> 'confirmed' AND o.gone_at IS NULL AND o.matched_at < p.updated_at
    AND p.updated_at > now() - interval '7 days'
  FOR UPDATE OF o SKIP LOCKED
)
"""
_RELATIONS = (
    "o.product_id = p.id",
    "o.gtin <> '' AND o.gtin = p.gtin",
    f"o.brand <> '' AND {_BRAND_KEY.format('o')} = {_BRAND_KEY.format('p')}",
)
_MARK_OLD_DUE = """
UPDATE competitor_offers SET matched_at = NULL WHERE id IN (
  SELECT id FROM competitor_offers
  WHERE match_status <> 'confirmed' AND gone_at IS NULL AND matched_at < now() - interval '7 days'
  FOR UPDATE SKIP LOCKED
)
"""
_UPDATE_OFFERS = """
UPDATE competitor_offers o
SET match_status = m.status, product_id = m.product_id, match_score = m.score, matched_at = m.at
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::numeric[], %s::timestamptz[])
  AS m (id, status, product_id, score, at)
WHERE o.id = m.id
"""
# The observations of offers follow their products.
_MOVE_HISTORY = """
UPDATE price_history h SET product_id = o.product_id FROM competitor_offers o
WHERE o.id = ANY(%s::uuid[]) AND h.offer_id = o.id AND h.product_id IS DISTINCT FROM o.product_id
"""


@dataclass(slots=True)
class OfferMatchingResult:
    """Numbers of offers compared, and of those now matched, proposed or unmatched."""

    compared: int = 0
    automatic: int = 0
    proposed: int = 0
    unmatched: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that an offer may be, with score and reasons."""

    product: Product
    comparison: ProductComparison


@dataclass(frozen=True, slots=True)
class MatchDecision:
    """
    The decision of the matching on an offer.

    product_ids: matched or proposed, best first. nearest_ids: of an unmatched offer, those that a
    person who looks for its product is shown first.
    """

    status: str
    product_ids: tuple[UUID, ...]
    nearest_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """Our products as compared: the index, candidates by id, survivors of merged products."""

    index: ProductIndex
    candidates: Mapping[UUID, MatchCandidate]
    survivors: Mapping[UUID, UUID]
    brand_aliases: Mapping[str, str]

    def effective(self, product_id: UUID) -> UUID:
        return self.survivors.get(product_id, product_id)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The decision of the matching on an offer. pairs: products with comparison and verdict."""

    offer: CompetitorOffer
    status: str
    product_id: UUID | None = None
    score: Decimal | None = None
    pairs: Mapping[UUID, tuple[ProductComparison, str]] = field(default_factory=dict)


@with_served_match_model
def match_offers(
    *, limit: int | None = None, on_batch: Callable[[int], None] = lambda _count: None
) -> OfferMatchingResult:
    """
    Match the offers that are due: new, described otherwise, or near a product that has changed.

    Products are read once; offers a thousand at a time, each batch in its own transaction. Safe to
    repeat and to run concurrently.

    limit: maximum number of offers compared. on_batch: called with the size of each batch.
    """
    _mark_due()
    result = OfferMatchingResult()
    catalogue: _Catalogue | None = None
    while limit is None or result.compared < limit:
        size = BATCH_SIZE if limit is None else min(BATCH_SIZE, limit - result.compared)
        if catalogue is None:
            if not _due_offers().exists():
                break
            catalogue = _load_catalogue()
        count = _match_batch(size, catalogue, result)
        if not count:
            break
        result.compared += count
        on_batch(count)
    return result


@with_served_match_model
def find_candidates(offer: CompetitorOffer, *, limit: int = MAX_CANDIDATES) -> list[Candidate]:
    """
    Return the products that an unmatched offer may be, best first, for a person who looks for it.

    Includes the nearest that the matching takes for different. Takes about half a second.
    """
    aliases = brand_aliases()
    products = {str(product.pk): product for product in products_near(offer)}
    index = ProductIndex(
        replace(match_candidate(product, aliases), merge_key=key)
        for key, product in products.items()
    )
    found = _find_nearest(offer, index, brand_aliases=aliases, limit=limit)
    return [Candidate(products[match.product.merge_key], match.comparison) for match in found]


def _find_nearest(
    offer: CompetitorOffer,
    index: ProductIndex,
    *,
    brand_aliases: Mapping[str, str],
    limit: int = MAX_CANDIDATES,
) -> list[Match]:
    return index.candidates(offer_candidate(offer, brand_aliases), limit=limit, with_different=True)


def decide_offers(
    offers: Iterable[CompetitorOffer], products: Iterable[Product]
) -> Iterator[MatchDecision]:
    """
    Yield the decision on each offer as if no person had judged any; the database is not used.

    offers, products: with their ids; they need not be saved.
    """
    catalogue = _build_catalogue(products, survivors={}, brand_aliases={})
    for offer in offers:
        outcome = _decide(offer, pairs=(), alias=None, catalogue=catalogue)
        nearest = [] if outcome.pairs else _find_nearest(offer, catalogue.index, brand_aliases={})
        yield MatchDecision(
            str(outcome.status),
            tuple(outcome.pairs),
            tuple(UUID(match.product.merge_key) for match in nearest),
        )


def move_history(offer_ids: Collection[UUID]) -> None:
    """Let the observations of offers name the products that the offers are matched to now."""
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_HISTORY, [array(offer_ids)])


def _mark_due() -> None:
    with connection.cursor() as cursor:
        for relation in _RELATIONS:
            cursor.execute(_MARK_DUE.format(relation=relation))
        cursor.execute(_MARK_OLD_DUE)


def _due_offers() -> QuerySet[CompetitorOffer]:
    return CompetitorOffer.objects.filter(matched_at=None, gone_at=None)


def _load_catalogue() -> _Catalogue:
    products = Product.objects.current().defer("search_document")
    merged = Product.objects.exclude(merged_into=None).values_list("pk", "merged_into_id")
    return _build_catalogue(
        products.iterator(chunk_size=BATCH_SIZE),
        survivors=dict(merged),
        brand_aliases=brand_aliases(),
    )


def _build_catalogue(
    products: Iterable[Product],
    *,
    survivors: Mapping[UUID, UUID],
    brand_aliases: Mapping[str, str],
) -> _Catalogue:
    candidates = {
        product.pk: replace(match_candidate(product, brand_aliases), merge_key=str(product.pk))
        for product in products
    }
    return _Catalogue(
        index=ProductIndex(candidates.values()),
        candidates=candidates,
        survivors=survivors,
        brand_aliases=brand_aliases,
    )


@transaction.atomic
def _match_batch(size: int, catalogue: _Catalogue, result: OfferMatchingResult) -> int:
    """Match up to `size` offers and add to the result's counts; return the number of offers."""
    due = _due_offers().select_for_update(skip_locked=True)
    offers = list(due.order_by("pk")[:size])
    pairs = _pairs_by_offer(offers)
    aliases = _aliases_by_offer(offers, catalogue)
    outcomes = [
        _decide(offer, pairs[offer.pk], aliases.get(offer.pk), catalogue) for offer in offers
    ]
    _save_pairs(outcomes, pairs)
    _save_offers(outcomes)
    for outcome in outcomes:
        result.automatic += outcome.status in CompetitorOffer.MATCHED
        result.proposed += outcome.status == Status.PROPOSED
        result.unmatched += outcome.product_id is None and outcome.status != Status.PROPOSED
    return len(offers)


def _pairs_by_offer(offers: Sequence[CompetitorOffer]) -> Mapping[UUID, list[OfferMatch]]:
    pairs: dict[UUID, list[OfferMatch]] = defaultdict(list)
    for pair in OfferMatch.objects.filter(offer__in=offers).order_by("pk"):
        pairs[pair.offer_id].append(pair)
    return pairs


def _aliases_by_offer(offers: Sequence[CompetitorOffer], catalogue: _Catalogue) -> dict[UUID, UUID]:
    """Return the products of known descriptions by offer id."""
    hashes = {offer.pk: description_hash(offer) for offer in offers}
    learned = OfferAlias.objects.filter(description_hash__in=set(hashes.values()))
    products = dict(learned.values_list("description_hash", "product_id"))
    return {
        pk: catalogue.effective(products[description])
        for pk, description in hashes.items()
        if description in products
    }


def _decide(
    offer: CompetitorOffer,
    pairs: Sequence[OfferMatch],
    alias: UUID | None,
    catalogue: _Catalogue,
) -> _Outcome:
    candidate = offer_candidate(offer, catalogue.brand_aliases)
    decided = [pair for pair in pairs if pair.decided_by_id]
    confirmed = next((pair for pair in decided if pair.verdict == Verdict.SAME), None)
    if confirmed:
        return _revise_confirmed(offer, candidate, confirmed, alias, catalogue)
    different = {
        catalogue.effective(pair.product_id)
        for pair in decided
        if pair.verdict == Verdict.DIFFERENT
    }
    known = catalogue.candidates.get(alias) if alias and alias not in different else None
    if alias and known and not _has_other_gtin(candidate, known):
        return _matched(offer, alias, ProductComparison(100, "same", (ALIAS_REASON,)))
    found = {
        UUID(match.product.merge_key): match.comparison
        for match in catalogue.index.candidates(candidate, limit=MAX_CANDIDATES + len(different))
    }
    ranked = [(pk, comparison) for pk, comparison in found.items() if pk not in different]
    return _propose(offer, ranked[:MAX_CANDIDATES], known={pair.product_id for pair in pairs})


def _revise_confirmed(
    offer: CompetitorOffer,
    candidate: MatchCandidate,
    confirmed: OfferMatch,
    alias: UUID | None,
    catalogue: _Catalogue,
) -> _Outcome:
    """Ask a person again when the offer that was confirmed now describes another product."""
    product_id = catalogue.effective(confirmed.product_id)
    product = catalogue.candidates.get(product_id)
    comparison = compare_products(candidate, product) if product else None
    if product_id == alias or comparison is None or comparison.band != "different":
        return _Outcome(offer, Status.CONFIRMED, offer.product_id, offer.match_score)
    return _Outcome(
        offer,
        Status.PROPOSED,
        score=Decimal(comparison.score),
        pairs={confirmed.product_id: (comparison, Verdict.OPEN)},
    )


def _propose(
    offer: CompetitorOffer,
    ranked: Sequence[tuple[UUID, ProductComparison]],
    *,
    known: Collection[UUID],
) -> _Outcome:
    has_new = any(pk not in known for pk, _ in ranked)
    if not ranked or (offer.match_status == Status.NOT_SOLD and not has_new):
        is_not_sold = offer.match_status == Status.NOT_SOLD
        return _Outcome(offer, Status.NOT_SOLD if is_not_sold else Status.UNMATCHED)
    best_id, best = ranked[0]
    if best.band == "same":
        return _matched(offer, best_id, best)
    return _Outcome(
        offer,
        Status.PROPOSED,
        score=Decimal(best.score),
        pairs={pk: (comparison, Verdict.OPEN) for pk, comparison in ranked},
    )


def _matched(offer: CompetitorOffer, product_id: UUID, comparison: ProductComparison) -> _Outcome:
    return _Outcome(
        offer,
        Status.AUTOMATIC,
        product_id,
        Decimal(comparison.score),
        {product_id: (comparison, Verdict.SAME)},
    )


def _has_other_gtin(left: MatchCandidate, right: MatchCandidate) -> bool:
    return bool(left.gtin and right.gtin and left.gtin != right.gtin)


def _save_pairs(outcomes: Sequence[_Outcome], stored: Mapping[UUID, Sequence[OfferMatch]]) -> None:
    """Write the pairs of the outcomes; delete those of the engine that it no longer finds."""
    now = timezone.now()
    rows = [
        _pair(outcome, product_id, now, stored[outcome.offer.pk])
        for outcome in outcomes
        for product_id in outcome.pairs
    ]
    OfferMatch.objects.bulk_create(
        rows,
        batch_size=BATCH_SIZE,
        update_conflicts=True,
        unique_fields=["offer", "product"],
        update_fields=[
            "score",
            "reasons",
            "algorithm",
            "verdict",
            "decided_by",
            "decided_at",
            "history",
        ],
    )
    obsolete = [
        pair.pk
        for outcome in outcomes
        if outcome.status != Status.CONFIRMED
        for pair in stored[outcome.offer.pk]
        if not (pair.decided_by_id or pair.history or pair.product_id in outcome.pairs)
    ]
    OfferMatch.objects.filter(pk__in=obsolete).delete()


def _pair(
    outcome: _Outcome, product_id: UUID, now: datetime, stored: Sequence[OfferMatch]
) -> OfferMatch:
    """Return the row of a pair, with the verdict of a person that it replaces in its history."""
    comparison, verdict = outcome.pairs[product_id]
    earlier = next((pair for pair in stored if pair.product_id == product_id), None)
    history = list(earlier.history) if earlier else []
    if earlier and earlier.decided_by_id:
        history.append(earlier.as_history())
    return OfferMatch(
        offer=outcome.offer,
        product_id=product_id,
        score=comparison.score,
        reasons=list(comparison.reasons),
        algorithm=algorithm_version(),
        verdict=verdict,
        decided_at=now if verdict == Verdict.SAME else None,
        history=history,
    )


def _save_offers(outcomes: Iterable[_Outcome]) -> None:
    rows = list(outcomes)
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            _UPDATE_OFFERS,
            [
                array(row.offer.pk for row in rows),
                array(str(row.status) for row in rows),
                array(row.product_id for row in rows),
                array(row.score for row in rows),
                array(now for _ in rows),
            ],
        )
    move_history([row.offer.pk for row in rows if row.product_id != row.offer.product_id])
