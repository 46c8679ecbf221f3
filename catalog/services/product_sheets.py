"""Product sheets of staff: which product each row means, and what it would change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, BinaryIO
from uuid import UUID

from catalog.ingest.cleaning.identifiers import read_gtin, read_sku
from catalog.ingest.headings import HEADINGS, match_headings
from catalog.ingest.import_rows import read_import_row
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.selectors.product_fields import field_text
from catalog.selectors.products import current_products_by, locked_fields_by_product
from catalog.services.corrections import LIST_FIELDS, terpene_warnings, validate_corrections
from config.errors import BadInput
from mlops.pipelines.connectors.sheets import IMPORT_LIMITS, SheetFormat, SheetRow, read_sheet

ROWS_PER_BATCH = 500
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""
Characters that start a formula in a spreadsheet.

The export puts an apostrophe before one, which makes the cell a text; the import removes it.
"""
_IDENTIFIER_READERS = {"gtin": read_gtin, "sku": read_sku}
_ID_FIELDS = ("id", "gtin", "sku")
_ROW = "row"


@dataclass(slots=True)
class RowPlan:
    """
    A row of a sheet: its product and what it would change.

    line: of the file. product: None for a new one. values: new values by field, of fields that are
    not locked. skipped: locked fields that would have changed. warnings: by field, of values that
    are imported all the same. errors: reason by field, "row" for the row itself.
    """

    line: int
    product: Product | None = None
    values: dict[str, Any] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the product: the existing one, else the new one."""
        return self.product.name if self.product else str(self.values.get("name", ""))

    @property
    def is_new(self) -> bool:
        """Whether the row creates a product."""
        return self.product is None and not self.errors

    def changes(self) -> dict[str, tuple[str, str]]:
        """Return current and new value of each changed field as text."""
        return {
            name: (
                field_text(getattr(self.product, name)) if self.product else "",
                field_text(value),
            )
            for name, value in self.values.items()
        }


@dataclass(slots=True)
class SheetPlan:
    """Rows of a sheet that state something, and the headings that name no field."""

    rows: list[RowPlan]
    unknown_headings: list[str]


def plan_sheet(
    file: BinaryIO,
    *,
    may_add: bool,
    on_progress: Callable[[int, int], None] = lambda _read, _count: None,
) -> SheetPlan:
    """
    Return what a sheet would change; nothing is written.

    may_add: whether new products are allowed; a row of one has an error otherwise. on_progress:
    called with the numbers of rows planned and in total. Five queries per 500 rows. Raises
    SourceBroken for a file that cannot be read, BadInput when no heading is known.
    """
    rows = list(read_sheet(file, SheetFormat(), limits=IMPORT_LIMITS))
    headings = list(dict.fromkeys(heading for row in rows for heading in row.values))
    matched = match_headings(headings)
    if not matched.fields:
        unknown = ", ".join(matched.unknown)
        raise BadInput(
            "headings",
            f"none of {unknown} is known; known are {', '.join(HEADINGS)}, in English or French"
            if unknown
            else "the file has no rows",
        )
    planner = _Planner(matched.fields, may_add=may_add)
    plans: list[RowPlan] = []
    on_progress(0, len(rows))
    for start in range(0, len(rows), ROWS_PER_BATCH):
        plans += planner.plan(rows[start : start + ROWS_PER_BATCH])
        on_progress(len(plans), len(rows))
    return SheetPlan(plans, matched.unknown)


@dataclass(slots=True)
class _Cells:
    """The cells of a row by field, and its identifiers in their one spelling."""

    plan: RowPlan
    texts: dict[str, str]
    identifiers: dict[str, str]


class _Planner:
    """Plans rows batch by batch; remembers identifiers and products of earlier rows."""

    def __init__(self, fields_by_heading: Mapping[str, str], *, may_add: bool) -> None:
        self._fields_by_heading = fields_by_heading
        self._may_add = may_add
        # Line of the row that has an identifier, or means a product.
        self._line_by_identifier: dict[tuple[str, str], int] = {}
        self._line_by_product: dict[UUID, int] = {}

    def plan(self, rows: Sequence[SheetRow]) -> list[RowPlan]:
        """Return the plans of some rows, in their order."""
        cells_by_row = [self._read_cells(row) for row in rows]
        products = _products_by_identifier(cells_by_row)
        for cells in cells_by_row:
            if not cells.plan.errors:
                self._find_product(cells, products)
        found = [cells.plan.product for cells in cells_by_row if cells.plan.product]
        locked = locked_fields_by_product(product.pk for product in found)
        for cells in cells_by_row:
            if not cells.plan.errors:
                self._read_values(cells, products, locked)
        return [cells.plan for cells in cells_by_row]

    def _read_cells(self, row: SheetRow) -> _Cells:
        plan = RowPlan(row.line)
        texts = {
            self._fields_by_heading[heading]: _without_apostrophe(text).strip()
            for heading, text in row.values.items()
            if heading in self._fields_by_heading
        }
        if row.defect:
            plan.errors[_ROW] = row.defect
        elif "text_garbled" in row.flags:
            plan.errors[_ROW] = "the letters of the row are garbled; save the file as UTF-8"
        identifiers = {}
        # The first identifier of a row says which product it means; others are its values.
        name = next((name for name in _ID_FIELDS if texts.get(name)), "")
        if name and not plan.errors:
            identifier = _read_identifier(name, texts[name], plan)
            if identifier:
                identifiers[name] = identifier
                self._check_repeated(name, identifier, plan)
        return _Cells(plan, texts, identifiers)

    def _check_repeated(self, name: str, identifier: str, plan: RowPlan) -> None:
        first = self._line_by_identifier.setdefault((name, identifier), plan.line)
        if first != plan.line:
            plan.errors[name] = f"{identifier} stands in line {first} and again in line {plan.line}"

    def _find_product(self, cells: _Cells, products: "_ProductsByIdentifier") -> None:
        """Set the product that the identifier of a row means; none: the row is a new product."""
        plan = cells.plan
        for name, identifier in cells.identifiers.items():
            matches = products.get((name, identifier), [])
            if len(matches) > 1:
                plan.errors[name] = f"several products have the value {identifier}; give an id"
            elif matches:
                plan.product = matches[0]
                first = self._line_by_product.setdefault(matches[0].pk, plan.line)
                if first != plan.line:
                    plan.errors[name] = f"{matches[0].name} stands in line {first} already"
            elif name == "id":
                plan.errors[name] = f"product {identifier} not found"

    def _read_values(
        self,
        cells: _Cells,
        products: "_ProductsByIdentifier",
        locked: Mapping[UUID, set[str]],
    ) -> None:
        """Read the cells that differ from the product; empty cells change nothing."""
        plan = cells.plan
        product = plan.product or Product()
        current = {name: getattr(product, name) for name in CORRECTABLE_FIELDS}
        changed = {
            name: text
            for name, text in cells.texts.items()
            if name in HEADINGS and text != _exported_text(current.get(name))
        }
        imported = read_import_row(changed, current=current)
        plan.errors |= imported.errors
        for name, value in imported.values.items():
            try:
                validated = validate_corrections({name: _split_list(name, value)})[name]
            except BadInput as error:
                plan.errors[name] = error.reason
                continue
            if validated != current[name]:
                plan.values[name] = validated
        for name in sorted(set(plan.values) & locked.get(product.pk, set())):
            del plan.values[name]
            plan.skipped.append(name)
        self._validate(plan, products)

    def _validate(self, plan: RowPlan, products: "_ProductsByIdentifier") -> None:
        """Check the values of a row together, and whether it may create a product."""
        if not plan.errors:
            try:
                validate_corrections(plan.values)
            except BadInput as error:
                plan.errors[error.field] = error.reason
        if warnings := terpene_warnings(plan.values.get("terpenes", ())):
            plan.warnings["terpenes"] = "; ".join(warnings)
        gtin = plan.values.get("gtin")
        if gtin:
            self._check_repeated("gtin", gtin, plan)
        for owner in products.get(("gtin", gtin), []) if gtin else []:
            if owner != plan.product:
                plan.errors["gtin"] = f"{gtin} belongs to {owner.name}"
        if plan.product is None and not plan.values.get("name"):
            plan.errors.setdefault("name", "a new product needs a name")
        if plan.product is None and not self._may_add:
            plan.errors[_ROW] = (
                "the product is new, which needs the permission to add products; "
                "give the id, GTIN or SKU of an existing product"
            )


_ProductsByIdentifier = dict[tuple[str, str], list[Product]]


def _products_by_identifier(cells_by_row: Iterable[_Cells]) -> _ProductsByIdentifier:
    """Return the current products that rows mean, and those that have a GTIN of a row."""
    wanted: dict[str, set[str]] = {name: set() for name in _ID_FIELDS}
    for cells in cells_by_row:
        for name, identifier in cells.identifiers.items():
            wanted[name].add(identifier)
        gtin = read_gtin(cells.texts.get("gtin", ""))
        if gtin.value and not gtin.problem:
            wanted["gtin"].add(gtin.value)
    return {
        (name, value): products
        for name, values in wanted.items()
        for value, products in current_products_by(name, values).items()
    }


def _read_identifier(name: str, text: str, plan: RowPlan) -> str:
    """Return an identifier in its one spelling; "" with an error when it identifies nothing."""
    if name == "id":
        try:
            return str(UUID(text))
        except ValueError:
            plan.errors[name] = f"{text} is not a valid id"
            return ""
    reading = _IDENTIFIER_READERS[name](text)
    if reading.value is None or reading.problem:
        plan.errors[name] = f"{text} {reading.reason or 'is blank'}"
        return ""
    return reading.value


def guard_formula(value: Any) -> Any:
    """
    Return a value that no spreadsheet reads as a formula, and that the import reads back unchanged.

    A text that itself begins with apostrophes before such a character has one more.
    """
    return f"'{value}" if isinstance(value, str) and _is_formula(value) else value


def _without_apostrophe(text: str) -> str:
    """Return a text as it was before `guard_formula`."""
    return text[1:] if text.startswith("'") and _is_formula(text) else text


def _is_formula(text: str) -> bool:
    return text.lstrip("'").startswith(_FORMULA_STARTS)


def _split_list(name: str, value: Any) -> Any:
    """Return the items of a list field; any other value as it is."""
    if name not in LIST_FIELDS:
        return value
    return [part.strip() for part in str(value).split(",") if part.strip()]


def _exported_text(value: Any) -> str:
    """Return a stored value as the export writes it."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)
