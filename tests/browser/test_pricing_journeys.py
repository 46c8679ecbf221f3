"""Journeys of pricing: confirm a match, read the price board, approve a suggested price."""

from decimal import Decimal

from competitors.models import CompetitorOffer, OfferMatch
from tests.browser.conftest import OpenConsole
from tests.factories.catalog import ProductFactory
from tests.factories.competitors import CompetitorOfferFactory
from tests.integration.competitors.price_suggestions import create_suggestion


def test_match_is_confirmed_by_key_and_moves_the_price_board(open_console: OpenConsole) -> None:
    product = ProductFactory.create(name="Pink Kush 3.5 g", price=Decimal("30.00"))
    offers = [
        CompetitorOfferFactory.create(
            name="Pink Kush",
            match_status=CompetitorOffer.MatchStatus.PROPOSED,
            match_score=Decimal(80),
            is_tax_included=False,
            regular_price=Decimal(price),
        )
        for price in (24, 26)
    ]
    for offer in offers:
        OfferMatch.objects.create(offer=offer, product=product, score=80, algorithm="1")
    console = open_console()

    console.open("competitors_offermatch_confirm")
    for _ in offers:
        with console.page.expect_navigation():
            console.page.keyboard.press("y")
    console.open("competitors_competitoroffer_board")
    row = console.page.get_by_role("row").filter(has_text="Pink Kush 3.5 g")

    assert CompetitorOffer.objects.filter(product=product).count() == 2
    assert "25.00" in row.inner_text()
    assert "30.00" in row.inner_text()


def test_suggested_price_is_approved_with_a_reason(open_console: OpenConsole) -> None:
    suggestion = create_suggestion()
    console = open_console()

    console.open("competitors_pricesuggestion_change", suggestion.pk)
    console.page.locator("#decide [name=reason]").fill("the market fell")
    console.click("Approve and set this price")
    console.open("catalog_product_change", suggestion.product_id)

    assert console.value("Price, $") == str(suggestion.suggested_price)
    assert "the market fell" in console.page.locator("#field-price").inner_text()
