"""
Quirky feed: a seeded CSV list of products with the quirks of suppliers' files mixed in at random.

Every row has a truth: what must become of it, and the values that a reader may take from it. A
value of None must stay open. The truth is known from the generator, never from the cleaning.
"""

import csv
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from stdnum import ean

COLUMNS = (
    "Row",
    "Id",
    "Name",
    "Brand",
    "Category",
    "SKU",
    "UPC",
    "Size",
    "Count",
    "Type",
    "THC",
    "CBD",
    "Price",
    "Stock",
    "Lot",
)
"""Columns of the list. `Row` is mapped to no field: it finds a row in quarantine."""
MAPPING: dict[str, Any] = {
    "columns": {
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
        "in_stock": "Stock",
        "lot": "Lot",
    },
    "id_columns": ["Id"],
}
"""Column mapping of the list."""
Outcome = Literal["listing", "quarantined", "repeated", "one_of_group"]
Potency = tuple[Decimal, Decimal, str]
"""Lower end, upper end, unit."""


@dataclass(slots=True)
class Truth:
    """
    What must become of a row.

    outcome: "one_of_group": one of the rows with this id becomes the listing, the others are
    quarantined. values: expected value by column of the listing; None: open. quirks: name of the
    quirk by field; "plain" without one.
    """

    row: int
    external_id: str
    outcome: Outcome
    values: dict[str, Any] = field(default_factory=dict)
    quirks: dict[str, str] = field(default_factory=dict)
    row_quirk: str = ""


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    values: dict[str, Any]
    quirk: str = "plain"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of product: category, words for it, whether its potency is in percent."""

    category: str
    words: tuple[str, ...]
    thc: tuple[int, int]
    is_percent: bool = True
    sizes: tuple[tuple[str, str, dict[str, Any]], ...] = ()


def _grams(number: str) -> dict[str, Any]:
    return {"weight_grams": Decimal(number), "volume_ml": None, "unit_count": None}


def _milliliters(number: str) -> dict[str, Any]:
    return {"weight_grams": None, "volume_ml": Decimal(number), "unit_count": None}


def _pieces(count: int, grams: str | None = None) -> dict[str, Any]:
    weight = Decimal(grams) if grams else None
    return {"weight_grams": weight, "volume_ml": None, "unit_count": count}


_FLOWER = _Kind(
    "dried_flower",
    ("Dried Flower", "dried flower", "DRIED FLOWER", " Flower ", "Fleurs séchées"),
    (100, 320),
    sizes=(
        ("3.5 g", "", _grams("3.5")),
        ("3,5 g", "", _grams("3.5")),
        ("28g", "", _grams("28")),
        ("7.0 grams", "", _grams("7")),
        ("3.5000000000000004 g", "", _grams("3.5")),
    ),
)
_PRE_ROLLS = _Kind(
    "pre_rolls",
    ("Pre-Rolls", "pre-rolls", "Préroulés"),
    (150, 320),
    sizes=(("3 x 0.5 g", "", _pieces(3, "1.5")), ("10 x 0.35g", "", _pieces(10, "3.5"))),
)
_VAPES = _Kind(
    "vapes",
    ("Vapes", "VAPES"),
    (600, 900),
    sizes=(("1 g", "", _grams("1")), ("0.30000000000000004 g", "", _grams("0.3"))),
)
_EDIBLES = _Kind(
    "edibles",
    ("Edibles", "edibles", "Mangeable"),
    (2, 10),
    is_percent=False,
    sizes=(
        ("", "10", _pieces(10)),
        ("", "10.0", _pieces(10)),
        ("", "5", _pieces(5)),
        ("40 g", "", _grams("40")),
    ),
)
_BEVERAGES = _Kind(
    "beverages",
    ("Beverages", "beverages"),
    (2, 10),
    is_percent=False,
    sizes=(("355 ml", "", _milliliters("355")), ("355 mL", "", _milliliters("355"))),
)
_KINDS = (_FLOWER, _PRE_ROLLS, _VAPES, _EDIBLES, _BEVERAGES)
_OPEN_SIZE = {"weight_grams": None, "volume_ml": None, "unit_count": None}
_NOT_A_NUMBER = (
    "#DIV/0!",
    "#N/A",
    "l8%",
    "2O%",
    "20/1",
    "T:20 C:1",
    "Mar-24",
    "20-Mar",
    "18-24-30",
)
_FIRST = (
    "Amber", "Birch", "Cedar", "Coral", "Copper", "Dusty", "Ember", "Frosty", "Gentle",
    "Glacier", "Harbour", "Hidden", "Ivory", "Jade", "Lantern", "Linen", "Lunar", "Maple",
    "Marble", "Meadow", "Misty", "Northern", "Ocean", "Opal", "Pebble", "Prairie", "Quiet",
    "River", "Rustic", "Saffron", "Silver", "Tundra", "Velvet", "Violet", "Willow", "Winter",
)  # fmt: skip
_SECOND = (
    "Anchor", "Badger", "Canyon", "Comet", "Crane", "Delta", "Falcon", "Fjord", "Forest",
    "Garden", "Heron", "Island", "Juniper", "Lagoon", "Ledger", "Magnet", "Orchard", "Otter",
    "Paddle", "Pebble", "Pigeon", "Quartz", "Rabbit", "Saddle", "Sparrow", "Station", "Teapot",
    "Timber", "Turbine", "Valley", "Wagon", "Walrus", "Window", "Yarrow",
)  # fmt: skip
_THIRD = (
    "Alpha", "Bravo", "Charlie", "Echo", "Foxtrot", "Golf", "Hotel", "Juliet", "Kilo", "Lima",
    "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo", "Sierra", "Tango", "Uniform",
    "Victor", "Whiskey", "Yankee", "Zulu", "Arc", "Bow", "Cube", "Dome", "Edge", "Fold", "Grid",
    "Helix", "Loop", "Mesh", "Node", "Oval", "Prism", "Ring", "Spire", "Tile", "Vault", "Wave",
)  # fmt: skip
_BRANDS = ("Hill & Dale", "Tidewater", "Station Ten", "Grey Owl", "Sable Bay")
_QUIRK_SHARE = 0.35
_ROW_QUIRK_SHARE = 0.06


@dataclass(slots=True)
class QuirkyFeed:
    """Rows as records of texts, and the truth of each. The same seed makes the same feed."""

    size: int
    seed: int = 18
    delimiter: str = ","
    truths: list[Truth] = field(default_factory=list)

    def write(self, file: io.BufferedIOBase) -> None:
        """Write the list: UTF-8 with a BOM, stray cp1252 bytes and blank lines; fill `truths`."""
        rng = random.Random(self.seed)  # reproducible data, no secret
        file.write("\ufeff".encode() + self._record(COLUMNS))
        rows = _Rows(rng, self.truths)
        while len(self.truths) < self.size:
            for cells, is_stray in rows.next_rows(self.size - len(self.truths)):
                body = self._record(cells)
                # One byte of cp1252 in a list of UTF-8.
                file.write(body.replace("é".encode(), "é".encode("cp1252")) if is_stray else body)
            if rng.random() < 0.01:
                file.write(b"\r\n")

    def _record(self, cells: tuple[str, ...]) -> bytes:
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter).writerow(cells)
        return text.getvalue().encode()


Rows = Iterator[tuple[tuple[str, ...], bool]]


class _Rows:
    def __init__(self, rng: random.Random, truths: list[Truth]) -> None:
        self.rng = rng
        self.truths = truths
        self.number = 0

    def next_rows(self, limit: int) -> Rows:
        """Yield one row, or a group of rows that share an identifier; at most `limit`."""
        rng = self.rng
        groups: tuple[Callable[[], Rows], ...] = (
            self._equal_rows,
            self._other_price_under_one_id,
            self._unlike_rows_under_one_id,
            self._unlike_rows_under_one_sku,
            self._rows_by_lot,
        )
        singles = (self._no_id, self._no_name, self._no_category, self._more_cells)
        if rng.random() >= _ROW_QUIRK_SHARE:
            yield self._plain_row()
        elif rng.random() < 0.5 and limit > 1:
            yield from rng.choice(groups)()
        else:
            yield rng.choice(singles)()

    def _product(self, **texts: str) -> tuple[dict[str, str], Truth, bool]:
        """Return the cells of a new product, its truth, and whether it has a stray byte."""
        rng = self.rng
        self.number += 1
        number = self.number
        kind = rng.choice(_KINDS)
        brand = rng.choice(_BRANDS)
        name = _plain_name(number)
        cells = {
            "Name": _name_cell(rng, name, brand),
            "Category": _Cell(rng.choice(kind.words), {"category": kind.category}),
            "SKU": _sku_cell(rng, number),
            "UPC": _gtin_cell(rng, number),
            "Type": _type_cell(rng),
            "THC": _potency_cell(rng, kind, "thc"),
            "CBD": _potency_cell(rng, kind, "cbd"),
            "Price": _price_cell(rng),
            "Stock": _stock_cell(rng),
        }
        size, count, sizes = rng.choice(kind.sizes)
        quirk = "plain"
        if rng.random() < 0.03 and not count:
            size, sizes, quirk = rng.choice(("assorted", "N/A", "#REF!")), _OPEN_SIZE, "unreadable"
        is_brand_in_name = cells["Name"].quirk in ("brand in name", "bar in name")
        is_stray = cells["Name"].quirk == "stray byte"
        written = {column: cell.text for column, cell in cells.items()}
        written |= {
            "Id": f"R{number:07}",
            "Brand": "" if is_brand_in_name else brand,
            "Size": size,
            "Count": count,
            "Lot": "",
            **texts,
        }
        truth = Truth(0, written["Id"], "listing", {"brand": brand, **sizes}, {"Size": quirk})
        for column, cell in cells.items():
            truth.values |= cell.values
            truth.quirks[column] = cell.quirk
        if kind is _PRE_ROLLS and sizes is _OPEN_SIZE:
            truth.values["category"] = "pre_rolls"
        return written, truth, is_stray

    def _emit(
        self,
        cells: dict[str, str],
        truth: Truth,
        *,
        is_stray: bool = False,
        extra: tuple[str, ...] = (),
    ) -> tuple[tuple[str, ...], bool]:
        truth.row = len(self.truths) + 1
        self.truths.append(truth)
        row = {**cells, "Row": str(truth.row)}
        return (*(row[column] for column in COLUMNS), *extra), is_stray

    def _plain_row(self) -> tuple[tuple[str, ...], bool]:
        cells, truth, is_stray = self._product()
        return self._emit(cells, truth, is_stray=is_stray)

    def _quarantined(
        self, quirk: str, changes: dict[str, str], *extra: str
    ) -> tuple[tuple[str, ...], bool]:
        cells, _, is_stray = self._product()
        cells |= changes
        truth = Truth(0, cells["Id"], "quarantined", row_quirk=quirk)
        return self._emit(cells, truth, is_stray=is_stray, extra=extra)

    def _no_id(self) -> tuple[tuple[str, ...], bool]:
        text = self.rng.choice(("", "N/A", "-", "6.28E+11", "#N/A", "0000"))
        return self._quarantined("no id", {"Id": text})

    def _no_name(self) -> tuple[tuple[str, ...], bool]:
        return self._quarantined("no name", {"Name": self.rng.choice(("", "  ", "\u200b", "--"))})

    def _no_category(self) -> tuple[tuple[str, ...], bool]:
        text = self.rng.choice(("", "Bundle", "Edibles and Topicals"))
        return self._quarantined("no category", {"Category": text})

    def _more_cells(self) -> tuple[tuple[str, ...], bool]:
        return self._quarantined("more cells than columns", {}, "12", "unquoted")

    def _same_product(self) -> tuple[dict[str, str], Truth]:
        """Return a product whose values a group of rows can state, without identifiers."""
        cells, truth, _ = self._product(SKU="", UPC="", Price="29.95", Stock="5")
        cells["Name"] = _plain_name(self.number)
        cells["Brand"] = _BRANDS[1]
        truth.values |= {
            "name": cells["Name"],
            "brand": _BRANDS[1],
            "sku": None,
            "gtin": None,
            "price": Decimal("29.95"),
            "in_stock": True,
            "stock_quantity": Decimal(5),
        }
        return cells, truth

    def _copy(self, truth: Truth, outcome: Outcome, quirk: str, **values: Any) -> Truth:
        return Truth(
            0, truth.external_id, outcome, {**truth.values, **values}, dict(truth.quirks), quirk
        )

    def _equal_rows(self) -> Rows:
        cells, truth = self._same_product()
        yield self._emit(cells, self._copy(truth, "listing", "equal rows"))
        yield self._emit(cells, self._copy(truth, "repeated", "equal rows"))

    def _other_price_under_one_id(self) -> Rows:
        cells, truth = self._same_product()
        for price in ("29.95", "31.95"):
            values = {"price": Decimal(price)}
            copy = self._copy(truth, "one_of_group", "other price under one id", **values)
            yield self._emit({**cells, "Price": price}, copy)

    def _unlike_rows_under_one_id(self) -> Rows:
        first, truth = self._same_product()
        second, _ = self._same_product()
        for cells, category in ((first, "Topicals"), (second, "Seeds")):
            changes = {"Id": truth.external_id, "Category": category, "Size": "", "Count": ""}
            copy = self._copy(truth, "quarantined", "unlike rows under one id")
            yield self._emit({**cells, **changes}, copy)

    def _unlike_rows_under_one_sku(self) -> Rows:
        sku = f"SHARED-{self.number}"
        sizes = {"weight_grams": None, "volume_ml": None, "unit_count": None}
        for text, category in (("Topicals", "topicals"), ("Seeds", "seeds")):
            cells, truth = self._same_product()
            changes = {"SKU": sku, "Category": text, "Size": "", "Count": "", "THC": "", "CBD": ""}
            values = {**sizes, "category": category, "thc": None, "cbd": None}
            copy = self._copy(truth, "listing", "unlike rows under one SKU", **values)
            yield self._emit({**cells, **changes}, copy)

    def _rows_by_lot(self) -> Rows:
        cells, truth = self._same_product()
        cells |= {"Category": "Dried Flower", "Size": "3.5 g", "Count": "", "CBD": ""}
        values = {
            "category": "dried_flower",
            **_grams("3.5"),
            "thc": (Decimal(20), Decimal(24), "percent"),
            "cbd": None,
        }
        lots: tuple[tuple[str, str, Outcome], ...] = (
            ("L1", "20%", "listing"),
            ("L2", "24%", "repeated"),
        )
        for lot, thc, outcome in lots:
            copy = self._copy(truth, outcome, "rows by lot", **values)
            yield self._emit({**cells, "Lot": lot, "THC": thc}, copy)


def _plain_name(number: int) -> str:
    first = _FIRST[number % len(_FIRST)]
    second = _SECOND[number // len(_FIRST) % len(_SECOND)]
    third = _THIRD[number // (len(_FIRST) * len(_SECOND)) % len(_THIRD)]
    fourth = _FIRST[number // (len(_FIRST) * len(_SECOND) * len(_THIRD)) % len(_FIRST)]
    return f"{first} {second} {third} {fourth}"


def _pick(rng: random.Random, plain: _Cell, quirks: tuple[_Cell, ...]) -> _Cell:
    return rng.choice(quirks) if rng.random() < _QUIRK_SHARE else plain


def _name_cell(rng: random.Random, name: str, brand: str) -> _Cell:
    values = {"name": name}
    first, rest = name.split(" ", 1)
    return _pick(
        rng,
        _Cell(name, values),
        (
            _Cell(f"{first} &amp; {rest}", {"name": f"{first} & {rest}"}, "entity"),
            _Cell(f"{first}&#39;s {rest}", {"name": f"{first}'s {rest}"}, "entity"),
            _Cell(f"{name}\u200b", values, "invisible character"),
            _Cell(f"\ufeff{name}", values, "invisible character"),
            _Cell(f"<b>{name}</b>", values, "tag"),
            _Cell(f"{first}\n{rest}", values, "line break in quotes"),
            _Cell(f"{first}\r\n{rest}", values, "line break in quotes"),
            _Cell(f"  {first}   {rest} ", values, "spaces"),
            _Cell(f"{first}, {rest}", {"name": f"{first}, {rest}"}, "delimiter in quotes"),
            _Cell(f'{first} "{rest}"', {"name": f'{first} "{rest}"'}, "quotes"),
            _Cell(f"NEW!! {name}", values, "mark"),
            _Cell(f"{name} *SUPER FRESH!", values, "mark"),
            _Cell(f"♥ {brand} | {name}", values, "brand in name"),
            _Cell(f"NEW!! {brand} | {name}", values, "brand in name"),
            # Either part may be the brand.
            _Cell(f"{brand} | {name}", {"name": f"{brand} | {name}", "brand": None}, "bar in name"),
            _Cell(f"{first} Désert {rest}", {"name": f"{first} Désert {rest}"}, "stray byte"),
            _Cell(name.upper(), values, "capitals"),
            _Cell(f"{name} - 3.5g", values, "size in name"),
        ),
    )


def _sku_cell(rng: random.Random, number: int) -> _Cell:
    sku = f"SK-{number}"
    none = {"sku": None}
    return _pick(
        rng,
        _Cell(sku, {"sku": sku}),
        (
            *(
                _Cell(text, none, "placeholder")
                for text in ("N/A", "-", "0", "#N/A", "TBD", "99999")
            ),
            _Cell("6.28E+11", none, "lossy number"),
            _Cell(f" {sku}_ ", {"sku": sku}, "spaces"),
            _Cell("", none, "blank"),
        ),
    )


def _gtin_cell(rng: random.Random, number: int) -> _Cell:
    body = f"62811{number:06}"
    upc = body + ean.calc_check_digit(body.zfill(13))
    wrong = body + str((int(upc[-1]) + 1) % 10)
    short = f"0{62000 + number % 1000:05}{number // 1000:05}"
    short_upc = short + ean.calc_check_digit(short.zfill(13))
    known, none = {"gtin": upc.zfill(14)}, {"gtin": None}
    exact = f"{upc[0]}.{upc[1:]}E+11"
    return _pick(
        rng,
        _Cell(upc, known),
        (
            _Cell("000000000000", none, "zeros"),
            _Cell("111111111111", none, "repeated digit"),
            _Cell("200000000011", none, "restricted"),
            _Cell("6.28E+11", none, "lossy number"),
            _Cell(wrong, none, "wrong check digit"),
            _Cell("N/A", none, "placeholder"),
            _Cell("", none, "blank"),
            _Cell(f"{upc}.0", known, "number with decimals"),
            _Cell(exact, known, "exact scientific"),
            _Cell(f"'{upc}", known, "apostrophe"),
            _Cell(f"{upc[:1]} {upc[1:6]} {upc[6:11]} {upc[11:]}", known, "spaces"),
            _Cell(short_upc[1:], {"gtin": short_upc.zfill(14)}, "UPC of 11 digits"),
        ),
    )


def _type_cell(rng: random.Random) -> _Cell:
    return _pick(
        rng,
        _Cell("Indica", {"strain_type": "indica"}),
        (
            _Cell("SATIVA", {"strain_type": "sativa"}, "capitals"),
            _Cell("Hybride", {"strain_type": "hybrid"}, "French"),
            _Cell("Sativa-Dominant", {"strain_type": "sativa_dominant"}, "dominance"),
            _Cell("N/A", {"strain_type": None}, "placeholder"),
            _Cell("-", {"strain_type": None}, "placeholder"),
            _Cell("", {"strain_type": None}, "blank"),
        ),
    )


def _potency_cell(rng: random.Random, kind: _Kind, cannabinoid: str) -> _Cell:
    low, high = kind.thc if cannabinoid == "thc" else (1, 10)
    if not kind.is_percent:
        return _milligram_cell(rng, cannabinoid, low, high)
    value = Decimal(rng.randint(low, high)) / 10
    upper = value + Decimal(rng.randint(1, 40)) / 10

    def known(first: Decimal, second: Decimal) -> dict[str, Any]:
        return {cannabinoid: (first, second, "percent")}

    def cell(text: str, quirk: str) -> _Cell:
        return _Cell(text, known(value, value), quirk)

    french = str(value).replace(".", ",")
    between = known(value, upper)
    scientific = f"{value:E}%"
    label, other = ("THC", "CBD") if cannabinoid == "thc" else ("CBD", "THC")
    return _pick(
        rng,
        _Cell(f"{value}%", known(value, value)),
        (
            cell(f"{french} %", "decimal comma"),
            cell(f"{value} %", "space"),
            cell(f"{value}\u00a0%", "space"),
            cell(scientific, "scientific"),
            cell(f"{value * 10:f} mg/g", "mg/g"),
            cell(f"{value:.1f}000000000001%", "binary noise"),
            _Cell(f"{value}%–{upper}%", between, "range"),
            _Cell(f"{value} - {upper} %", between, "range"),
            _Cell(f"{label}: {value}–{upper}%", between, "label"),
            _Cell(f"{label}: {value}–{upper}% | {other}: 1%", between, "two cannabinoids"),
            _Cell("&lt;1%", known(Decimal(0), Decimal(1)), "upper bound"),
            _Cell("<1%", known(Decimal(0), Decimal(1)), "upper bound"),
            *(_Cell(text, {cannabinoid: None}, "no number") for text in _NOT_A_NUMBER),
            _Cell("", {cannabinoid: None}, "blank"),
            _Cell("N/A", {cannabinoid: None}, "placeholder"),
        ),
    )


def _milligram_cell(rng: random.Random, cannabinoid: str, low: int, high: int) -> _Cell:
    value = Decimal(rng.randint(low, high))

    def cell(text: str, quirk: str = "plain", unit: str = "mg") -> _Cell:
        return _Cell(text, {cannabinoid: (value, value, unit)}, quirk)

    none = {cannabinoid: None}
    return _pick(
        rng,
        cell(f"{value} mg"),
        (
            cell(f"{value}mg", "space"),
            cell(f"{value},0 mg", "decimal comma"),
            cell(f"{value}.00 mg", "decimals"),
            *(_Cell(text, none, "no number") for text in ("#DIV/0!", "l0 mg", "1O mg", "Mar-24")),
            _Cell("", none, "blank"),
            _Cell("N/A", none, "placeholder"),
        ),
    )


def _price_cell(rng: random.Random) -> _Cell:
    price = Decimal(rng.randint(500, 9_999)) / 100
    large = price + 1_000
    rounded = price + Decimal("0.003")

    def cell(text: str, quirk: str = "plain", value: Decimal | None = price) -> _Cell:
        return _Cell(text, {"price": value}, quirk)

    french = f"{price:.2f}".replace(".", ",")
    return _pick(
        rng,
        cell(f"{price:.2f}"),
        (
            cell(f"${price:.2f}", "currency"),
            cell(f"${price:.2f} CAD", "currency"),
            cell(f"CA${price:.2f}", "currency"),
            cell(f"{french} $", "decimal comma"),
            cell(f"{french} $ CA", "decimal comma"),
            cell(f"{price:.2f}00", "decimals"),
            cell(f"{price:.2f}0000000000001", "binary noise"),
            cell(f"{rounded:f}7", "rounded", price.quantize(Decimal("0.01"))),
            cell(f"{large:,.2f}", "thousands", large),
            cell(f"{large:,.2f} $".replace(",", "\u202f").replace(".", ","), "thousands", large),
            cell(f"{large:,.2f} $".replace(",", "\u00a0").replace(".", ","), "thousands", large),
            *(cell(text, "no price", None) for text in ("call us", "0.00", "-5.00", "EUR 20.00")),
            cell("12.345", "ambiguous", None),
            cell("2 for 30.00", "no price", None),
        ),
    )


def _stock_cell(rng: random.Random) -> _Cell:
    def cell(text: str, in_stock: bool | None, quantity: int | None, quirk: str) -> _Cell:
        return _Cell(
            text,
            {
                "in_stock": in_stock,
                "stock_quantity": None if quantity is None else Decimal(quantity),
            },
            quirk,
        )

    quantity = rng.randint(1, 400)
    return _pick(
        rng,
        cell(str(quantity), True, quantity, "plain"),
        (
            cell("0", False, 0, "zero"),
            cell(f"{quantity}.0", True, quantity, "decimals"),
            cell("-2", False, 0, "negative"),
            *(
                cell(text, True, None, "word")
                for text in ("Limited", "Low", "VRAI", "en inventaire", "In Stock")
            ),
            *(cell(text, False, None, "word") for text in ("Out of stock", "épuisé", "FAUX")),
            cell(f"In Stock - {quantity}", True, quantity, "word and quantity"),
            *(cell(text, None, None, "unknown word") for text in ("soon", "ask us", "bientôt")),
            cell("", None, None, "blank"),
        ),
    )
