"""Facts belong to an identity: what no listing states any more, and reused identifiers."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from catalog.models import CatalogSource, Product, ReviewItem, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.selectors.product_fields import ProductFieldState, product_field_states
from catalog.services.corrections import (
    confirm_other_product,
    correct_products,
    restore_former_facts,
)
from mlops.models import Run
from mlops.pipelines.errors import FeedSuspicious
from mlops.pipelines.runner import run_source
from tests.integration.catalog.test_products_api import create_api_client

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = "Id,Name,Brand,Category,SKU,UPC,Size,Count,Type,THC,CBD,Price"
COLUMNS = {
    "name": "Name",
    "brand": "Brand",
    "category": "Category",
    "sku": "SKU",
    "gtin": "UPC",
    "size": "Size",
    "unit_count": "Count",
    "strain_type": "Type",
    "thc": "THC",
    "cbd": "CBD",
    "price": "Price",
}
GTIN = "628110000125"
OTHERS = [
    f"O{n},Quiet Meadow {n},Hill,Dried Flower,B{n},,7 g,,hybrid,20%,,{40 + n}.00" for n in range(9)
]
FLOWER = "A1,Pink Kush,Hill,Dried Flower,A1,,3.5 g,,indica,22%,1%,29.95"
GUMMIES = "A1,Mango Gummies,Dale,Edibles,A1,,,10,,,,9.95"


def _run(*rows: str, code: str = "north", others: list[str] = OTHERS, **settings: Any) -> Run:
    """Run a list of these rows and of others; the same code is the same list."""
    body = "\n".join([HEADER, *others, *rows, ""]).encode()
    name = default_storage.save(f"lists/{code}.csv", ContentFile(body))
    CatalogSource.objects.update_or_create(
        pk=code,
        defaults={
            "label": code,
            "kind": "sheet",
            "file": name,
            "mapping": {"columns": COLUMNS, "id_columns": ["Id"]},
            "max_gone_percent": 100,
            "max_price_jump_percent": 100,
            **settings,
        },
    )
    return run_source(SUPPLIER_PRODUCTS, code=code)


def _product(merge_key: str = "north:A1") -> Product:
    return Product.objects.get(merge_key=merge_key)


def _state(field: str, merge_key: str = "north:A1") -> ProductFieldState:
    states = {state.field: state for state in product_field_states(_product(merge_key))}
    return states[field]


def _identity_item() -> ReviewItem:
    return ReviewItem.objects.get(field=ReviewItem.IDENTITY, closed_at=None)


def test_class_c_fact_that_the_listing_no_longer_states_is_unconfirmed() -> None:
    _run(FLOWER)

    _run(FLOWER.replace("indica", ""))

    state = _state("strain_type")
    assert (state.value, state.is_confirmed) == ("indica", False)
    assert state.last_stated_by == ("north",)
    assert state.last_stated_at is not None
    assert state.source_values == {}


def test_class_c_fact_of_a_listing_that_is_gone_is_unconfirmed() -> None:
    _run(FLOWER)

    _run()

    gone_at = SupplierListing.objects.get(external_id="A1").gone_at
    state = _state("thc_percentage")
    assert (state.value, state.is_confirmed) == (Decimal(22), False)
    assert (state.last_stated_by, state.last_stated_at) == (("north",), gone_at)


def test_class_c_fact_that_another_listing_states_is_confirmed() -> None:
    row = FLOWER.replace(",A1,,", f",A1,{GTIN},")
    _run(row)
    _run(row, code="south")

    _run(code="south")

    state = _state("strain_type", f"gtin:00{GTIN}")
    assert (state.is_confirmed, state.set_by) == (True, "north")


def test_class_c_fact_that_is_stated_again_is_confirmed_again() -> None:
    for row in (FLOWER, FLOWER.replace("22%", ""), FLOWER):
        _run(row)

    state = _state("thc_percentage_low")
    assert (state.is_confirmed, state.last_stated_by) == (True, ())
    assert SupplierListing.objects.get(external_id="A1").withdrawn_facts == {}


def test_class_c_correction_by_staff_stays_confirmed(admin_user: User) -> None:
    _run(FLOWER)
    correct_products(changes={_product().pk: {"strain_type": "hybrid"}}, by=admin_user)

    _run(FLOWER.replace("indica", ""))

    state = _state("strain_type")
    assert (state.value, state.is_confirmed, state.set_by) == ("hybrid", True, "admin")


def test_class_c_current_listing_counts_before_one_that_is_gone() -> None:
    row = FLOWER.replace(",A1,,", f",A1,{GTIN},")
    _run(row)
    _run(row.replace("22%", "25%").replace("indica", ""), code="south")

    _run()

    product = _product(f"gtin:00{GTIN}")
    assert product.thc_percentage == Decimal(25)
    assert product.strain_type == "indica"


def test_class_c_sku_reused_for_another_product_keeps_no_former_fact() -> None:
    _run(FLOWER)

    _run(GUMMIES)

    product = _product()
    assert (product.name, product.category, product.unit_count) == ("Mango Gummies", "edibles", 10)
    assert (product.brand, product.price) == ("Dale", Decimal("9.95"))
    former = (product.strain_type, product.thc_percentage, product.weight_grams)
    assert former == (None, None, None)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(FLOWER.replace("Dried Flower", "Vapes").replace("22%,1%", ","), id="category"),
        pytest.param(FLOWER.replace("3.5 g", "30 ml").replace("22%,1%", ","), id="unit"),
        pytest.param(FLOWER.replace("Pink Kush", "Blue Dream").replace("22%,1%", ","), id="name"),
    ],
)
def test_class_c_change_under_one_sku_asks_a_person_with_both_sides(row: str) -> None:
    _run(FLOWER)

    _run(row)

    item = _identity_item()
    assert item.source == "north"
    before, now = item.previous_source_value or {}, item.current_source_value or {}
    assert (before["thc_percentage"], now["thc_percentage"]) == (22, None)
    assert (before["name"], now["name"]) == ("Pink Kush", _product().name)


def test_class_c_sku_reused_under_a_new_id_of_the_source() -> None:
    _run(FLOWER)

    _run(GUMMIES.replace("A1,Mango", "A2,Mango"))

    product = _product()
    assert (product.name, product.strain_type) == ("Mango Gummies", None)
    before = _identity_item().previous_source_value or {}
    assert before["strain_type"] == "indica"
    _run(GUMMIES.replace("A1,Mango", "A2,Mango").replace("9.95", "10.95"))
    assert _product().strain_type is None


def test_class_c_gtin_reused_by_another_source_after_the_first_stopped() -> None:
    _run(FLOWER.replace(",A1,,", f",A1,{GTIN},"))
    _run()

    _run(GUMMIES.replace(",A1,,", f",G7,{GTIN},"), code="south")

    product = _product(f"gtin:00{GTIN}")
    assert (product.name, product.thc_percentage) == ("Mango Gummies", None)
    assert _identity_item().source == "south"


def test_class_c_renaming_within_the_name_is_the_same_product() -> None:
    _run(FLOWER)

    _run(FLOWER.replace("Pink Kush", "Pink Kush Reserve").replace("indica", ""))

    assert _product().strain_type == "indica"
    assert not ReviewItem.objects.exists()


def test_class_c_lock_survives_a_reused_sku(admin_user: User) -> None:
    _run(FLOWER)
    correct_products(changes={_product().pk: {"strain_type": "hybrid"}}, by=admin_user)

    _run(GUMMIES)

    assert _product().strain_type == "hybrid"


def test_class_c_person_says_same_product_and_lost_facts_return(admin_user: User) -> None:
    _run(FLOWER)
    _run(FLOWER.replace("Pink Kush", "Kush Rose").replace("22%,1%", ","))
    assert _product().thc_percentage is None

    restore_former_facts(item=_identity_item(), by=admin_user)

    assert _product().thc_percentage == Decimal(22)
    assert ReviewItem.objects.get().outcome == "rejected"


def test_class_c_person_says_other_product_and_facts_stay_removed(admin_user: User) -> None:
    _run(FLOWER)
    _run(GUMMIES)

    confirm_other_product(item=_identity_item(), by=admin_user)

    assert _product().thc_percentage is None
    assert ReviewItem.objects.get().outcome == "accepted"


def test_class_c_console_shows_both_sides_and_takes_the_decision(admin_client: Client) -> None:
    _run(FLOWER)
    _run(GUMMIES)
    address = reverse("admin:catalog_reviewitem_changelist")

    page = admin_client.get(address).content.decode()

    assert "name: Pink Kush" in page
    assert "name: Mango Gummies" in page
    form = {"action": "keep", "_selected_action": str(_identity_item().pk)}
    admin_client.post(address, form)
    assert _product().strain_type == "indica"


def test_class_c_console_shows_who_last_stated_a_fact(admin_client: Client) -> None:
    _run(FLOWER)
    _run(FLOWER.replace("indica", ""))

    page = admin_client.get(reverse("admin:catalog_product_change", args=[_product().pk]))

    assert "last stated by north until" in " ".join(page.content.decode().split())


def test_class_c_rest_shows_staff_who_last_stated_a_fact() -> None:
    _run(FLOWER)
    _run(FLOWER.replace("indica", ""))

    response = create_api_client("staff").get(f"/api/v1/products/{_product().pk}/fields/")

    states = {state["field"]: state for state in response.json()["results"]}
    assert states["strain_type"]["is_confirmed"] is False
    assert states["strain_type"]["last_stated_by"] == ["north"]
    assert states["name"]["set_by"] == "north"


def test_class_c_rest_refuses_field_states_to_other_keys() -> None:
    _run(FLOWER)

    response = create_api_client().get(f"/api/v1/products/{_product().pk}/fields/")

    assert (response.status_code, response.json()["type"]) == (
        403,
        "urn:cultivar:problem:audience_too_low",
    )


def _priced(*prices: str) -> list[str]:
    return [
        f"P{n},Quiet Meadow {n},Hill,Dried Flower,P{n},,7 g,,hybrid,20%,,{price}"
        for n, price in enumerate(prices)
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            ["31.95"] * 7, ["98.00", "90.00", "85.00", "120.00", *["31.95"] * 3], id="t58"
        ),
        pytest.param(["10.00"] * 3, ["25.00", "2.00", "10.00"], id="2 of 3"),
        pytest.param(["50.00"] * 9, ["5.00"] * 9, id="all of 9"),
    ],
)
def test_t58_jumping_prices_stop_a_small_list(before: list[str], after: list[str]) -> None:
    _run(others=_priced(*before), max_price_jump_percent=10)

    with pytest.raises(FeedSuspicious, match="change by more than half"):
        _run(others=_priced(*after), max_price_jump_percent=10)


def test_t58_one_jumping_price_does_not_stop_a_small_list() -> None:
    _run(others=_priced(*["31.95"] * 7), max_price_jump_percent=10)

    run = _run(others=_priced("98.00", *["31.95"] * 6), max_price_jump_percent=10)

    assert run.changed == 1


def test_t58_help_text_states_the_limit() -> None:
    help_text = CatalogSource._meta.get_field("max_price_jump_percent").help_text

    assert "fewer than 10 listings" in str(help_text)
