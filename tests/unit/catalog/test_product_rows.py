"""Fields of products in responses: which audience sees them, and which a query selects."""

import pytest

from catalog.api.product_rows import (
    Selection,
    fetched_columns,
    parse_selection,
    visible_columns,
)
from catalog.api.serializers import ProductSerializer
from catalog.audiences import PRODUCT_FIELDS
from config.api.keys import Audience
from config.errors import BadInput

STAFF_FIELDS = {"source", "effects", "effects_source"}


def test_effects_are_for_staff() -> None:
    assert {name for name, needed in PRODUCT_FIELDS.items() if needed == Audience.STAFF} == (
        STAFF_FIELDS
    )


def test_no_field_of_products_is_public() -> None:
    assert visible_columns(Audience.PUBLIC) == ()


def test_verified_clients_see_all_but_the_fields_for_staff() -> None:
    verified, staff = visible_columns(Audience.VERIFIED), visible_columns(Audience.STAFF)

    assert set(staff) == set(PRODUCT_FIELDS)
    assert {*staff, "stock"} == set(ProductSerializer.Meta.fields)
    assert set(staff) - set(verified) == STAFF_FIELDS


def test_all_visible_fields_are_selected_by_default() -> None:
    selection = parse_selection({}, audience=Audience.VERIFIED)

    assert selection == Selection(columns=visible_columns(Audience.VERIFIED))
    assert selection.columns[0] == "id"


def test_selected_fields_come_with_the_id_in_their_own_order() -> None:
    selection = parse_selection({"fields": " price, name ,,"}, audience=Audience.VERIFIED)

    assert selection == Selection(columns=("id", "name", "price"))


@pytest.mark.parametrize("name", [*sorted(STAFF_FIELDS), "merge_key"])
def test_fields_for_staff_are_as_unknown_as_others(name: str) -> None:
    with pytest.raises(BadInput, match=f"{name} is not known; known are id, name") as refused:
        parse_selection({"fields": f"name,{name}"}, audience=Audience.VERIFIED)

    assert (refused.value.field, refused.value.reason_code) == ("fields", "unknown")
    assert "effects" not in str(refused.value).partition("known are")[2]


def test_staff_select_effects() -> None:
    selection = parse_selection({"fields": "effects"}, audience=Audience.STAFF)

    assert selection.columns == ("id", "effects")


def test_unknown_include_is_refused() -> None:
    with pytest.raises(BadInput, match="effects is not known; known are stock") as refused:
        parse_selection({"include": "effects"}, audience=Audience.STAFF)

    assert (refused.value.field, refused.value.reason_code) == ("include", "unknown")


def test_long_names_are_cut_in_the_message() -> None:
    with pytest.raises(BadInput, match=f"^(fields: )?{'n' * 50} is not known"):
        parse_selection({"fields": "n" * 51}, audience=Audience.STAFF)


@pytest.mark.parametrize(
    ("params", "has_stock"),
    [
        ({}, False),
        ({"include": "stock"}, True),
        ({"fields": "stock"}, True),
        ({"fields": "name"}, False),
        ({"store_code": "S1"}, True),
        ({"store_code": "S1", "fields": "name"}, False),
        ({"store_code": "S1", "fields": "name", "include": "stock"}, True),
        ({"store_code": ""}, False),
    ],
)
def test_stock_is_added_where_it_is_selected(params: dict[str, str], has_stock: bool) -> None:
    selection = parse_selection(params, audience=Audience.VERIFIED)

    assert (selection.has_stock, selection.store_code) == (
        has_stock,
        params.get("store_code", ""),
    )


def test_columns_are_fetched_once_without_the_id() -> None:
    selection = Selection(columns=("id", "name", "brand"))

    assert fetched_columns(selection, "brand", "thc_mg") == ("name", "brand", "thc_mg")


def test_stock_needs_the_price() -> None:
    assert fetched_columns(Selection(columns=("id", "name"), has_stock=True)) == ("name", "price")
