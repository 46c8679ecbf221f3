"""Stages of offers: records read by a platform become clean offers, or are rejected by name."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from competitors.ingest.cleaning import clean_offer, read_offer
from competitors.ingest.offers import ExtractedOffer, OfferRecord, Promotion, Stock
from competitors.ingest.records import CleanOffer, MenuRecord
from mlops.pipelines.errors import RecordRejected

OFFER = ExtractedOffer(
    external_id="v-1",
    name="Pink Kush",
    brand="San Rafael '71",
    category="Flower",
    size="3.5g",
    regular_price=Decimal("34.95"),
    stock=Stock.IN_STOCK,
)


class _Platform:
    """A platform whose records are extracted offers."""

    code = "sample"
    label = "Sample"
    version = 3

    def __init__(self, offer: ExtractedOffer) -> None:
        self.offer = offer

    def read_record(self, _record: OfferRecord) -> ExtractedOffer:
        return self.offer


def _clean(record: dict[str, Any] | None = None, **changes: Any) -> CleanOffer:
    platform: Any = _Platform(replace(OFFER, **changes))
    menu_record = MenuRecord(
        record=OfferRecord(external_id="v-1", payload={}),
        platform=platform,
        source="competitor:shop",
        **(record or {}),
    )
    return clean_offer(read_offer(menu_record))


def test_amounts_and_category_are_read_as_of_a_supplier() -> None:
    offer = _clean()

    assert (offer.category, offer.weight_grams, offer.dried_equivalent_grams) == (
        "dried_flower",
        Decimal("3.50"),
        Decimal("3.50"),
    )


def test_size_is_read_from_the_name_where_the_record_states_none() -> None:
    assert _clean(size="", name="Pink Kush 7g").weight_grams == Decimal("7.00")


def test_two_sizes_in_a_name_leave_the_size_open() -> None:
    assert _clean(size="", name="Pink Kush 7g or 14g").weight_grams is None


@pytest.mark.parametrize(
    ("changes", "milligrams"),
    [
        ({"thc": "10 mg per package"}, "10.00"),
        ({"thc": "2.5 mg per piece", "size": "4 x 3 g"}, "10.00"),
        ({"thc": "10 mg"}, "10.00"),
        ({"thc": "10 mg", "size": "4 x 3 g"}, None),
        ({"thc": "5-10 mg"}, None),
        ({"thc": "20%"}, None),
    ],
)
def test_milligrams_count_only_for_the_whole_package(
    changes: dict[str, Any], milligrams: str | None
) -> None:
    offer = _clean(category="Edibles", name="Mango Chews", **changes)

    assert offer.thc_mg == (None if milligrams is None else Decimal(milligrams))


def test_only_a_gtin_with_a_valid_check_digit_identifies() -> None:
    assert _clean(gtin="628582000012").gtin == "00628582000012"
    assert _clean(gtin="628582000013").gtin == ""


def test_language_and_tax_of_the_shop_hold_where_the_record_says_nothing() -> None:
    shop = {"language": "fr", "is_tax_included": True}

    assert (_clean(shop).language, _clean(shop).is_tax_included) == ("fr", True)
    assert _clean(shop, language="en-CA").language == "en"
    assert _clean(shop, tax_included=False).is_tax_included is False


def test_price_is_the_sale_price_and_never_the_price_of_a_promotion() -> None:
    promotion = Promotion(type="multi_buy", text="2 for $50", quantity=2, total=Decimal(50))

    offer = _clean(
        sale_price=Decimal("29.95"), member_price=Decimal("27.00"), promotions=(promotion,)
    )

    assert offer.price == Decimal("29.95")
    assert offer.promotions == (
        {"type": "multi_buy", "text": "2 for $50", "quantity": 2, "total": "50"},
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"external_id": " "}, "external_id"),
        ({"name": " – "}, "name"),
        ({"regular_price": None}, "regular_price"),
        ({"regular_price": Decimal(0)}, "regular_price"),
        ({"regular_price": Decimal("NaN")}, "regular_price"),
        ({"sale_price": Decimal("39.95")}, "sale_price"),
        ({"currency": "dollars"}, "currency"),
    ],
)
def test_unusable_record_is_rejected_with_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(RecordRejected) as rejection:
        _clean(**changes)

    assert rejection.value.field == field


def test_item_out_of_stock_needs_no_price() -> None:
    assert _clean(regular_price=None, stock=Stock.OUT).price is None


def test_sale_at_the_regular_price_is_none() -> None:
    assert _clean(sale_price=Decimal("34.95")).sale_price is None


@pytest.mark.parametrize(
    ("name", "thc", "milligrams"),
    [
        ("Goodnight Grape 100mg", "100 mg", 100),
        ("Goodnight Grape 100mg", "93.04 mg", Decimal("93.04")),  # measured
        ("Raspberry Orange 100mg", "1.07 mg", None),  # a share of the mass
        ("Pineapple Cherry 100 mg", "10 mg", None),  # of a piece
        ("Caramel Chews", "0.1 mg", None),  # grams
        ("Caramel Chews", "10 mg", 10),
    ],
)
def test_dose_that_is_not_of_the_package_is_left_open(name: str, thc: str, milligrams: Any) -> None:
    offer = _clean(name=name, category="Edibles", size="", thc=thc)

    assert offer.thc_mg == milligrams
