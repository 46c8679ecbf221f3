"""Identifiers: what identifies a product, and what is kept as text with a reason."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from catalog.ingest.cleaning.identifiers import gtin_query, read_gtin, read_id, read_sku
from catalog.ingest.cleaning.listing import clean_listing
from catalog.ingest.records import CleanListing, ProductRecord
from catalog.ingest.sources.aglc import SOURCE as AGLC
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.ocs import SOURCE as OCS
from catalog.ingest.sources.ocs_wholesale import SOURCE as WHOLESALE
from catalog.ingest.sources.paging import even_page_size
from catalog.ingest.sources.sheets import SheetSource
from catalog.ingest.sources.sqdc import SOURCE as SQDC
from mlops.pipelines.errors import RecordRejected


def _listing(source: str = "list", **facts: str) -> CleanListing:
    known: dict[str, Any] = {
        "external_id": "7",
        "language": "en",
        "price_kind": "retail",
        "payload": {},
        "name": "Pink Kush",
        "category": "Dried Flower",
        "size": "3.5 g",
        "price": "29.95",
    }
    return clean_listing(ProductRecord(source=source, **{**known, **facts}))


@pytest.mark.parametrize(
    ("text", "gtin"),
    [
        ("628124825080", "00628124825080"),
        ("00628124825080", "00628124825080"),
        ("0 628124 82508 0", "00628124825080"),
        ("6-28124-82508-0", "00628124825080"),
        ("'628124825080", "00628124825080"),
        ("628124825080.0", "00628124825080"),
        ("6.28124825080E+11", "00628124825080"),
        ("00824164007534", "00824164007534"),
        ("UPC 628124825080", "00628124825080"),
        ("GTIN-14: 00628124825080", "00628124825080"),
        ("(01)00628124825080", "00628124825080"),
        ("６２８１２４８２５０８０", "00628124825080"),
    ],
)
def test_gtin_of_every_spelling_is_one_number(text: str, gtin: str) -> None:
    assert (read_gtin(text).value, read_gtin(text).problem) == (gtin, "")


@pytest.mark.parametrize(
    "text",
    [
        "000000000000",
        "00000000000000",
        "0",
        "888888888888",
        "99999999999999",
        "123456789012",
        "012345678905",
        "1234567890128",
    ],
)
def test_t1_zeros_repeated_digits_and_runs_are_no_gtin(text: str) -> None:
    reading = read_gtin(text)

    assert (reading.value, reading.text, reading.problem) == (None, text, "placeholder")


@pytest.mark.parametrize(
    "number",
    ["20000000001", "21234567890", "020000000001", "040000000001", "201234567890", "299123456789"],
)
def test_t1_code_of_restricted_circulation_is_no_gtin(number: str) -> None:
    text = number + ean.calc_check_digit(number)

    reading = read_gtin(text)

    assert (reading.value, reading.text, reading.problem) == (None, text, "restricted")


@pytest.mark.parametrize(
    "text",
    [
        "no SKU",
        "Sans code",
        "To come",
        "TBC",
        "to be confirmed",
        "à confirmer",
        "Default Title",
        "various",
        "Divers",
        "(blank)",
        "(vide)",
        "see above",
        "Voir ci-dessus",
        "undefined",
        "NEW",
        "0.0",
        "#NOM?",
        "#VALEUR!",
        "#N/D",
        "########",
    ],
)
def test_t3_words_for_a_missing_code_are_no_identifier(text: str) -> None:
    reading = read_sku(text)

    assert (reading.value, reading.text, reading.problem) == (None, text, "placeholder")


@pytest.mark.parametrize("text", ["A", "B-12", "NEW-14", "No 18", "Item 7", "DEFAULT2", "VENOM"])
def test_t3_code_that_contains_such_a_word_is_an_identifier(text: str) -> None:
    assert (read_sku(text).value, read_sku(text).problem) == (text, "")


@given(
    st.sampled_from(["02", "04", "05", *map(str, range(20, 30))]),
    st.text("0123456789", min_size=10, max_size=10),
)
def test_t1_no_code_of_restricted_circulation_is_a_gtin(prefix: str, number: str) -> None:
    code = prefix + number
    text = code + ean.calc_check_digit(code)

    assert read_gtin(text).value is None


def test_t1_placeholder_code_is_kept_as_text_and_flagged() -> None:
    listing = _listing(gtin="000000000000", sku="A-1")

    assert (listing.gtin, listing.code_text, listing.merge_key) == (
        None,
        "000000000000",
        "list:A-1",
    )
    assert listing.flags == ("gtin_placeholder",)


def test_t1_products_with_one_placeholder_code_stay_apart() -> None:
    keys = {_listing(external_id=str(n), gtin="000000000000").merge_key for n in range(3)}

    assert len(keys) == 3


def test_t1_code_as_sku_of_a_shop_is_no_gtin() -> None:
    product = {
        "title": "Pink Kush",
        "tags": ["category--Dried Flower"],
        "variants": [{"sku": "200000000011", "title": "3.5 g", "price": "29.95"}],
    }

    listing = clean_listing(next(OCS.parse_payload(product)))

    assert (listing.gtin, listing.merge_key) == (None, "ocs:200000000011")


@pytest.mark.parametrize("sku", ["N/A", "000000", "6.28E+11"])
def test_t3_placeholder_as_id_is_rejected_in_every_source(sku: str) -> None:
    product = {
        "title": "Pink Kush",
        "tags": ["category--Dried Flower"],
        "variants": [{"sku": sku, "title": "3.5 g", "price": "29.95"}],
    }
    variant = {"VariantId": sku, "DisplayName": "Pink Kush", "Quantity": "3.5", "ListPrice": 9}
    result = {"VariantId": sku, "ProductId": "7", "DisplayName": "Pink Kush", "Sku": sku}
    group = {"Attributes": [{"PropertyName": "LevelTwoCategory", "Value": "Fleurs séchées"}]}
    records = [
        next(OCS.parse_payload(product)),
        next(AGLC.parse_payload({"format": "Dried Flower", "variant": variant})),
        next(
            SQDC.parse_payload({"result": result, "price": {}, "groups": [group], "in_stock": True})
        ),
    ]

    for record in records:
        with pytest.raises(RecordRejected, match=f"external_id: {re.escape(repr(sku))} is a "):
            clean_listing(record)


def test_t1_placeholder_code_of_a_wholesale_row_is_not_its_id() -> None:
    row = {"Product Name": "Pink Kush", "GTIN": "000000000000", "OCS Item Number": "9", "Size": "7"}

    assert WHOLESALE.record(row).external_id == "9_7 g"


@pytest.mark.parametrize("code", ["200000000011", "210000000018", "299999999992"])
def test_t2_in_store_code_of_two_suppliers_is_two_products(code: str) -> None:
    flower = _listing("north", gtin=code)
    gummies = _listing("south", gtin=code, name="Gummies", category="Edibles", size="2 x 5 mg")

    assert flower.merge_key != gummies.merge_key


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("N/A", "placeholder"),
        ("n.a.", "placeholder"),
        ("-", "placeholder"),
        ("—", "placeholder"),
        ("??", "placeholder"),
        ("xxx", "placeholder"),
        ("0", "placeholder"),
        ("00000", "placeholder"),
        ("99999", "placeholder"),
        ("TBD", "placeholder"),
        ("aucun", "placeholder"),
        ("#N/A", "placeholder"),
        ("#REF!", "placeholder"),
        ("6.28E+11", "lossy_number"),
        ("6,28E+11", "lossy_number"),
        ("1E+12", "lossy_number"),
        ("A1" * 26, "too_long"),
    ],
)
def test_t3_placeholder_is_no_sku(text: str, problem: str) -> None:
    assert (read_sku(text).value, read_sku(text).problem) == (None, problem)


@pytest.mark.parametrize(
    "text", ["11", "22", "A0", "#1234", "X-1", "12E5", "6E10", "NA-100", "00012"]
)
def test_t3_short_or_odd_sku_is_kept(text: str) -> None:
    assert read_sku(text).value == text


@pytest.mark.parametrize("text", ["N/A", "-", "6.28E+11"])
def test_t3_placeholder_in_the_id_column_is_no_id(text: str) -> None:
    mapping = SheetMapping(columns={"name": "n"}, id_columns=("id",))
    source = SheetSource(code="list", label="List", mapping=mapping)

    record = source.record({"n": "Pink Kush", "id": text})

    assert record.external_id == ""
    assert record.defect.startswith(f"the row has no id in id; {text!r} is a ")


def test_t3_one_placeholder_of_two_id_columns_leaves_the_other() -> None:
    mapping = SheetMapping(columns={"name": "n"}, id_columns=("id", "size"))
    source = SheetSource(code="list", label="List", mapping=mapping)

    assert source.record({"n": "Pink Kush", "id": "N/A", "size": "7"}).external_id == "7"


def test_t3_whole_number_in_scientific_notation_is_read() -> None:
    assert read_id("6.28110000123E+11").value == "628110000123"


@pytest.mark.parametrize("number", ["2812482508", "6123456789", "9412345678"])
def test_t38_upc_that_lost_its_zero_is_completed_and_flagged(number: str) -> None:
    text = number + ean.calc_check_digit(number)

    listing = _listing(gtin=text)

    assert (listing.gtin, listing.flags) == (f"000{text}", ("gtin_completed",))


@pytest.mark.parametrize("text", ["62812482509", "6281248", "628124825080000"])
def test_t38_code_of_another_length_is_flagged(text: str) -> None:
    assert _listing(gtin=text).flags == ("gtin_wrong_length",)


@pytest.mark.parametrize("text", ["628124825080", "0628124825080", "00628124825080"])
def test_class_e_number_is_found_in_every_width(text: str) -> None:
    assert gtin_query(text) == "00628124825080"


@given(st.text("0123456789", min_size=11, max_size=13), st.integers(0, 12), st.integers(1, 9))
def test_class_e_changed_digit_is_never_a_gtin(number: str, position: int, shift: int) -> None:
    text = number + ean.calc_check_digit(number)
    at = position % len(text)
    changed = text[:at] + str((int(text[at]) + shift) % 10) + text[at + 1 :]

    assert read_gtin(changed).value is None


@pytest.mark.parametrize(
    ("limit", "size"), [(None, 250), (10, 10), (250, 250), (300, 150), (501, 167)]
)
def test_pages_of_a_limited_run_have_one_size(limit: int | None, size: int) -> None:
    assert even_page_size(250, limit=limit) == size
