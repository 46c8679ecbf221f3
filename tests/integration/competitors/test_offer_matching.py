"""Matching of offers to products, and the verdicts of people on it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from catalog.models import Product
from catalog.services.duplicates import merge_pair
from competitors.models import CompetitorOffer, OfferAlias, OfferMatch
from competitors.services.offer_matches import (
    MatchRefused,
    confirm_match,
    mark_not_sold,
    reject_match,
    undo_last_verdict,
    unmatch,
)
from competitors.services.offer_matching import match_offers
from tests.factories.catalog import ProductFactory
from tests.factories.competitors import (
    CompetitorFactory,
    CompetitorOfferFactory,
    PriceHistoryFactory,
)

pytestmark = pytest.mark.django_db
PINK_KUSH: dict[str, Any] = {
    "name": "Pink Kush",
    "brand": "San Rafael '71",
    "category": "dried_flower",
}


@pytest.fixture
def product() -> Product:
    return ProductFactory.create(**PINK_KUSH, weight_grams=Decimal("3.5"))


@pytest.fixture
def person(admin_user: User) -> User:
    return admin_user


def _offer(**fields: Any) -> CompetitorOffer:
    return CompetitorOfferFactory.create(**{**PINK_KUSH, "size": "3.5 g", **fields})


def _doubtful(**fields: Any) -> CompetitorOffer:
    """Return an offer without a brand, which the engine proposes for Pink Kush."""
    return _offer(brand="", **fields)


def _state(offer: CompetitorOffer) -> tuple[str, Any]:
    offer.refresh_from_db()
    return offer.match_status, offer.product_id


def test_same_product_is_matched_and_its_history_follows(product: Product) -> None:
    offer = _offer()
    row = PriceHistoryFactory.create(offer=offer, product=None)

    result = match_offers()

    row.refresh_from_db()
    assert (result.compared, result.automatic) == (1, 1)
    assert _state(offer) == ("automatic", product.pk)
    assert row.product == product


def test_doubtful_product_is_proposed_with_reasons(product: Product) -> None:
    offer = _doubtful()

    match_offers()

    pair = offer.matches.get()
    assert _state(offer) == ("proposed", None)
    assert (pair.product, pair.verdict, pair.decided_by) == (product, "open", None)
    assert "brand unknown" in pair.reasons


def test_unlike_offer_stays_unmatched(product: Product) -> None:
    offer = _offer(name="Wedding Cake")

    assert match_offers().unmatched == 1
    assert _state(offer) == ("unmatched", None)


def test_offer_is_compared_once(product: Product) -> None:
    _offer()
    match_offers()

    assert match_offers().compared == 0


def test_gone_offer_is_not_matched(product: Product) -> None:
    _offer(gone_at=timezone.now())

    assert match_offers().compared == 0


def test_new_product_of_the_brand_makes_offers_due() -> None:
    offer = _offer()
    match_offers()

    product = ProductFactory.create(
        **PINK_KUSH,
        weight_grams=Decimal("3.5"),
        updated_at=timezone.now() + timedelta(seconds=1),
    )
    match_offers()

    assert _state(offer) == ("automatic", product.pk)


def test_offer_is_compared_again_after_a_week(product: Product) -> None:
    _offer(matched_at=timezone.now() - timedelta(days=8))

    assert match_offers().compared == 1


def test_limit_bounds_the_number_of_offers(product: Product) -> None:
    for _ in range(3):
        _offer()

    assert match_offers(limit=2).compared == 2


def test_confirmation_is_learned_for_other_shops(product: Product, person: User) -> None:
    first = _offer(name="Pinky K.")
    confirm_match(offer=first, product=product, by=person)
    other = _offer(name="PINKY K", competitor=CompetitorFactory.create())

    match_offers()

    assert _state(first) == ("confirmed", product.pk)
    assert _state(other) == ("automatic", product.pk)
    assert other.matches.get().reasons == ["same description confirmed"]


def test_description_without_a_brand_is_learned_for_its_shop_alone(
    product: Product, person: User
) -> None:
    first = _offer(name="House Special", brand="")
    confirm_match(offer=first, product=product, by=person)
    same_shop = _offer(name="House Special", brand="", competitor=first.competitor)
    other_shop = _offer(name="House Special", brand="")

    match_offers()

    assert _state(same_shop) == ("automatic", product.pk)
    assert _state(other_shop)[1] is None


def test_another_category_is_another_description(product: Product, person: User) -> None:
    confirm_match(offer=_offer(name="Pinky K."), product=product, by=person)
    vape = _offer(name="Pinky K.", category="vapes")

    match_offers()

    assert _state(vape)[1] is None


def test_rejected_product_is_not_proposed_again(product: Product, person: User) -> None:
    offer = _doubtful()
    match_offers()
    reject_match(offer=offer, product=product, by=person)
    assert _state(offer) == ("unmatched", None)

    CompetitorOffer.objects.update(matched_at=None)
    match_offers()

    assert _state(offer) == ("unmatched", None)


def test_product_merged_with_a_rejected_one_is_not_proposed(product: Product, person: User) -> None:
    offer = _doubtful()
    reject_match(offer=offer, product=product, by=person)
    survivor = ProductFactory.create(
        **PINK_KUSH, weight_grams=Decimal("3.5"), gtin="00628582000012"
    )
    merge_pair(left=survivor, right=product, by=person)

    CompetitorOffer.objects.update(matched_at=None)
    match_offers()

    assert _state(offer) == ("unmatched", None)


def test_rejection_forgets_the_learned_description(product: Product, person: User) -> None:
    first, second = _offer(name="Pinky K."), _offer(name="Pinky K.")
    confirm_match(offer=first, product=product, by=person)
    match_offers()

    reject_match(offer=second, product=product, by=person)

    assert not OfferAlias.objects.exists()


def test_confirming_another_product_rejects_the_first(product: Product, person: User) -> None:
    offer = _offer()
    match_offers()
    other = ProductFactory.create(name="Pink Kush Reserve")

    confirm_match(offer=offer, product=other, by=person)

    assert _state(offer) == ("confirmed", other.pk)
    assert offer.matches.get(product=product).verdict == "different"


def test_merged_product_that_is_confirmed_means_its_survivor(
    product: Product, person: User
) -> None:
    survivor = ProductFactory.create(name="Pink Kush", gtin="00628582000012")
    merge_pair(left=survivor, right=product, by=person)
    product.refresh_from_db()
    offer = _offer()

    confirm_match(offer=offer, product=product, by=person)

    assert _state(offer) == ("confirmed", survivor.pk)


def test_unmatching_clears_the_product_of_the_history(product: Product, person: User) -> None:
    offer = _offer()
    row = PriceHistoryFactory.create(offer=offer, product=None)
    match_offers()

    unmatch(offer=offer, by=person)

    row.refresh_from_db()
    assert _state(offer) == ("unmatched", None)
    assert row.product is None
    assert offer.matches.get().history == [
        {"verdict": "same", "user": None, "at": offer.matches.get().history[0]["at"]}
    ]


def test_unmatching_an_offer_without_product_is_refused(person: User) -> None:
    with pytest.raises(MatchRefused):
        unmatch(offer=_offer(), by=person)


def test_confirmed_offer_that_describes_another_product_is_asked_about_again(
    product: Product, person: User
) -> None:
    offer = _offer()
    confirm_match(offer=offer, product=product, by=person)

    CompetitorOffer.objects.update(name="Wedding Cake", size="7 g", matched_at=None)
    match_offers()

    pair = offer.matches.get()
    assert _state(offer) == ("proposed", None)
    assert (pair.verdict, pair.history[-1]["user"]) == ("open", person.pk)


def test_confirmed_offer_with_the_same_description_stays(product: Product, person: User) -> None:
    offer = _offer(name="Something Else")
    confirm_match(offer=offer, product=product, by=person)

    CompetitorOffer.objects.update(thc="31 %", matched_at=None)
    match_offers()

    assert _state(offer) == ("confirmed", product.pk)


def test_offer_not_sold_is_left_alone_until_there_is_a_new_product(
    product: Product, person: User
) -> None:
    offer = _doubtful()
    match_offers()
    mark_not_sold(offer=offer, by=person)

    CompetitorOffer.objects.update(matched_at=None)
    match_offers()
    assert _state(offer) == ("not_sold", None)

    ProductFactory.create(**{**PINK_KUSH, "brand": "Redecan"}, weight_grams=Decimal("3.5"))
    CompetitorOffer.objects.update(matched_at=None)
    match_offers()
    assert _state(offer) == ("proposed", None)


@pytest.mark.parametrize("doubtful", [False, True])
def test_each_verdict_can_be_undone(product: Product, person: User, doubtful: bool) -> None:
    offer = _doubtful() if doubtful else _offer()
    match_offers()
    before = _state(offer)
    other = ProductFactory.create(name="Pink Kush Reserve")

    confirm_match(offer=offer, product=other, by=person)
    undo_last_verdict(offer=offer, by=person)
    assert _state(offer) == before
    assert not OfferAlias.objects.exists()

    reject_match(offer=offer, product=product, by=person)
    undo_last_verdict(offer=offer, by=person)
    assert _state(offer) == before

    mark_not_sold(offer=offer, by=person)
    undo_last_verdict(offer=offer, by=person)
    assert _state(offer) == before


def test_undone_verdict_stays_in_the_history(product: Product, person: User) -> None:
    offer = _offer()
    match_offers()
    unmatch(offer=offer, by=person)

    undo_last_verdict(offer=offer, by=person)

    (entry,) = OfferMatch.objects.get().history
    assert (entry["verdict"], entry["user"], entry["undone_by"]) == (
        "different",
        person.pk,
        person.pk,
    )


def test_undo_without_a_verdict_is_refused(product: Product, person: User) -> None:
    offer = _offer()
    match_offers()

    with pytest.raises(MatchRefused):
        undo_last_verdict(offer=offer, by=person)
