"""Queues of offers to be matched by people: proposed ones to confirm, unmatched ones to find."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from uuid import UUID

from django.contrib.postgres.search import TrigramWordSimilarity
from django.db.models import Prefetch, Q, QuerySet

from catalog.matching import brand_block
from catalog.models import Product
from competitors.models import CompetitorOffer, OfferMatch

_MAX_OF_BRAND = 300
_MAX_OF_ANY_BRAND = 100


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Position of an offer in a queue; the next one is shown when it is skipped."""

    name: str
    id: UUID


def proposed_offers(*, competitor: str = "") -> QuerySet[CompetitorOffer]:
    """
    Return the offers with products to confirm, by name.

    Each has `open_pairs`: its pairs to be decided with their products, best first. competitor: code
    of one; "": of all.
    """
    pairs = OfferMatch.objects.filter(verdict=OfferMatch.Verdict.OPEN)
    best_first = pairs.select_related("product").order_by("-score", "pk")
    return _queue(CompetitorOffer.MatchStatus.PROPOSED, competitor).prefetch_related(
        Prefetch("matches", queryset=best_first, to_attr="open_pairs")
    )


def unmatched_offers(*, competitor: str = "") -> QuerySet[CompetitorOffer]:
    """Return the offers without a product, by name. competitor: code of one; "": of all."""
    return _queue(CompetitorOffer.MatchStatus.UNMATCHED, competitor)


def next_offer(
    queue: QuerySet[CompetitorOffer], after: QueuePosition | None = None
) -> CompetitorOffer | None:
    """Return the first offer of a queue after a position; None: the queue ends there."""
    if after:
        queue = queue.filter(Q(name__gt=after.name) | Q(name=after.name, pk__gt=after.id))
    return queue.first()


def price_difference(offer: CompetitorOffer, product: Product) -> Decimal | None:
    """Return the price of an offer minus ours, both as listed; None: one is unknown."""
    if offer.price is None or product.price is None:
        return None
    return offer.price - product.price


def products_near(offer: CompetitorOffer) -> list[Product]:
    """
    Return products of the offer's brand and products with names like its own.

    Two queries; a third one if no name is similar by the index.
    """
    similar = (
        Product.objects.current()
        .defer("search_document")
        .annotate(likeness=TrigramWordSimilarity(offer.name, "name"))
        .order_by("-likeness", "pk")
    )
    block = brand_block(offer.brand)
    of_brand = similar.filter(match_block=block)[:_MAX_OF_BRAND] if block else ()
    named = list(similar.filter(name__trigram_word_similar=offer.name)[:_MAX_OF_ANY_BRAND])
    products = chain(of_brand, named or similar[:_MAX_OF_ANY_BRAND])
    return list({product.pk: product for product in products}.values())


def _queue(status: str, competitor: str) -> QuerySet[CompetitorOffer]:
    offers = CompetitorOffer.objects.filter(match_status=status, gone_at=None)
    if competitor:
        offers = offers.filter(competitor__code=competitor)
    return offers.select_related("competitor", "location").order_by("name", "pk")


def queue_lengths(*, competitor: str = "") -> tuple[int, int]:
    """Return the numbers of offers to confirm and of offers to find."""
    statuses = CompetitorOffer.MatchStatus
    return (
        _queue(statuses.PROPOSED, competitor).count(),
        _queue(statuses.UNMATCHED, competitor).count(),
    )


def find_offer(pk: UUID) -> CompetitorOffer | None:
    """Return an offer with its competitor, location and product."""
    offers = CompetitorOffer.objects.select_related("competitor", "location", "product")
    return offers.filter(pk=pk).first()


def pairs_of(offer: CompetitorOffer) -> list[OfferMatch]:
    """Return the pairs of an offer with their products, best first."""
    return list(offer.matches.select_related("product", "decided_by").order_by("-score", "pk"))
