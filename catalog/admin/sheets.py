"""Products as sheets: out to CSV and Excel, and back in as a person's corrections."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import transaction
from import_export import resources
from import_export.formats.base_formats import CSV, XLSX

from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE
from catalog.services.corrections import checked, correct_products, create_product
from config.errors import BadInput
from mlops.audit.operations import operation
from mlops.models import Operation

FORMATS = [CSV, XLSX]
# What a spreadsheet would take for a formula. A quote before it makes it a text; on the way in it is taken off again.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LISTS = ("terpenes", "lineage", "effects")


class ProductResource(resources.ModelResource):
    """A row a product, found by id, else GTIN, else SKU; an empty cell erases nothing, locked fields are left alone."""

    audiences: ClassVar = {name: PRODUCT_FIELDS[name] for name in ("id", *CORRECTABLE)}

    class Meta:
        model = Product
        fields = ("id", *CORRECTABLE)
        import_id_fields = ("id",)
        skip_unchanged = True
        report_skipped = False
        use_transactions = True

    def __init__(self, **kwargs: Any) -> None:
        """Begin with nothing told."""
        super().__init__(**kwargs)
        self.kept: list[Any] = []
        self._told: dict[Any, dict[str, Any]] = {}
        self._new: list[dict[str, Any]] = []
        self._before: dict[str, Any] = {}

    def import_data(self, dataset: Any, dry_run: bool = False, **kwargs: Any) -> Any:
        """Import all of a sheet as one operation, or none of it."""
        for name in ("id", "gtin", "sku"):
            if dataset.headers and name not in dataset.headers:
                dataset.append_col([""] * len(dataset), header=name)
        with transaction.atomic():
            reason = f"import of {kwargs.get('file_name') or 'a file'}"
            with operation(Operation.Kind.IMPORT, actor=kwargs.get("user"), reason=reason):
                result = super().import_data(dataset, dry_run=dry_run, **kwargs)
                is_kept = not (dry_run or result.has_errors() or result.has_validation_errors())
                if is_kept:
                    self._apply(kwargs.get("user"), reason)
            if not is_kept:
                transaction.set_rollback(True)
        return result

    def get_instance(self, instance_loader: Any, row: Any) -> Product | None:
        """Find the product that a row means."""
        for name in ("id", "gtin", "sku"):
            if value := str(row.get(name) or "").strip():
                if name == "gtin":
                    value = value.zfill(14)
                try:
                    found = (
                        Product.objects.current()
                        .defer("search_document")
                        .filter(**{name: value})[:2]
                    )
                except (ValidationError, ValueError):
                    raise ValidationError({name: f"{value} is not an id."}) from None
                if len(found) > 1:
                    raise ValidationError(
                        {name: f"{value} is that of more than one product; give its id."}
                    )
                if found:
                    return found[0]
                if name == "id":
                    raise ValidationError({name: f"There is no product {value}."})
        return None

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        """Take off the quotes that an export has put before what looks like a formula."""
        for name, value in row.items():
            if isinstance(value, str) and value[:1] == "'" and value[1:2] in _FORMULA:
                row[name] = value[1:]

    def after_init_instance(self, instance: Any, new: bool, row: Any, **kwargs: Any) -> None:
        """Note what the product has."""
        self._before = {name: getattr(instance, name) for name in CORRECTABLE}

    def import_field(
        self, field: Any, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any
    ) -> None:
        """Take what a cell says; an empty one says nothing."""
        if (
            field.column_name in row
            and str(row[field.column_name] or "").strip()
            and field.column_name != "id"
        ):
            value = row[field.column_name]
            if field.column_name in _LISTS:
                value = [part.strip() for part in str(value).split(",") if part.strip()]
            try:
                clean = checked({field.column_name: value})
            except BadInput as error:
                raise ValidationError({field.column_name: error.reason}) from None
            setattr(instance, field.column_name, clean[field.column_name])

    def validate_instance(
        self, instance: Any, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        """Hold the row's values against each other."""
        if import_validation_errors:
            raise ValidationError(import_validation_errors)
        if not instance.name:
            raise ValidationError({"name": "A product that is not there yet needs a name."})
        try:
            checked(self._changed(instance))
        except BadInput as error:
            raise ValidationError({error.field: error.reason}) from None

    def save_instance(self, instance: Any, is_create: bool, row: Any, **kwargs: Any) -> None:
        """Note what is to be written; all is written together."""
        if is_create:
            self._new.append(self._changed(instance))
        else:
            locked = set(instance.locks.values_list("field", flat=True))
            for name in locked & set(CORRECTABLE):
                if getattr(instance, name) != self._before[name]:
                    self.kept.append((instance.pk, name))
                    setattr(instance, name, self._before[name])
            self._told[instance.pk] = self._changed(instance)

    def dehydrate_id(self, product: Any) -> str:
        """Write nothing for what is not there yet."""
        return "" if product._state.adding else str(product.pk)

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        """Write a value so that no spreadsheet takes it for a formula."""
        value = super().export_field(field, instance, **kwargs)
        if field.column_name in _LISTS:
            value = ", ".join(getattr(instance, field.column_name) or ())
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

    def _changed(self, instance: Any) -> dict[str, Any]:
        now = {name: getattr(instance, name) for name in CORRECTABLE}
        return {name: value for name, value in now.items() if value != self._before[name]}

    def _apply(self, by: Any, reason: str) -> None:
        correct_products(changes=self._told, by=by, reason=reason, kind=Operation.Kind.IMPORT)
        for values in self._new:
            create_product(values=values, by=by, reason=reason)
