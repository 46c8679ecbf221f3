"""Corrections of products by staff and clients: values, locks and operations."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, get_args
from uuid import UUID, uuid4

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import DecimalField, Field, IntegerField, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from catalog.ingest.cleaning.identifiers import read_gtin, read_sku
from catalog.ingest.records import PotencyUnit
from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product, ProductLock, ReviewItem
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.reference.terpenes import suggest_terpenes, terpene_key
from catalog.selectors.field_merge import source_values_sql
from catalog.selectors.products import find_gtin_owner, locked_fields_by_product
from catalog.services import review_items
from catalog.services.merging import (
    MATCHING_FIELDS,
    SEARCHABLE_FIELDS,
    lock_products,
    merge_products,
    update_search_documents,
)
from config.errors import BadInput
from mlops.audit.operations import operation
from mlops.models import Operation
from mlops.quality.rules import blocking_violations

Kind = Operation.Kind
Values = Mapping[str, Any]
STAFF_SOURCE = "staff"
LIST_FIELDS = ("terpenes", "lineage", "effects")
_SOURCE_FIELDS = {"terpenes": "terpene_source", "effects": "effects_source"}
"""List fields with the field that names the source of the list."""
_POSITIVE_FIELDS = ("price", "weight_grams", "volume_ml", "unit_count")
_NON_NEGATIVE_FIELDS = ("thc_mg", "cbd_mg", "dried_equivalent_grams")
_CHOICES = {
    "category": set(CATEGORIES.values()),
    "strain_type": set(STRAIN_TYPES.values()),
    "mg_basis": set(get_args(PotencyUnit)) - {"percent"},
}
_MAX_PERCENTAGE = 100
_ROWS_PER_INSERT = 1_000
_IDENTIFIER_READERS = {"gtin": read_gtin, "sku": read_sku}
_BINARY_NOISE = Decimal("1e-6")
# Also characters of no width, those that turn the direction of a text, and halves of characters.
_CONTROL_CHARACTER = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@dataclass(slots=True)
class CorrectionResult:
    """
    Result of a correction.

    changed: ids of the changed products. skipped: product id and name of each locked field that
    would have changed and was left as it is.
    """

    operation: Operation | None = None
    changed: list[UUID] = field(default_factory=list)
    skipped: list[tuple[UUID, str]] = field(default_factory=list)


def correct_products(  # noqa: PLR0913  # keyword-only, each independent
    *,
    changes: Mapping[UUID, Values],
    by: AbstractBaseUser,
    reason: str = "",
    kind: Operation.Kind = Kind.EDIT,
    review_by: date | None = None,
    override_locks: bool = False,
) -> CorrectionResult:
    """
    Write values entered by a person and lock their fields, in one operation.

    Fields that are locked already are skipped unless locks are overridden. Values that a product
    has already are locked, but not written. Raises BadInput naming the field. Safe to repeat.
    """
    values_by_product = _validate_changes(changes)
    result = CorrectionResult()
    with operation(kind, actor=by, reason=reason) as recorded, connection.cursor() as cursor:
        result.operation = recorded
        lock_products(cursor)
        if not override_locks:
            values_by_product = _skip_locked_fields(values_by_product, result)
        values_by_product = _add_derived_values(values_by_product)
        result.changed = _write(cursor, values_by_product, is_correction=True)
        _lock(cursor, values_by_product, by=by, reason=reason, review_by=review_by)
    return result


def update_products(
    *,
    changes: Mapping[UUID, Values],
    by: AbstractBaseUser | None,
    client: str = "",
    reason: str = "",
    kind: Operation.Kind = Kind.EDIT,
) -> CorrectionResult:
    """Write values without locking their fields; locked fields are skipped. Raises BadInput."""
    values_by_product = _validate_changes(changes)
    result = CorrectionResult()
    with (
        operation(kind, actor=by, client=client, reason=reason) as recorded,
        connection.cursor() as cursor,
    ):
        result.operation = recorded
        lock_products(cursor)
        values_by_product = _skip_locked_fields(values_by_product, result)
        values_by_product = _add_derived_values(values_by_product)
        result.changed = _write(cursor, values_by_product, is_correction=False)
    return result


def lock_product(pk: UUID) -> Product:
    """Return a product, locked until the end of the transaction. Raises Product.DoesNotExist."""
    return Product.objects.select_for_update().defer("search_document").get(pk=pk)


def create_product(
    *, values: Values, by: AbstractBaseUser | None, client: str = "", reason: str = ""
) -> Product:
    """
    Create a product that no source lists; its fields are locked when a person creates it.

    Raises BadInput when a value is invalid or the GTIN belongs to another product.
    """
    (product,) = create_products(rows=[values], by=by, client=client, reason=reason)
    return product


def create_products(
    *,
    rows: Sequence[Values],
    by: AbstractBaseUser | None,
    client: str = "",
    reason: str = "",
) -> list[Product]:
    """
    Create products that no source lists, in one operation; a person's are locked.

    Raises BadInput when a value is invalid or a GTIN belongs to another product, of the rows or
    stored.
    """
    validated = [_validate_new_product(values) for values in rows]
    _check_new_gtins([values["gtin"] for values in validated if values.get("gtin")])
    with (
        operation(Kind.EDIT, actor=by, client=client, reason=reason),
        connection.cursor() as cursor,
    ):
        lock_products(cursor)
        products = Product.objects.bulk_create(
            [_new_product(values) for values in validated], batch_size=_ROWS_PER_INSERT
        )
        if by:
            values_by_product = {
                product.pk: values for product, values in zip(products, validated, strict=True)
            }
            _lock(cursor, values_by_product, by=by, reason=reason, review_by=None)
        update_search_documents(cursor, [product.merge_key for product in products])
    return products


def _validate_new_product(values: Values) -> dict[str, Any]:
    validated = validate_corrections(values)
    if not validated.get("name"):
        raise BadInput("name", gettext("is required"))
    return validated


def _check_new_gtins(gtins: Sequence[str]) -> None:
    """Raise BadInput when a GTIN stands twice or belongs to a stored product."""
    existing = Product.objects.filter(gtin__in=gtins).first()
    if existing:
        raise BadInput(
            "gtin",
            gettext("belongs to %(name)s (%(pk)s) already; correct that instead")
            % {"name": existing.name, "pk": existing.pk},
        )
    if repeated := [gtin for gtin, count in Counter(gtins).items() if count > 1]:
        raise BadInput(
            "gtin", gettext("%(repeated)s is given to several products") % {"repeated": repeated[0]}
        )


def _new_product(values: Values) -> Product:
    gtin = values.get("gtin")
    merge_key = f"gtin:{gtin}" if gtin else f"{STAFF_SOURCE}:{uuid4()}"
    return Product(id=uuid4(), **values, source=STAFF_SOURCE, merge_key=merge_key)


def lock_fields(
    *,
    products: QuerySet[Product],
    fields: Iterable[str],
    by: AbstractBaseUser,
    reason: str,
    review_by: date | None = None,
) -> Operation:
    """Lock fields of products with their current values."""
    with (
        operation(Kind.BULK_EDIT, actor=by, reason=reason) as recorded,
        connection.cursor() as cursor,
    ):
        locks = {pk: dict.fromkeys(fields) for pk in products.values_list("pk", flat=True)}
        _lock(cursor, locks, by=by, reason=reason, review_by=review_by)
    return recorded


def unlock_fields(
    *, product: Product, fields: Iterable[str], by: AbstractBaseUser, reason: str = ""
) -> None:
    """Unlock fields of a product; the current values of its sources apply at once."""
    names = list(fields)
    with operation(Kind.EDIT, actor=by, reason=reason), connection.cursor() as cursor:
        lock_products(cursor)
        ProductLock.objects.filter(product=product, field__in=names).delete()
        review_items.close_items_of_fields(product_ids=[product.pk], fields=names, by=by)
        merge_products(cursor, [product.merge_key])


def accept_source_value(*, item: ReviewItem, by: AbstractBaseUser) -> None:
    """Replace a locked value by the source's current value; the field stays locked."""
    values = {item.field: item.current_source_value}
    with operation(Kind.REVIEW, actor=by, reason=f"{item.source} changed it"):
        review_items.close_item(item, ReviewItem.Outcome.ACCEPTED, by)
        correct_products(
            changes={item.product_id: values},
            by=by,
            reason=f"accepted from {item.source}",
            override_locks=True,
        )


def confirm_other_product(*, item: ReviewItem, by: AbstractBaseUser) -> None:
    """Close an item about a product's identity: it is another product, without former facts."""
    with operation(Kind.REVIEW, actor=by, reason=f"{item.source} reused the identifier"):
        review_items.close_item(item, ReviewItem.Outcome.ACCEPTED, by)


def restore_former_facts(*, item: ReviewItem, by: AbstractBaseUser) -> None:
    """Close an item about a product's identity: it is the same product; lost facts return."""
    with operation(Kind.REVIEW, actor=by, reason=f"{item.source} lists the same product"):
        product = Product.objects.get(pk=item.product_id)
        former_facts = item.previous_source_value or {}
        lost_facts = {
            name: former_facts[name]
            for name in CORRECTABLE_FIELDS
            if getattr(product, name) in (None, "", []) and former_facts.get(name)
        }
        update_products(changes={product.pk: lost_facts}, by=by)
        review_items.close_item(item, ReviewItem.Outcome.REJECTED, by)


def locks_due_for_review() -> QuerySet[ProductLock]:
    """Return the locks whose review date is today or earlier."""
    return ProductLock.objects.filter(review_by__lte=timezone.localdate())


def product_field(name: str) -> Field:
    """Return the model field of a product with a name."""
    return next(column for column in Product._meta.fields if column.name == name)


def validate_corrections(values: Values) -> dict[str, Any]:
    """Return values converted to the types of their columns; raises BadInput naming the field."""
    validated: dict[str, Any] = {}
    for name, value in values.items():
        if name not in CORRECTABLE_FIELDS and name not in _SOURCE_FIELDS.values():
            raise BadInput(name, gettext("is not a field that can be corrected"))
        validated[name] = _validate_value(name, value)
    for kind in ("thc", "cbd"):
        low = validated.get(f"{kind}_percentage_low")
        high = validated.get(f"{kind}_percentage_high")
        if low is not None and high is not None and low > high:
            raise BadInput(f"{kind}_percentage_low", gettext("must not be above the upper end"))
    return validated


def check_identifiers(values: Values, *, product_ids: Sequence[UUID]) -> None:
    """
    Check that identifiers which are to be given to products identify only one of them.

    product_ids: the products that get the values; empty for a new one. Raises BadInput: several
    products would get one GTIN or SKU, or another product has the GTIN.
    """
    if len(product_ids) > 1:
        for name in _IDENTIFIER_READERS:
            if values.get(name):
                raise BadInput(
                    name,
                    gettext("cannot be the same for %(count)s products")
                    % {"count": len(product_ids)},
                )
    gtin = values.get("gtin")
    owner = find_gtin_owner(gtin, other_than=product_ids) if gtin else None
    if owner:
        raise BadInput(
            "gtin",
            gettext("belongs to %(name)s (%(pk)s); merge the two instead")
            % {"name": owner.name, "pk": owner.pk},
        )


def terpene_warnings(names: Iterable[str]) -> list[str]:
    """Return a warning for each terpene that is unknown, with those that are spelled like it."""
    warnings = []
    for name in names:
        if terpene_key(name) is None:
            similar = suggest_terpenes(name)
            hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
            warnings.append(f"{name!r} is no known terpene{hint}")
    return warnings


def _validate_value(name: str, value: Any) -> Any:
    column = product_field(name)
    if value in ("", None):
        if name in LIST_FIELDS:
            return []
        if not column.null:
            raise BadInput(name, gettext("is required"))
        return None
    value = _check_type(name, value, column)
    if name in _IDENTIFIER_READERS:
        value = _check_identifier(name, str(value))
    if isinstance(column, DecimalField):
        value = _without_binary_noise(value, column)
    try:
        value = column.clean(value, None)
    except ValidationError as error:
        raise BadInput(name, " ".join(error.messages)) from None
    texts = value if name in LIST_FIELDS else [value]
    if any(_CONTROL_CHARACTER.search(text) for text in texts if isinstance(text, str)):
        raise BadInput(name, gettext("must be one line without tabs or other control characters"))
    if name == "terpenes":
        value = list(dict.fromkeys(terpene_key(terpene) or terpene for terpene in value))
    is_percentage = name.startswith(("thc_percentage", "cbd_percentage"))
    if is_percentage and not 0 <= value <= _MAX_PERCENTAGE:
        raise BadInput(
            name, gettext("must be from 0 to %(maximum)s") % {"maximum": _MAX_PERCENTAGE}
        )
    if name in _POSITIVE_FIELDS and value <= 0:
        raise BadInput(name, gettext("must be more than 0"))
    if name in _NON_NEGATIVE_FIELDS and value < 0:
        raise BadInput(name, gettext("must not be less than 0"))
    if name in _CHOICES and value not in _CHOICES[name]:
        raise BadInput(
            name,
            gettext("must be one of %(choices)s") % {"choices": ", ".join(sorted(_CHOICES[name]))},
        )
    return value


def _check_type(name: str, value: Any, column: Field) -> Any:
    """
    Return a value of the JSON type of its field; text without surrounding spaces.

    Identifiers may be whole numbers. Raises BadInput: nothing is converted that would change it,
    such as 2.5 to 2, true to 1 or a list to text.
    """
    if name in LIST_FIELDS:
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise BadInput(name, gettext("must be a list of texts"))
        return [text.strip() for text in value]
    if isinstance(column, DecimalField):
        if isinstance(value, bool):
            raise BadInput(name, gettext("must be a number"))
        return value
    if isinstance(column, IntegerField):
        is_broken = isinstance(value, float) and not value.is_integer()
        if isinstance(value, bool) or is_broken:
            raise BadInput(name, gettext("must be a whole number"))
        return value
    is_code = name in _IDENTIFIER_READERS and isinstance(value, int) and not isinstance(value, bool)
    if is_code:
        return value
    if not isinstance(value, str):
        raise BadInput(name, gettext("must be a string"))
    if not re.search(r"\w", value):
        raise BadInput(name, gettext("must have a letter or digit"))
    return value.strip()


def _check_identifier(name: str, text: str) -> str:
    """Return an identifier in its one spelling. Raises BadInput: it identifies nothing."""
    reading = _IDENTIFIER_READERS[name](text)
    if reading.value is None or reading.problem:
        suggestion = f" ({reading.value})" if reading.value else ""
        raise BadInput(name, f"{reading.text or text!r} {reading.reason or 'is blank'}{suggestion}")
    return reading.value


def _without_binary_noise(value: Any, column: DecimalField) -> Any:
    """
    Return a number as a decimal of the column's precision if it differs by binary noise only.

    JSON numbers and spreadsheet cells arrive as binary fractions: 29.95 as 29.949999999999999289.
    """
    if not isinstance(value, float | Decimal) or not Decimal(value).is_finite():
        return value
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    rounded = exact.quantize(Decimal(1).scaleb(-column.decimal_places), ROUND_HALF_UP)
    return rounded if abs(exact - rounded) < _BINARY_NOISE else exact


def _validate_changes(changes: Mapping[UUID, Values]) -> dict[UUID, dict[str, Any]]:
    return {pk: validate_corrections(values) for pk, values in changes.items() if values}


def _skip_locked_fields(
    values_by_product: Mapping[UUID, dict[str, Any]], result: CorrectionResult
) -> dict[UUID, dict[str, Any]]:
    """Return the values of unlocked fields; record locked ones that would change as skipped."""
    locked_fields = locked_fields_by_product(values_by_product)
    if not locked_fields:
        return dict(values_by_product)
    products = Product.objects.defer("search_document").in_bulk(list(locked_fields))
    for pk, names in locked_fields.items():
        values = values_by_product[pk]
        result.skipped += [
            (pk, name)
            for name in sorted(names & set(values))
            if getattr(products[pk], name) != values[name]
        ]
    return {
        pk: {name: value for name, value in values.items() if name not in locked_fields.get(pk, ())}
        for pk, values in values_by_product.items()
    }


def _add_derived_values(
    values_by_product: Mapping[UUID, dict[str, Any]],
) -> dict[UUID, dict[str, Any]]:
    """Add values that follow from others: the middle of a range, the source of a list."""
    range_fields = [
        f"{kind}_percentage{end}" for kind in ("thc", "cbd") for end in ("", "_low", "_high")
    ]
    ids = [
        pk
        for pk, values in values_by_product.items()
        if any(name in values for name in range_fields)
    ]
    products = Product.objects.only("pk", *range_fields).in_bulk(ids)
    completed = {}
    for pk, given_values in values_by_product.items():
        values = dict(given_values)
        for kind in ("thc", "cbd"):
            _complete_range(values, kind, products.get(pk))
        for name, source_field in _SOURCE_FIELDS.items():
            if name in values:
                values[source_field] = STAFF_SOURCE if values[name] else None
        completed[pk] = values
    return completed


def _complete_range(values: dict[str, Any], kind: str, product: Product | None) -> None:
    """
    Add the middle of a percentage range to its ends, or the ends to its middle, in place.

    kind: "thc" or "cbd". Raises BadInput when the lower end is above the upper one.
    """
    middle = f"{kind}_percentage"
    low = f"{kind}_percentage_low"
    high = f"{kind}_percentage_high"
    if product is not None and (low in values or high in values) and middle not in values:
        ends = [values.get(name, getattr(product, name)) for name in (low, high)]
        known = [end for end in ends if end is not None]
        if len(known) == len(ends) and known[0] > known[1]:
            raise BadInput(low, gettext("must not be above the upper end"))
        values[middle] = round(sum(known) / len(known), 2) if known else None
    elif middle in values and low not in values and high not in values:
        values[low] = values[middle]
        values[high] = values[middle]


# Writes values, one JSON object per product, where at least one of them differs; returns id and
# merge key of the changed products.
_WRITE_SQL = """
UPDATE products p SET {assignments}, updated_at = now(){reset_matching}
FROM (
  SELECT r.*
  FROM unnest(%(ids)s::uuid[], %(values)s::jsonb[]) AS given (id, new_values)
  JOIN products o USING (id), LATERAL jsonb_populate_record(o, given.new_values) r
) r
WHERE p.id = r.id AND ({differs})
RETURNING p.id, p.merge_key
"""


def _write(
    cursor: CursorWrapper, values_by_product: Mapping[UUID, Values], *, is_correction: bool
) -> list[UUID]:
    """
    Write values and return the ids of the changed products.

    is_correction: may change locked fields. Raises BadInput when a blocking quality rule is
    violated.
    """
    fields = sorted({name for values in values_by_product.values() for name in values})
    if not fields:
        return []
    rows = [
        (pk, json.dumps(dict(values), cls=DjangoJSONEncoder))
        for pk, values in values_by_product.items()
        if values
    ]
    needs_matching = bool(set(fields) & set(MATCHING_FIELDS))
    _set_correcting(cursor, is_correcting=is_correction)
    cursor.execute(
        _WRITE_SQL.format(
            assignments=", ".join(f"{name} = r.{name}" for name in fields),
            reset_matching=", matched_with = ''" if needs_matching else "",
            differs=" OR ".join(f"p.{name} IS DISTINCT FROM r.{name}" for name in fields),
        ),
        {"ids": [pk for pk, _ in rows], "values": [values for _, values in rows]},
    )
    changed = cursor.fetchall()
    _set_correcting(cursor, is_correcting=False)
    violations = blocking_violations(cursor, table="products", ids=[pk for pk, _ in changed])
    if violations:
        _, rule = violations[0]
        raise BadInput(rule.field, rule.message)
    if set(fields) & set(SEARCHABLE_FIELDS):
        update_search_documents(cursor, [merge_key for _, merge_key in changed])
    return [pk for pk, _ in changed]


def _set_correcting(cursor: CursorWrapper, *, is_correcting: bool) -> None:
    """Allow or forbid changes of locked fields in this transaction (see field_locks.sql)."""
    setting = "on" if is_correcting else "off"
    cursor.execute("SELECT set_config('cultivar.correcting', %s, true)", [setting])


# Inserts or replaces locks with the current values of all sources.
_LOCK_SQL = """
WITH {source_facts}, field_values AS (
  SELECT s.id, f.key AS field, jsonb_object_agg(s.source, f.value) AS source_values
  FROM source_facts s, jsonb_each(s.facts) f
  WHERE f.value NOT IN ('null', '[]')
  GROUP BY s.id, f.key
)
INSERT INTO product_locks AS k
  (product_id, field, locked_by_id, reason, review_by, source_values)
SELECT l.id, l.field, %(by)s, %(reason)s, %(review_by)s, coalesce(v.source_values, '{{}}')
FROM unnest(%(pks)s::uuid[], %(fields)s::text[]) AS l (id, field)
LEFT JOIN field_values v ON v.id = l.id AND v.field = l.field
ON CONFLICT (product_id, field) DO UPDATE SET
  locked_by_id = EXCLUDED.locked_by_id,
  locked_at = now(),
  reason = EXCLUDED.reason,
  review_by = EXCLUDED.review_by,
  source_values = EXCLUDED.source_values,
  inherited_from_id = NULL
"""


def _lock(
    cursor: CursorWrapper,
    fields_by_product: Mapping[UUID, Values],
    *,
    by: AbstractBaseUser,
    reason: str,
    review_by: date | None,
) -> None:
    """Lock the fields of each product and close their review items."""
    pairs = [(pk, name) for pk, values in fields_by_product.items() for name in values]
    if not pairs:
        return
    fields = sorted({name for _, name in pairs})
    cursor.execute(
        _LOCK_SQL.format(source_facts=source_values_sql(fields)),
        {
            "ids": list(fields_by_product),
            "by": by.pk,
            "reason": reason,
            "review_by": review_by,
            "pks": [pk for pk, _ in pairs],
            "fields": [name for _, name in pairs],
        },
    )
    review_items.close_items_of_fields(product_ids=list(fields_by_product), fields=fields, by=by)
