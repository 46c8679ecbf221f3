"""Price texts in English and French: readings judged by a person, and laws of the reader."""

import csv
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from competitors.ingest.price_text import SEVERAL, PriceReading, UnitPrice, read_price_text
from config.embedded.stack import ROOT
from mlops.pipelines.errors import RecordRejected

_SAMPLES = ROOT / "tests" / "samples" / "price_texts.tsv"
_CONFIDENT = Decimal("0.8")


def _samples() -> list[tuple[str, str]]:
    with _SAMPLES.open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["text"], row["reading"]) for row in rows]


def _describe(text: str) -> str:
    try:
        reading = read_price_text(text)
    except RecordRejected:
        return "refused"
    prices = {"regular": reading.regular, "sale": reading.sale, "member": reading.member}
    parts = [f"{name}={price}" for name, price in prices.items() if price is not None]
    parts += [
        f"promotion={promotion.quantity} for {promotion.total}"
        if promotion.quantity
        else f"promotion={promotion.text}"
        for promotion in reading.promotions
    ]
    if reading.per_unit:
        unit = reading.per_unit
        parts.append(f"per_unit={unit.price} per {unit.quantity} {unit.unit}")
    if reading.currency != "CAD":
        parts.append(f"currency={reading.currency}")
    if reading.tax_included is not None:
        parts.append(f"tax={'in' if reading.tax_included else 'out'}")
    return "; ".join(parts)


def _values(reading: PriceReading) -> set[Decimal]:
    values = {reading.regular, reading.sale, reading.member}
    values |= {promotion.total for promotion in reading.promotions}
    values |= {reading.per_unit.price} if reading.per_unit else set()
    return {value for value in values if value is not None}


@pytest.mark.parametrize(("text", "expected"), _samples())
def test_text_is_read_as_a_person_reads_it(text: str, expected: str) -> None:
    assert _describe(text) == expected


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("1\u00a0299,00\u00a0$", "1299.00"),
        ("1\u202f299,00\u202f$", "1299.00"),
        ("1\u202f299\u00a0$", "1299.00"),
        ("29,90\u00a0$", "29.90"),
        ("$\u00a029.99", "29.99"),
        ("$29.99\u200b", "29.99"),
        ("\ufeff$29.99", "29.99"),
        ("$29\u2024.99", None),
        ("29\n.99 $", None),
    ],
)
def test_invisible_characters_change_no_price(text: str, price: str | None) -> None:
    expected = "refused" if price is None else f"regular={price}"

    assert _describe(text) == expected


@pytest.mark.parametrize(
    ("text", "hint", "price"),
    [
        ("1.299", ",", "1299.00"),
        ("1.299 $", ",", "1299.00"),
        ("$1.299", ".", None),
        ("1,299", ".", "1299.00"),
        ("1,299 $", ".", "1299.00"),
        ("1,299 $", ",", None),
        ("29,90", ".", "29.90"),
        ("29.90", ",", "29.90"),
    ],
)
def test_decimal_separator_of_the_site_decides(text: str, hint: str, price: str | None) -> None:
    try:
        reading = read_price_text(text, decimal_hint=hint)  # type: ignore[arg-type]
    except RecordRejected:
        assert price is None
    else:
        assert price is not None
        assert reading.regular == Decimal(price)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("$25 $30", SEVERAL),
        ("25 $ - 40 $", SEVERAL),
        ("from $25", SEVERAL),
        ("À partir de 25 $", SEVERAL),
        ("$25 30", SEVERAL),
        ("", "has no value"),
        ("n/a", "has no value"),
        ("Sold out", "states no price"),
        ("20% off $40", "states a discount on an amount"),
        ("$32 save $8", "states a discount and one price, before or after it"),
        ("2990 $", "may have lost its decimal point"),
        ("1.299 $", "may be a thousand or a decimal"),
        ("$0.00", "is not above zero"),
        ("-$5", "is negative"),
        ("$29.99x", "has 'x' beside the amount"),
        ("$-5", "has a currency sign without a number"),
        ("₹25", "has the currency sign '₹'"),
        ("US$20 C$20", "has amounts in several currencies"),
        ("Was $40", "states a former price only"),
        ("$30 member price $40", "has a member price above the price"),
        ("29.99 widgets", "has no currency beside its number"),
        ("$25/bag", "is a price per 'bag'"),
        ("2 x $25", "is part of a calculation"),
        ("x" * 401, "is longer than 400 characters"),
        ("$" * 5000, "is longer than 1600 characters"),
    ],
)
def test_refusal_names_field_and_reason(text: str, reason: str) -> None:
    with pytest.raises(RecordRejected) as rejected:
        read_price_text(text)

    assert (rejected.value.field, rejected.value.reason) == ("price", reason)


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("$29.99", "1"),
        ("Was $40 Now $32", "1"),
        ("$32 was $40", "0.9"),
        ("29.99", "0.9"),
        ("Blue Dream $29.99", "0.9"),
        ("$12.5", "0.8"),
        ("25", "0.7"),
        ("1 299,00 $", "0.7"),
        ("Gelato 33 Flower $35.99", "0.7"),
    ],
)
def test_doubts_lower_the_confidence(text: str, confidence: str) -> None:
    assert read_price_text(text).confidence == Decimal(confidence)


def test_unit_price_is_not_the_price() -> None:
    reading = read_price_text("42,50 $ (12,14 $/g)")

    assert reading.regular == Decimal("42.50")
    assert reading.per_unit == UnitPrice(price=Decimal("12.14"), quantity=Decimal(1), unit="g")


_AMOUNTS = st.decimals(min_value="1", max_value="999.99", places=2)
_FORMATS = ("${0}", "{1} $", "{1}$", "CA${0}", "{0} CAD", "{0}", "$ {0}", "Price: ${0}")
_TEXTS = st.builds(
    lambda amount, form: (form.format(amount, str(amount).replace(".", ",")), amount),
    _AMOUNTS,
    st.sampled_from(_FORMATS),
)


@given(text=_TEXTS)
def test_price_is_read_in_every_format(text: tuple[str, Decimal]) -> None:
    assert read_price_text(text[0]).regular == text[1]


@given(
    text=_TEXTS, other=_TEXTS, join=st.sampled_from([" ", "  ", " - ", "-", " / ", ", ", " to "])
)
def test_second_price_leaves_no_confident_price(
    text: tuple[str, Decimal], other: tuple[str, Decimal], join: str
) -> None:
    assume(text[1] != other[1])

    for joined in (text[0] + join + other[0], other[0] + join + text[0]):
        with pytest.raises(RecordRejected):
            read_price_text(joined)


@given(
    text=_TEXTS,
    letters=st.text(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZéà%#_&€£¢°²", min_size=1, max_size=2
    ),
    position=st.integers(0, 20),
)
@example(text=("$29.99", Decimal("29.99")), letters="g", position=6)
@example(text=("29,90 $", Decimal("29.90")), letters="a", position=6)
@example(text=("$10.01", Decimal("10.01")), letters="a", position=4)
def test_letter_beside_a_number_yields_no_other_confident_value(
    text: tuple[str, Decimal], letters: str, position: int
) -> None:
    position = min(position, len(text[0]))
    changed = text[0][:position] + letters + text[0][position:]

    try:
        reading = read_price_text(changed)
    except RecordRejected:
        return
    assert _values(reading) <= {text[1]} or reading.confidence < _CONFIDENT


@given(text=_TEXTS, digits=st.from_regex(r"\d{1,3}", fullmatch=True))
def test_digits_beside_a_price_yield_no_other_confident_value(
    text: tuple[str, Decimal], digits: str
) -> None:
    cents = f"{text[1]:.2f}"[-2:]
    glued = (
        text[0].replace(f".{cents}", f".{cents}{digits}").replace(f",{cents}", f",{cents}{digits}")
    )

    for changed in (f"{digits} {text[0]}", f"{text[0]} {digits}", f"{text[0]}{digits}", glued):
        try:
            reading = read_price_text(changed)
        except RecordRejected:
            continue
        assert _values(reading) <= {text[1]} or reading.confidence < _CONFIDENT


@given(
    regular=_AMOUNTS,
    sale=_AMOUNTS,
    form=st.sampled_from(
        [
            "Was ${} Now ${}",
            "Reg. ${} Sale ${}",
            "Rég. {} $ Spécial {} $",
            "<del>${}</del> <ins>${}</ins>",
        ]
    ),
)
def test_labelled_prices_are_never_swapped(regular: Decimal, sale: Decimal, form: str) -> None:
    text = form.format(regular, sale)

    if sale > regular:
        with pytest.raises(RecordRejected):
            read_price_text(text)
    elif sale < regular:
        assert read_price_text(text).regular == regular
        assert read_price_text(text).sale == sale


@given(text=st.text(max_size=60))
@example(text="$" + "1" * 300)
@example(text="1/" * 150)
@example(text="1 " * 190)
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, f"${text}", f"29,90 $ {text}"):
        try:
            reading = read_price_text(candidate)
        except RecordRejected:
            continue
        assert all(value > 0 for value in _values(reading))
