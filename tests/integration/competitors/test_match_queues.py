"""Queues of offers that people match."""

from decimal import Decimal

import pytest

from competitors.selectors.match_queues import (
    QueuePosition,
    next_offer,
    price_difference,
    proposed_offers,
    unmatched_offers,
)
from competitors.services.offer_matching import find_candidates, match_offers
from tests.factories.catalog import ProductFactory
from tests.factories.competitors import CompetitorOfferFactory

pytestmark = pytest.mark.django_db


def test_proposed_offer_comes_with_its_pairs_best_first() -> None:
    products = [
        ProductFactory.create(name="Pink Kush", brand=brand, weight_grams=Decimal("3.5"))
        for brand in ("Redecan", "San Rafael '71")
    ]
    offer = CompetitorOfferFactory.create(name="Pink Kush", brand="", size="3.5 g")
    match_offers()

    (proposed,) = proposed_offers(competitor=offer.competitor.code)

    pairs = proposed.open_pairs  # type: ignore[attr-defined]  # prefetched
    assert {pair.product for pair in pairs} == set(products)
    assert [pair.score for pair in pairs] == sorted((p.score for p in pairs), reverse=True)


def test_skipping_shows_each_offer_once_by_name() -> None:
    offers = [CompetitorOfferFactory.create(name=name) for name in ("A", "B", "B", "C")]
    seen = []
    position = None

    while offer := next_offer(unmatched_offers(), position):
        seen.append(offer)
        position = QueuePosition(offer.name, offer.pk)

    assert [offer.name for offer in seen] == ["A", "B", "B", "C"]
    assert {offer.pk for offer in seen} == {offer.pk for offer in offers}


def test_queue_of_one_competitor_has_its_offers_alone() -> None:
    offer, _ = CompetitorOfferFactory.create(), CompetitorOfferFactory.create()

    assert list(unmatched_offers(competitor=offer.competitor.code)) == [offer]


def test_candidates_include_near_products_of_the_brand() -> None:
    near = ProductFactory.create(name="Pink Kush Reserve", brand="Redecan", match_block="redecan")
    ProductFactory.create(name="Peach Rings", brand="Wyld", category="edibles", match_block="wyld")
    offer = CompetitorOfferFactory.create(name="Pink Kush", brand="Redecan")

    candidates = find_candidates(offer)

    assert [candidate.product for candidate in candidates] == [near]
    assert candidates[0].comparison.reasons


def test_price_difference_is_theirs_minus_ours() -> None:
    offer = CompetitorOfferFactory.create(
        regular_price=Decimal("27.50"), sale_price=Decimal("25.00")
    )

    assert price_difference(offer, ProductFactory.create(price=Decimal("29.00"))) == Decimal(
        "-4.00"
    )
    assert price_difference(offer, ProductFactory.create(price=None)) is None
