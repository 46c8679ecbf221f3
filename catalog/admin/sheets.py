"""Products as spreadsheets: export to CSV and Excel, and import as corrections."""

import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

import tablib
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from import_export import resources
from import_export.formats.base_formats import CSV, XLSX

from catalog.audiences import PRODUCT_FIELDS
from catalog.ingest.cleaning.identifiers import read_gtin, read_sku
from catalog.ingest.headings import HEADINGS, match_headings
from catalog.ingest.import_rows import read_import_row
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.selectors.products import find_current_products, locked_fields
from catalog.services.corrections import (
    LIST_FIELDS,
    correct_products,
    create_product,
    validate_corrections,
)
from config.errors import BadInput
from mlops.audit.operations import operation
from mlops.models import Operation
from mlops.pipelines.connectors.sheets import IMPORT_LIMITS, SheetFormat, read_sheet

PROBLEM_HEADING = "problem of the row"
"""Heading of the column in which the reader states what is wrong with a row."""


class RecordFile:
    """Import of a file by the reader of lists, which detects its kind, encoding and delimiter."""

    def is_binary(self) -> bool:
        """Return True: the reader decodes the file."""
        return True

    def get_read_mode(self) -> str:
        """Return the mode in which the uploaded file is opened."""
        return "rb"

    def create_dataset(self, in_stream: bytes, **_kwargs: Any) -> tablib.Dataset:
        """Read a file. Raises SourceBroken with the reason and the line."""
        rows = list(read_sheet(io.BytesIO(in_stream), SheetFormat(), limits=IMPORT_LIMITS))
        headings = list(dict.fromkeys(heading for row in rows for heading in row.values))
        dataset = tablib.Dataset(headers=[*headings, PROBLEM_HEADING])
        for row in rows:
            cells = [row.values.get(heading, "") for heading in headings]
            dataset.append([*cells, row.defect or _problem_of_flags(row.flags)])
        return dataset


class CsvFile(RecordFile, CSV):
    """CSV, imported in any encoding and with any delimiter."""


class ExcelFile(RecordFile, XLSX):
    """Excel, imported with the number formats of its cells."""


FORMATS = [CsvFile, ExcelFile]
# Characters that start a formula in a spreadsheet. An apostrophe before one makes the cell a text;
# the import removes it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ID_FIELDS = ("id", "gtin", "sku")
_IDENTIFIER_READERS = {"gtin": read_gtin, "sku": read_sku}


class ProductResource(resources.ModelResource):
    """
    One row per product, identified by id, else GTIN, else SKU; rows without any are new products.

    Empty cells change nothing; locked fields are skipped (see `skipped`).
    """

    audiences: ClassVar = {name: PRODUCT_FIELDS[name] for name in ("id", *CORRECTABLE_FIELDS)}

    class Meta:
        model = Product
        fields = ("id", *CORRECTABLE_FIELDS)
        import_id_fields = ("id",)
        skip_unchanged = True
        report_skipped = False
        use_transactions = True

    def __init__(self, **kwargs: Any) -> None:
        """Start without changes."""
        super().__init__(**kwargs)
        # Product id and name of each locked field that would have changed.
        self.skipped: list[Any] = []
        self._changes: dict[Any, dict[str, Any]] = {}
        self._new_products: list[dict[str, Any]] = []
        # Values of the current row's product before the row is read.
        self._before: dict[str, Any] = {}
        # Number of the row that has an identifier.
        self._row_numbers: dict[tuple[str, str], int] = {}
        self._row_number = 0
        self._is_preview = False

    def import_data(self, dataset: Any, dry_run: bool = False, **kwargs: Any) -> Any:
        """Import a whole sheet as one operation, or nothing of it."""
        self._is_preview = dry_run
        user = kwargs.get("user")
        reason = f"import of {kwargs.get('file_name') or 'a file'}"
        with transaction.atomic():
            with operation(Operation.Kind.IMPORT, actor=user, reason=reason):
                result = super().import_data(dataset, dry_run=dry_run, **kwargs)
                is_valid = not (result.has_errors() or result.has_validation_errors())
                is_saved = is_valid and not dry_run
                if is_saved:
                    self._save_changes(user, reason)
            if not is_saved:
                transaction.set_rollback(True)
        return result

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """
        Replace headings by the fields that they name, and report unknown ones to the person.

        Raises BadInput when no heading is known.
        """
        headings = [heading or "" for heading in dataset.headers or []]
        matched = match_headings(name for name in headings if name != PROBLEM_HEADING)
        if not matched.fields:
            raise BadInput(
                "headings",
                f"none of {', '.join(matched.unknown) or 'the columns'} is known; known are "
                f"{', '.join(HEADINGS)}, in English or French",
            )
        dataset.headers = [matched.fields.get(name, name) for name in headings]
        for name in _ID_FIELDS:
            if name not in dataset.headers:
                dataset.append_col([""] * len(dataset), header=name)
        request = kwargs.get("request")
        if matched.unknown and self._is_preview and request is not None:
            names = ", ".join(matched.unknown)
            messages.warning(request, f"These columns are not known and are ignored: {names}.")

    def get_instance(self, _instance_loader: Any, row: Any) -> Product | None:
        """
        Return the product of a row; None for a new product.

        Raises ValidationError for an unknown id and for a GTIN or SKU of several products.
        """
        for name in _ID_FIELDS:
            value = str(row.get(name) or "").strip()
            if not value:
                continue
            if name in _IDENTIFIER_READERS:
                value = _read_identifier(name, value)
            self._check_repeated(name, value)
            try:
                matches = find_current_products(field=name, value=value)
            except (ValidationError, ValueError):
                raise ValidationError({name: f"{value} is not a valid id."}) from None
            if len(matches) > 1:
                raise ValidationError(
                    {name: f"Several products have the value {value}; give an id."}
                )
            if matches:
                return matches[0]
            if name == "id":
                raise ValidationError({name: f"Product {value} not found."})
        return None

    def before_import_row(self, row: Any, row_number: int = 0, **_kwargs: Any) -> None:
        """Refuse rows that do not fit the columns; remove the apostrophes before formulas."""
        self._row_number = row_number
        if problem := row.get(PROBLEM_HEADING):
            raise ValidationError(problem)
        for name, value in row.items():
            if isinstance(value, str) and value[:1] == "'" and value[1:2] in _FORMULA_STARTS:
                row[name] = value[1:]

    def after_init_instance(self, instance: Any, _new: bool, _row: Any, **_kwargs: Any) -> None:
        """Record the values of the product before the row is read."""
        self._before = {name: getattr(instance, name) for name in CORRECTABLE_FIELDS}

    def import_instance(self, instance: Any, row: Any, **_kwargs: Any) -> None:
        """Read a row into the product; cells that are empty or equal to it change nothing."""
        shown = {name: _cell_of(value) for name, value in self._before.items()}
        texts = {name: str(cell) for name, cell in row.items() if cell is not None}
        changed = {
            name: text
            for name, text in texts.items()
            if name in HEADINGS and text.strip() != shown.get(name)
        }
        imported = read_import_row(changed, current=self._before)
        errors = dict(imported.errors)
        for name, value in imported.values.items():
            try:
                validated = validate_corrections({name: _split_list(name, value)})
            except BadInput as error:
                errors[name] = error.reason
            else:
                setattr(instance, name, validated[name])
        if errors:
            raise ValidationError(errors)

    def validate_instance(
        self, instance: Any, import_validation_errors: Any = None, _validate_unique: bool = True
    ) -> None:
        """Validate the values of a row together."""
        if import_validation_errors:
            raise ValidationError(import_validation_errors)
        if not instance.name:
            raise ValidationError({"name": "A new product needs a name."})
        try:
            validate_corrections(self._changed_values(instance))
        except BadInput as error:
            raise ValidationError({error.field: error.reason}) from None

    def save_instance(self, instance: Any, is_create: bool, _row: Any, **_kwargs: Any) -> None:
        """Collect the changes of a row; all rows are written together at the end."""
        if is_create:
            self._new_products.append(self._changed_values(instance))
            return
        locked = locked_fields(instance)
        for name in locked & set(CORRECTABLE_FIELDS):
            if getattr(instance, name) != self._before[name]:
                self.skipped.append((instance.pk, name))
                setattr(instance, name, self._before[name])
        self._changes[instance.pk] = self._changed_values(instance)

    def dehydrate_id(self, product: Any) -> str:
        """Return the id; empty for a product that is not saved yet."""
        return "" if product._state.adding else str(product.pk)

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        """Return a value that no spreadsheet reads as a formula."""
        value = super().export_field(field, instance, **kwargs)
        if field.column_name in LIST_FIELDS:
            value = ", ".join(getattr(instance, field.column_name) or ())
        is_formula = isinstance(value, str) and value.startswith(_FORMULA_STARTS)
        return f"'{value}" if is_formula else value

    def _check_repeated(self, name: str, value: str) -> None:
        """Raise ValidationError when an earlier row has the same identifier."""
        first = self._row_numbers.setdefault((name, value), self._row_number)
        if first != self._row_number:
            raise ValidationError(
                {name: f"{value} stands in row {first} and again in row {self._row_number}."}
            )

    def _changed_values(self, instance: Any) -> dict[str, Any]:
        values = {name: getattr(instance, name) for name in CORRECTABLE_FIELDS}
        return {name: value for name, value in values.items() if value != self._before[name]}

    def _save_changes(self, by: Any, reason: str) -> None:
        correct_products(changes=self._changes, by=by, reason=reason, kind=Operation.Kind.IMPORT)
        for values in self._new_products:
            create_product(values=values, by=by, reason=reason)


def _problem_of_flags(flags: Sequence[str]) -> str:
    """Return why a row is refused whose letters are garbled."""
    is_garbled = "text_garbled" in flags
    return "The letters of the row are garbled; save the file as UTF-8." if is_garbled else ""


def _split_list(name: str, value: Any) -> Any:
    """Return the items of a list field; any other value as it is."""
    if name not in LIST_FIELDS:
        return value
    return [part.strip() for part in str(value).split(",") if part.strip()]


def _read_identifier(name: str, text: str) -> str:
    """Return an identifier in its one spelling. Raises ValidationError: it identifies nothing."""
    reading = _IDENTIFIER_READERS[name](text)
    if reading.value is None or reading.problem:
        raise ValidationError({name: f"{text} {reading.reason or 'is blank'}."})
    return reading.value


def _cell_of(value: Any) -> str:
    """Return a stored value as the export writes it."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "" if value is None else str(value)
