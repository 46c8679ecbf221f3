"""Laws of reading values: a number is read whole or not at all, and what is written is read."""

import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.ingest.cleaning.numbers import add_unit
from catalog.ingest.cleaning.prices import read_price
from catalog.ingest.cleaning.stock import read_stock
from catalog.ingest.cleaning.strings import CleanedString, clean_string
from mlops.pipelines.errors import RecordRejected

FLOWER = "Dried Flower"
_LETTERS = string.ascii_letters + "éàçµ"
_SIGNS = "<>≤≥±~+-–−=*×#$€£%°'\"^_&@!?"
_SEPARATORS = ".,;:/|\\()[]{}·"
_INSERTED = st.sampled_from(_LETTERS + _SIGNS + _SEPARATORS)
_PERCENT = st.decimals(Decimal("0.1"), Decimal("99.9"), places=1)
_GRAMS = st.decimals(Decimal("0.1"), Decimal("99.9"), places=1)
_PIECE_GRAMS = st.decimals(Decimal("0.1"), Decimal("28.0"), places=1)
_PRICE = st.decimals(Decimal("1.00"), Decimal("999.99"), places=2)
_MILLIGRAMS = st.integers(1, 999)


def read(kind: str, raw: str, category: str = FLOWER) -> CleanedString:
    return clean_string(kind=kind, raw=raw, context={"category": category})


def is_confident(cleaned: CleanedString) -> bool:
    return cleaned.result is not None and not cleaned.flags


def beside(number: str, inserted: str, *, is_before: bool) -> str:
    return inserted + number if is_before else number + inserted


_WRITTEN_PERCENT = st.one_of(st.integers(1, 99).map(str), _PERCENT.map(str))
_PERCENT_TEMPLATES = st.sampled_from(["{}%", "{} %", "{}", "THC {}%", "THC: {} % | CBD: 1 %"])


def states(cleaned: CleanedString, percent: str) -> bool:
    """Return whether one percentage was read, doubted at most for its missing unit."""
    doubts = set(cleaned.flags) - {"unit_assumed"}
    result = cleaned.result
    return bool(result) and not doubts and result["min"] == result["max"] == float(percent)


@given(_WRITTEN_PERCENT, _INSERTED, st.booleans(), _PERCENT_TEMPLATES)
@example("8", "l", True, "{}%")
@example("1", ".", True, "{}%")
@example("24.0", "-", True, "THC: {} % | CBD: 1 %")
def test_character_beside_a_percentage_never_makes_another_value(
    percent: str, inserted: str, is_before: bool, template: str
) -> None:
    cleaned = read("thc", template.format(beside(percent, inserted, is_before=is_before)))

    doubts = set(cleaned.flags) - {"unit_assumed"}
    assert cleaned.result is None or doubts or states(cleaned, percent)


@given(
    st.integers(1, 99).map(str),
    st.integers(1, 99).map(str),
    st.sampled_from(sorted(set(_LETTERS + _SIGNS + _SEPARATORS) - set(".,"))),
    st.sampled_from(["{}%", "{} %", "{}"]),
)
@example("20", "1", "/", "{}")
@example("1", "2", "#", "{}%")
def test_character_between_two_numbers_never_leaves_one_of_them(
    first: str, second: str, inserted: str, template: str
) -> None:
    cleaned = read("thc", template.format(first + inserted + second))

    is_range = cleaned.result is not None and cleaned.result["min"] != cleaned.result["max"]
    is_one_number = int(first) == int(second)
    assert is_range or is_one_number or not (states(cleaned, first) or states(cleaned, second))


@given(_MILLIGRAMS, _INSERTED, st.booleans())
def test_character_beside_milligrams_never_makes_another_value(
    amount: int, inserted: str, is_before: bool
) -> None:
    raw = f"{beside(str(amount), inserted, is_before=is_before)} mg"

    cleaned = read("thc", raw, "Edibles")

    assert not is_confident(cleaned) or cleaned.result["mg"] == float(amount)


@given(_GRAMS, _INSERTED, st.booleans())
@example(Decimal("5.0"), "l", True)
@example(Decimal("3.5"), "+", True)
def test_character_beside_a_size_never_makes_another_value(
    grams: Decimal, inserted: str, is_before: bool
) -> None:
    raw = f"{beside(str(grams), inserted, is_before=is_before)} g"

    cleaned = read("weight", raw)

    assert not is_confident(cleaned) or cleaned.result.get("grams") == float(grams)


# Left out: signs that make another number that is well written (1.5, 1-5, 1x5, 1e5), and those
# that spreadsheets and shops put before a value ("'5", "=5", "_5").
_REPLACING = st.sampled_from(
    sorted(set(_LETTERS + _SIGNS + _SEPARATORS) - set(".,-–−xX×*eE<>≤≥~+%/:'=_"))
)
_FORMS = [
    ("thc", FLOWER, "{} %"),
    ("thc", FLOWER, "THC: {} % | CBD: 1 %"),
    ("cbd", FLOWER, "THC 20 %, CBD {} %"),
    ("thc", "Edibles", "{} mg"),
    ("weight", FLOWER, "{} g"),
    ("weight", "Beverages", "{} ml"),
]


@given(st.integers(11, 99), st.booleans(), _REPLACING, st.sampled_from(_FORMS))
@example(18, True, "l", _FORMS[0])
@example(35, True, "O", _FORMS[4])
@example(25, False, "$", _FORMS[1])
def test_character_in_place_of_a_digit_never_makes_another_value(
    number: int, is_first: bool, replacing: str, form: tuple[str, str, str]
) -> None:
    kind, category, template = form
    digits = str(number)
    written = replacing + digits[1] if is_first else digits[0] + replacing

    cleaned = read(kind, template.format(written), category)

    assert not is_confident(cleaned)


@given(_PRICE, _INSERTED, st.booleans())
def test_character_beside_a_price_never_makes_another_value(
    price: Decimal, inserted: str, is_before: bool
) -> None:
    try:
        reading = read_price(beside(str(price), inserted, is_before=is_before))
    except RecordRejected:
        return

    assert reading.flags or reading.price == price


@given(st.integers(1, 999), _INSERTED, st.booleans())
def test_character_beside_a_stock_never_makes_another_value(
    quantity: int, inserted: str, is_before: bool
) -> None:
    try:
        reading = read_stock(beside(str(quantity), inserted, is_before=is_before))
    except RecordRejected:
        return

    assert reading.flags or reading.quantity == quantity


_PERCENT_FORMATS = st.sampled_from(
    ["{} %", "{}%", "THC {} %", "THC: {}%", "{}% THC", "THC {}% | CBD 1%", "Total THC: {} %"]
)


@given(_PERCENT, _PERCENT_FORMATS, st.booleans())
def test_percentage_is_read_as_written(percent: Decimal, form: str, has_comma: bool) -> None:
    written = str(percent).replace(".", "," if has_comma else ".")

    cleaned = read("thc", form.format(written))

    assert (cleaned.result["min"], cleaned.result["max"]) == (float(percent), float(percent))
    assert not cleaned.flags


@given(_PERCENT, _PERCENT, st.sampled_from(["{}–{} %", "{} - {}%", "{}% à {}%", "{} to {} %"]))
def test_range_of_percentages_is_read_as_written(low: Decimal, high: Decimal, form: str) -> None:
    low, high = sorted((low, high))

    cleaned = read("thc", form.format(low, high))

    assert (cleaned.result["min"], cleaned.result["max"]) == (float(low), float(high))


@given(
    _PIECE_GRAMS, st.integers(2, 30), st.sampled_from(["{0} x {1} g", "{0}x{1}g", "{1} g x {0}"])
)
def test_pack_of_pieces_is_read_as_written(grams: Decimal, count: int, form: str) -> None:
    cleaned = read("weight", form.format(count, grams))

    assert cleaned.result == {"grams": float(grams * count), "unit_count": count}


@given(_PRICE, st.sampled_from(["{}", "${}", "{} $", "CA${}", "{} CAD", "$ {} CAD", " {} "]))
def test_price_is_read_as_written(price: Decimal, form: str) -> None:
    assert read_price(form.format(price)).price == price
    assert read_price(form.format(str(price).replace(".", ",")), language="fr").price == price


@given(st.decimals(Decimal(1000), Decimal("99999.99"), places=2))
def test_price_with_thousands_is_read_as_written(price: Decimal) -> None:
    english = f"${price:,.2f}"
    french = f"{price:,.2f} $".replace(",", "\u202f").replace(".", ",")

    assert read_price(english).price == read_price(french, language="fr").price == price


@given(st.floats(0.01, 1, allow_nan=False).map(lambda number: round(number, 3)))
def test_fraction_of_a_cell_is_the_percentage_shown(fraction: float) -> None:
    cleaned = read("thc", add_unit(repr(fraction), "fraction"))

    assert cleaned.result["min"] == pytest.approx(fraction * 100, abs=1e-9)


@given(st.integers(1, 99_999), st.integers(1, 40))
def test_sum_of_binary_fractions_is_the_price_shown(cents: int, parts: int) -> None:
    noisy = sum([cents / 100 / parts] * parts)

    reading = read_price(repr(noisy))

    assert reading.price == Decimal(cents) / 100
    assert "rounded" not in reading.flags


@given(st.text(max_size=60), st.sampled_from(["thc", "cbd", "weight", "strain_type", "name"]))
def test_any_text_is_read_or_refused_with_a_reason(text: str, kind: str) -> None:
    cleaned: Any = read(kind, text)

    assert (cleaned.result is None) == (cleaned.refused is not None)
