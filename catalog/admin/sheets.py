"""Products as spreadsheets: export to CSV and Excel, and import as corrections."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import transaction
from import_export import resources
from import_export.formats.base_formats import CSV, XLSX

from catalog.audiences import PRODUCT_FIELDS
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

FORMATS = [CSV, XLSX]
# Characters that start a formula in a spreadsheet. An apostrophe before one makes the cell a text;
# the import removes it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ID_FIELDS = ("id", "gtin", "sku")
_GTIN_LENGTH = 14


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

    def import_data(self, dataset: Any, dry_run: bool = False, **kwargs: Any) -> Any:
        """Import a whole sheet as one operation, or nothing of it."""
        for name in _ID_FIELDS:
            if dataset.headers and name not in dataset.headers:
                dataset.append_col([""] * len(dataset), header=name)
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

    def get_instance(self, _instance_loader: Any, row: Any) -> Product | None:
        """
        Return the product of a row; None for a new product.

        Raises ValidationError for an unknown id and for a GTIN or SKU of several products.
        """
        for name in _ID_FIELDS:
            value = str(row.get(name) or "").strip()
            if not value:
                continue
            if name == "gtin":
                value = value.zfill(_GTIN_LENGTH)
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

    def before_import_row(self, row: Any, **_kwargs: Any) -> None:
        """Remove the apostrophes that an export puts before formula characters."""
        for name, value in row.items():
            if isinstance(value, str) and value[:1] == "'" and value[1:2] in _FORMULA_STARTS:
                row[name] = value[1:]

    def after_init_instance(self, instance: Any, _new: bool, _row: Any, **_kwargs: Any) -> None:
        """Record the values of the product before the row is read."""
        self._before = {name: getattr(instance, name) for name in CORRECTABLE_FIELDS}

    def import_field(
        self, field: Any, instance: Any, row: Any, _is_m2m: bool = False, **_kwargs: Any
    ) -> None:
        """Read a cell into the product; empty cells are ignored."""
        name = field.column_name
        if name == "id" or name not in row or not str(row[name] or "").strip():
            return
        value = row[name]
        if name in LIST_FIELDS:
            value = [part.strip() for part in str(value).split(",") if part.strip()]
        try:
            validated = validate_corrections({name: value})
        except BadInput as error:
            raise ValidationError({name: error.reason}) from None
        setattr(instance, name, validated[name])

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

    def _changed_values(self, instance: Any) -> dict[str, Any]:
        values = {name: getattr(instance, name) for name in CORRECTABLE_FIELDS}
        return {name: value for name, value in values.items() if value != self._before[name]}

    def _save_changes(self, by: Any, reason: str) -> None:
        correct_products(changes=self._changes, by=by, reason=reason, kind=Operation.Kind.IMPORT)
        for values in self._new_products:
            create_product(values=values, by=by, reason=reason)
