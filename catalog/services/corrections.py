"""What people say of products: written, locked, noted, and taken back."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, QuerySet
from django.utils import timezone

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import Product, ProductLock, ReviewItem
from catalog.models.corrections import CORRECTABLE
from catalog.services import review_items
from catalog.services.field_merge import said_sql
from catalog.services.merging import (
    COMPARED,
    DOCUMENTED,
    hold_products,
    merge_products,
    write_documents,
)
from config.errors import BadInput
from mlops.audit.operations import operation
from mlops.models import Operation
from mlops.quality.rules import broken_blocking

_FOLLOWS = {"terpenes": "terpene_basis", "effects": "effects_basis"}
BY_STAFF = "staff"
_CHOICES = {"category": set(CATEGORIES.values()), "strain_type": set(STRAIN_TYPES.values())}
Kind = Operation.Kind
Values = Mapping[str, Any]


@dataclass(slots=True)
class Corrected:
    """What a correction did: the operation, the products it changed, and the locked fields that it left alone."""

    operation: Operation | None = None
    changed: list[UUID] = field(default_factory=list)
    kept: list[tuple[UUID, str]] = field(default_factory=list)


def correct_products(
    *,
    changes: Mapping[UUID, Values],
    by: AbstractBaseUser,
    reason: str = "",
    kind: Operation.Kind = Kind.EDIT,
    review_by: date | None = None,
    override: bool = False,
) -> Corrected:
    """
    Write a person's values and lock their fields, in one operation.

    Fields that are locked already are left alone and told in `kept`, unless the person overrides locks. What a product
    has already is not written, but locked all the same. Raises BadInput naming the field. Safe to repeat.
    """
    told = {pk: checked(values) for pk, values in changes.items() if values}
    corrected = Corrected()
    with operation(kind, actor=by, reason=reason) as done, connection.cursor() as cursor:
        corrected.operation = done
        hold_products(cursor)
        if not override:
            told = _without_locked(told, corrected)
        told = _completed(told)
        corrected.changed = _write(cursor, told, is_correction=True)
        _lock(cursor, told, by=by, reason=reason, review_by=review_by)
    return corrected


def set_products(
    *,
    changes: Mapping[UUID, Values],
    by: AbstractBaseUser | None,
    client: str = "",
    reason: str = "",
    kind: Operation.Kind = Kind.EDIT,
) -> Corrected:
    """Write values without locking them; locked fields are left alone and told in `kept`. Raises BadInput."""
    told = {pk: checked(values) for pk, values in changes.items() if values}
    corrected = Corrected()
    with (
        operation(kind, actor=by, client=client, reason=reason) as done,
        connection.cursor() as cursor,
    ):
        corrected.operation = done
        hold_products(cursor)
        told = _completed(_without_locked(told, corrected))
        corrected.changed = _write(cursor, told, is_correction=False)
    return corrected


def create_product(
    *, values: Values, by: AbstractBaseUser | None, client: str = "", reason: str = ""
) -> Product:
    """Make a product that no source lists. Raises BadInput when values are wrong or its GTIN is another product's."""
    values = checked(values)
    if not values.get("name"):
        raise BadInput("name", "is required")
    same = Product.objects.filter(gtin=values["gtin"]).first() if values.get("gtin") else None
    if same:
        raise BadInput("gtin", f"belongs to {same.name} ({same.pk}) already; correct that instead")
    with (
        operation(Kind.EDIT, actor=by, client=client, reason=reason),
        connection.cursor() as cursor,
    ):
        hold_products(cursor)
        product = Product(**values, source=BY_STAFF)
        gtin = values.get("gtin")
        product.merge_key = f"gtin:{gtin}" if gtin else f"{BY_STAFF}:{uuid4()}"
        product.save(force_insert=True)
        product.refresh_from_db(fields=["id"])
        if by:
            _lock(cursor, {product.pk: values}, by=by, reason=reason, review_by=None)
        write_documents(cursor, [product.merge_key])
    return product


def lock_fields(
    *,
    products: QuerySet[Product],
    fields: Iterable[str],
    by: AbstractBaseUser,
    reason: str,
    review_by: date | None = None,
) -> Operation:
    """Lock fields with the values that they have."""
    with operation(Kind.BULK_EDIT, actor=by, reason=reason) as done, connection.cursor() as cursor:
        told = {pk: dict.fromkeys(fields) for pk in products.values_list("pk", flat=True)}
        _lock(cursor, told, by=by, reason=reason, review_by=review_by)
    return done


def unlock_fields(
    *, product: Product, fields: Iterable[str], by: AbstractBaseUser, reason: str = ""
) -> None:
    """Let sources speak again; what they say now is taken at once."""
    names = list(fields)
    with operation(Kind.EDIT, actor=by, reason=reason), connection.cursor() as cursor:
        hold_products(cursor)
        ProductLock.objects.filter(product=product, field__in=names).delete()
        review_items.close_all(product_ids=[product.pk], fields=names, by=by)
        merge_products(cursor, [product.merge_key])


def take_theirs(*, item: ReviewItem, by: AbstractBaseUser) -> None:
    """Take the source's value, and hold on to it as a person's word."""
    values = {item.field: item.says_now}
    with operation(Kind.REVIEW, actor=by, reason=f"{item.source} changed it"):
        review_items.close(item, ReviewItem.Outcome.TAKEN, by)
        correct_products(
            changes={item.product_id: values},
            by=by,
            reason=f"taken from {item.source}",
            override=True,
        )


def checked(values: Values) -> dict[str, Any]:
    """Return values as the columns hold them; raises BadInput naming the field."""
    clean: dict[str, Any] = {}
    for name, value in values.items():
        if name not in CORRECTABLE and name not in _FOLLOWS.values():
            raise BadInput(name, "is not a field that can be corrected")
        clean[name] = _checked(name, value)
    for kind in ("thc", "cbd"):
        low, high = clean.get(f"{kind}_percentage_low"), clean.get(f"{kind}_percentage_high")
        if low is not None and high is not None and low > high:
            raise BadInput(f"{kind}_percentage_low", "must not be above the upper end")
    return clean


def _checked(name: str, value: Any) -> Any:
    column = column_of(name)
    if value in ("", None):
        if not column.null and name not in ("terpenes", "lineage", "effects"):
            raise BadInput(name, "is required")
        return [] if name in ("terpenes", "lineage", "effects") else None
    try:
        value = column.clean(value, None)
    except ValidationError as error:
        raise BadInput(name, " ".join(error.messages)) from None
    if name.startswith(("thc_percentage", "cbd_percentage")) and not 0 <= value <= 100:
        raise BadInput(name, "must be from 0 to 100")
    if name in ("price", "weight_grams", "volume_ml", "pieces") and value <= 0:
        raise BadInput(name, "must be more than 0")
    if name in ("thc_mg", "cbd_mg", "dried_grams") and value < 0:
        raise BadInput(name, "must not be less than 0")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise BadInput(name, f"must be one of {', '.join(sorted(_CHOICES[name]))}")
    return value


def column_of(name: str) -> Field:
    """Return the model's field of a name."""
    return next(column for column in Product._meta.fields if column.name == name)


def _without_locked(
    told: Mapping[UUID, dict[str, Any]], corrected: Corrected
) -> dict[UUID, dict[str, Any]]:
    """Leave out fields that are locked; note those that would have changed."""
    locked: dict[UUID, set[str]] = {}
    for pk, name in ProductLock.objects.filter(product__in=list(told)).values_list(
        "product_id", "field"
    ):
        locked.setdefault(pk, set()).add(name)
    if not locked:
        return dict(told)
    rows = Product.objects.defer("search_document").in_bulk(list(locked))
    for pk, names in locked.items():
        now = rows[pk]
        corrected.kept += [
            (pk, n) for n in sorted(names & set(told[pk])) if getattr(now, n) != told[pk][n]
        ]
    return {
        pk: {n: v for n, v in values.items() if n not in locked.get(pk, ())}
        for pk, values in told.items()
    }


def _completed(told: Mapping[UUID, dict[str, Any]]) -> dict[UUID, dict[str, Any]]:
    """Add what follows from a value: the middle of a range, where a list comes from."""
    ends = [f"{kind}_percentage{end}" for kind in ("thc", "cbd") for end in ("", "_low", "_high")]
    moved = [pk for pk, values in told.items() if any(name in values for name in ends)]
    rows = Product.objects.only("pk", *ends).in_bulk(moved)
    completed = {}
    for pk, values in told.items():
        values = dict(values)
        for kind in ("thc", "cbd"):
            middle, low, high = (f"{kind}_percentage{end}" for end in ("", "_low", "_high"))
            if pk in rows and (low in values or high in values) and middle not in values:
                both = [values.get(name, getattr(rows[pk], name)) for name in (low, high)]
                known = [end for end in both if end is not None]
                if len(known) == 2 and known[0] > known[1]:
                    raise BadInput(low, "must not be above the upper end")
                values[middle] = round(sum(known) / len(known), 2) if known else None
            elif middle in values and low not in values and high not in values:
                values[low] = values[high] = values[middle]
        for name, basis in _FOLLOWS.items():
            if name in values:
                values[basis] = BY_STAFF if values[name] else None
        completed[pk] = values
    return completed


def _write(
    cursor: CursorWrapper, told: Mapping[UUID, Values], *, is_correction: bool
) -> list[UUID]:
    fields = sorted({name for values in told.values() for name in values})
    if not fields:
        return []
    rows = [
        (pk, json.dumps(dict(values), cls=DjangoJSONEncoder))
        for pk, values in told.items()
        if values
    ]
    unlike = " OR ".join(f"p.{name} IS DISTINCT FROM r.{name}" for name in fields)
    rematched = ", matched_with = ''" if set(fields) & set(COMPARED) else ""
    cursor.execute(
        "SELECT set_config('cultivar.correcting', %s, true)", ["on" if is_correction else "off"]
    )
    cursor.execute(
        f"""
        UPDATE products p SET {", ".join(f"{name} = r.{name}" for name in fields)}, updated_at = now(){rematched}
        FROM (
          SELECT r.* FROM unnest(%s::uuid[], %s::jsonb[]) AS t (id, told) JOIN products o USING (id),
            LATERAL jsonb_populate_record(o, t.told) r
        ) r
        WHERE p.id = r.id AND ({unlike}) RETURNING p.id, p.merge_key
        """,
        [[pk for pk, _ in rows], [values for _, values in rows]],
    )
    changed = cursor.fetchall()
    cursor.execute("SELECT set_config('cultivar.correcting', 'off', true)")
    broken = broken_blocking(cursor, table="products", ids=[pk for pk, _ in changed])
    if broken:
        raise BadInput(broken[0][1].field, broken[0][1].message)
    if set(fields) & set(DOCUMENTED):
        write_documents(cursor, [key for _, key in changed])
    return [pk for pk, _ in changed]


def _lock(
    cursor: CursorWrapper,
    told: Mapping[UUID, Values],
    *,
    by: AbstractBaseUser,
    reason: str,
    review_by: date | None,
) -> None:
    """Lock the fields told of each product, and note what each source says of them now."""
    pairs = [(pk, name) for pk, values in told.items() for name in values]
    if not pairs:
        return
    fields = sorted({name for _, name in pairs})
    cursor.execute(
        f"""
        WITH {said_sql(fields)}, heard AS (
          SELECT said.id, f.key AS field, jsonb_object_agg(said.source, f.value) AS said
          FROM said, jsonb_each(said.facts) f WHERE f.value NOT IN ('null', '[]') GROUP BY said.id, f.key
        )
        INSERT INTO product_locks AS k (product_id, field, locked_by_id, reason, review_by, said)
        SELECT t.id, t.field, %(by)s, %(reason)s, %(review_by)s, coalesce(heard.said, '{{}}')
        FROM unnest(%(pks)s::uuid[], %(fields)s::text[]) AS t (id, field)
        LEFT JOIN heard ON heard.id = t.id AND heard.field = t.field
        ON CONFLICT (product_id, field) DO UPDATE SET locked_by_id = EXCLUDED.locked_by_id, locked_at = now(),
          reason = EXCLUDED.reason, review_by = EXCLUDED.review_by, said = EXCLUDED.said, came_with_id = NULL
        """,
        {
            "ids": list(told),
            "by": by.pk,
            "reason": reason,
            "review_by": review_by,
            "pks": [pk for pk, _ in pairs],
            "fields": [name for _, name in pairs],
        },
    )
    review_items.close_all(product_ids=list(told), fields=fields, by=by)


def stale_locks() -> QuerySet[ProductLock]:
    """Return locks whose review-by date has come."""
    return ProductLock.objects.filter(review_by__lte=timezone.localdate())
