"""Match queues of the console: confirm, reject, skip, find, undo, by permission."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product
from competitors.models import CompetitorOffer, OfferMatch
from tests.factories.catalog import ProductFactory
from tests.factories.competitors import CompetitorOfferFactory

pytestmark = pytest.mark.django_db
CONFIRM = "admin:competitors_offermatch_confirm"
FIND = "admin:competitors_offermatch_find"
Status = CompetitorOffer.MatchStatus


def _proposed(name: str, score: int, product: Product | None = None) -> CompetitorOffer:
    offer = CompetitorOfferFactory.create(
        name=name, match_status=Status.PROPOSED, match_score=score, matched_at=timezone.now()
    )
    OfferMatch.objects.create(
        offer=offer, product=product or ProductFactory.create(name=name), score=score, algorithm="1"
    )
    return offer


def _decide(client: Client, offer: CompetitorOffer, verdict: str, queue: str = "confirm") -> Any:
    address = reverse("admin:competitors_offermatch_offer", args=[offer.pk])
    return client.post(address, {"verdict": verdict, "queue": queue}, follow=True)


def test_offer_is_shown_beside_its_product_with_the_price_difference(admin_client: Client) -> None:
    offer = _proposed(
        "Pink Kush", 90, ProductFactory.create(name="Pink Kush 3.5 g", price=Decimal(33))
    )

    page = admin_client.get(reverse(CONFIRM))

    assert page.context["offer"] == offer
    assert [shown.product.name for shown in page.context["proposed"]] == ["Pink Kush 3.5 g"]
    assert page.context["proposed"][0].price_difference == Decimal("-5.50")


def test_queue_of_one_competitor(admin_client: Client) -> None:
    _proposed("Blue Dream", 70)
    other = _proposed("Pink Kush", 90)

    page = admin_client.get(reverse(CONFIRM), {"competitor": other.competitor.code})

    assert page.context["offer"] == other


def test_confirmation_matches_the_offer_and_goes_on(admin_client: Client) -> None:
    product = ProductFactory.create()
    first, second = _proposed("Blue Dream", 90, product), _proposed("Pink Kush", 70)

    page = _decide(admin_client, first, f"same:{product.pk}")

    first.refresh_from_db()
    assert (first.match_status, first.product) == (Status.CONFIRMED, product)
    assert page.context["offer"] == second


def test_rejected_pair_is_not_proposed_again(admin_client: Client) -> None:
    product = ProductFactory.create()
    offer = _proposed("Pink Kush", 90, product)

    _decide(admin_client, offer, f"different:{product.pk}")

    offer.refresh_from_db()
    assert (offer.match_status, offer.product) == (Status.UNMATCHED, None)


def test_skipped_offer_comes_back_when_the_queue_starts_again(admin_client: Client) -> None:
    first, second = _proposed("Blue Dream", 90), _proposed("Pink Kush", 70)

    assert _decide(admin_client, first, "skip").context["offer"] == second
    assert _decide(admin_client, second, "skip").context["offer"] == first


def test_rejection_does_not_go_back_to_skipped_offers(admin_client: Client) -> None:
    first, second, third = (
        _proposed(name, score) for name, score in zip("abc", (90, 80, 70), strict=True)
    )
    _decide(admin_client, first, "skip")

    page = _decide(admin_client, second, f"different:{second.matches.get().product_id}")

    assert page.context["offer"] == third


def test_find_queue_shows_the_nearest_products(admin_client: Client) -> None:
    ProductFactory.create(name="Pink Kush Milled", brand="San Rafael", match_block="san")
    ProductFactory.create(
        name="Lemon Drops", brand="Other", category="edibles", match_block="other"
    )
    offer = CompetitorOfferFactory.create(
        name="Pink Kush Milled Flower", brand="San Rafael", matched_at=timezone.now()
    )

    page = admin_client.get(reverse(FIND))

    assert page.context["offer"] == offer
    assert [shown.product.name for shown in page.context["found"]] == ["Pink Kush Milled"]


def test_product_found_by_words_can_be_chosen(admin_client: Client) -> None:
    product = ProductFactory.create(name="Citron Givré")
    offer = CompetitorOfferFactory.create(name="Frosted Lemon", matched_at=timezone.now())
    address = reverse("admin:competitors_offermatch_offer", args=[offer.pk])

    page = admin_client.get(address, {"q": "citron", "queue": "find"})
    _decide(admin_client, offer, f"same:{product.pk}", queue="find")

    offer.refresh_from_db()
    assert [shown.product for shown in page.context["found"]] == [product]
    assert offer.product == product


def test_offer_that_we_do_not_sell_leaves_the_queue(admin_client: Client) -> None:
    offer = CompetitorOfferFactory.create(matched_at=timezone.now())

    page = _decide(admin_client, offer, "not_sold", queue="find")

    assert page.context["offer"] is None


def test_unmatch_and_undo_are_kept_in_the_history(admin_client: Client) -> None:
    product = ProductFactory.create()
    offer = _proposed("Pink Kush", 90, product)
    _decide(admin_client, offer, f"same:{product.pk}")

    _decide(admin_client, offer, "unmatch", queue="")
    offer.refresh_from_db()
    assert offer.product_id is None
    _decide(admin_client, offer, "undo", queue="")

    offer.refresh_from_db()
    assert offer.product == product
    assert [entry["verdict"] for entry in offer.matches.get().history] == ["open", "different"]


@pytest.mark.parametrize("verdict", ["same:", "same:1", "different:x", "perhaps", ""])
def test_unknown_verdict_is_not_found_and_changes_nothing(
    admin_client: Client, verdict: str
) -> None:
    offer = _proposed("Pink Kush", 90)

    assert _decide(admin_client, offer, verdict).status_code == 404
    offer.refresh_from_db()
    assert offer.match_status == Status.PROPOSED


@pytest.mark.parametrize("after", ["x", "00000000-0000-0000-0000-000000000000"])
def test_unknown_position_starts_the_queue(admin_client: Client, after: str) -> None:
    offer = _proposed("Pink Kush", 90)

    assert admin_client.get(reverse(CONFIRM), {"after": after}).context["offer"] == offer


def test_reader_sees_the_queue_but_cannot_decide(client: Client) -> None:
    offer = _proposed("Pink Kush", 90)
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_offermatch"))
    client.force_login(reader)

    assert client.get(reverse(CONFIRM)).status_code == 200
    assert _decide(client, offer, "not_sold").status_code == 403
