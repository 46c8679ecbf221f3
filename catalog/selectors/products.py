"""Products: rows, look-up by id, SKU and GTIN, and counts."""

from collections import namedtuple
from collections.abc import Collection, Iterable, Sequence
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from catalog.ingest.cleaning.identifiers import gtin_query
from catalog.models import Product, ProductAlias, ProductLock, StoreStock, SupplierListing
from catalog.selectors.conditions import has_locked_field, has_number, has_open_finding
from mlops.sql_arrays import array

# Product ids by client reference: our id, SKU or GTIN. A merged product has the id of the
# product it was merged into. Of products with one GTIN, those whose merge key
# it is come first.
_IDS_BY_REFERENCE_SQL = """
SELECT requested.reference, e.effective_id, false AS has_other_key
FROM unnest(%s::text[]) AS requested(reference)
JOIN effective_products e
  ON e.product_id = CASE WHEN requested.reference ~* %s THEN requested.reference::uuid END
UNION ALL
SELECT requested.reference, e.effective_id, false
FROM unnest(%s::text[]) AS requested(reference)
JOIN products p ON p.sku = requested.reference JOIN effective_products e ON e.product_id = p.id
UNION ALL
SELECT requested.reference, e.effective_id, p.merge_key <> 'gtin:' || p.gtin
FROM unnest(%s::text[]) AS requested(reference)
JOIN products p ON p.gtin = lpad(requested.reference, 14, '0')
JOIN effective_products e ON e.product_id = p.id
WHERE requested.reference ~ '^[0-9]{12,14}$'
ORDER BY 1, 3, 2
"""
_UUID_PATTERN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def all_products() -> QuerySet[Product]:
    """Return all products, also merged ones, without their search documents."""
    return Product.objects.defer("search_document")


def current_products() -> QuerySet[Product]:
    """Return the products that are not merged into another, without their search documents."""
    return Product.objects.current().defer("search_document")


def with_list_columns(products: QuerySet[Product]) -> QuerySet[Product]:
    """Add the units in all stores, and whether a field is locked or a quality rule violated."""
    stock = StoreStock.objects.filter(product=OuterRef("pk")).order_by().values("product")
    return products.annotate(
        stock_units=Subquery(stock.annotate(units=Sum("quantity")).values("units")),
        is_locked=has_locked_field(),
        has_finding=has_open_finding(),
    )


def with_listing_count(products: QuerySet[Product]) -> QuerySet[Product]:
    """Add the number of current listings, those of merged products included."""
    aliases = ProductAlias.objects.filter(product_key=OuterRef(OuterRef("merge_key")))
    own = _listing_count(merge_key=OuterRef("merge_key"))
    merged = _listing_count(merge_key__in=aliases.values("merge_key"))
    return products.annotate(listing_count=own + merged)


def _listing_count(**condition: Any) -> Coalesce:
    listings = SupplierListing.objects.filter(gone_at=None, **condition).order_by()
    # A constant group: one row with the number of all.
    counts = listings.annotate(group=Value(1)).values("group").annotate(count=Count("pk"))
    return Coalesce(Subquery(counts.values("count")), 0)


def get_product(pk: UUID) -> Product:
    """Return a product as it is stored now. Raises Product.DoesNotExist."""
    return all_products().get(pk=pk)


def find_current_product(pk: UUID) -> Product | None:
    """Return the product with an id, or the one it was merged into; None: there is no such id."""
    # One row by its key: a condition on either of two joined rows would read the whole table.
    effective = Product.objects.filter(pk=pk).values(effective=Coalesce("merged_into", "pk"))
    return current_products().filter(pk=Subquery(effective)).first()


def brands_like(text: str, *, limit: int) -> list[str]:
    """Return the brands of current products that contain a text, by name."""
    brands = Product.objects.current().filter(brand__icontains=text).order_by("brand")
    names = brands.values_list("brand", flat=True).distinct()[:limit]
    return [name for name in names if name]


def find_products_by_number(text: str) -> list[Product]:
    """Return products with an id, SKU or GTIN, merged ones included; at most two."""
    try:
        condition = Q(pk=UUID(text))
    except ValueError:
        condition = has_number(text)
    return list(all_products().filter(condition)[:2])


def current_products_by(field: str, values: Iterable[str]) -> dict[str, list[Product]]:
    """
    Return current products by their value of `id`, `gtin` or `sku`; absent values are left out.

    Raises ValidationError when an id is not a UUID. One query.
    """
    products: dict[str, list[Product]] = {}
    for product in current_products().filter(**{f"{field}__in": list(values)}).order_by("pk"):
        products.setdefault(str(getattr(product, field)), []).append(product)
    return products


def find_gtin_owner(gtin: str, *, other_than: Iterable[UUID]) -> Product | None:
    """Return a current product with a GTIN, other than those with the given ids."""
    return current_products().filter(gtin=gtin).exclude(pk__in=list(other_than)).first()


def merged_products(product: Product) -> QuerySet[Product]:
    """Return the products merged into a product, by name."""
    return product.merged.order_by("name")


def product_names(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return names by product id; unknown ids are left out."""
    return dict(Product.objects.filter(pk__in=list(ids)).values_list("pk", "name"))


def locked_fields_by_product(ids: Iterable[UUID]) -> dict[UUID, set[str]]:
    """Return the locked fields of products by id; products without any are left out. One query."""
    fields: dict[UUID, set[str]] = {}
    locks = ProductLock.objects.filter(product__in=list(ids))
    for pk, field in locks.values_list("product_id", "field"):
        fields.setdefault(pk, set()).add(field)
    return fields


def products_in_order(ids: Sequence[str]) -> list[Product]:
    """Return the products with these ids, in their order; merged products are left out."""
    rows = {str(row.pk): row for row in Product.objects.raw(_current_products_sql(), [array(ids)])}
    return [rows[pk] for pk in ids if pk in rows]


@cache
def _current_products_sql() -> str:
    """Return the query of `products_in_order`, which takes longer to compile than to run."""
    columns = [
        str(field.column)
        for field in Product._meta.concrete_fields
        if field.name != "search_document"
    ]
    return (
        f"SELECT {', '.join(columns)} FROM products"
        " WHERE merged_into_id IS NULL AND id = ANY(%s::uuid[])"
    )


def current_product_ids(field: str, values: Iterable[str]) -> dict[str, UUID]:
    """
    Return the ids of current products by a value of `id`, `sku` or `gtin`; unknown ones are absent.

    A merged product has the id of the one it was merged into. Of several products with one number,
    current ones come first, then the lowest id. GTINs may have any width. One query.
    """
    stored = {value: gtin_query(value) if field == "gtin" else value for value in values}
    rows = Product.objects.filter(**{f"{field}__in": list(stored.values())})
    ids: dict[str, UUID] = {}
    in_order = rows.order_by(F("merged_into").asc(nulls_first=True), "pk")
    for value, pk, merged_into in in_order.values_list(field, "pk", "merged_into"):
        ids.setdefault(str(value), merged_into or pk)
    return {value: ids[key] for value, key in stored.items() if key in ids}


def product_rows(ids: Collection[UUID], columns: Sequence[str]) -> dict[UUID, Any]:
    """Return current products by id, as named tuples of their columns and id. One query."""
    sql, row_type = _product_rows_query(tuple(columns))
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(ids)])
        return {row[0]: row_type(*row) for row in cursor.fetchall()}


@lru_cache(maxsize=256)
def _product_rows_query(columns: tuple[str, ...]) -> tuple[str, Any]:
    """Return the query of `product_rows`, slower to compile than to run, and its type of rows."""
    selected, row_type = _selected(columns)
    return f"{selected} AND id = ANY(%s::uuid[])", row_type


def first_product_rows(columns: Sequence[str], *, sort: str, limit: int) -> list[Any]:
    """
    Return the first current products as named tuples of their columns and id. One query.

    sort: a column and `id` break ties; descending with `-`; products without the value come last.
    """
    sql, row_type = _first_rows_query(tuple(columns), sort)
    with connection.cursor() as cursor:
        cursor.execute(sql, [limit])
        return [row_type(*row) for row in cursor.fetchall()]


@lru_cache(maxsize=256)
def _first_rows_query(columns: tuple[str, ...], sort: str) -> tuple[str, Any]:
    """Return the query of `first_product_rows`, which takes longer to compile than to run."""
    selected, row_type = _selected(columns)
    field: Any = Product._meta.get_field(sort.removeprefix("-"))
    order = f"{field.column} DESC NULLS LAST" if sort.startswith("-") else field.column
    return f"{selected} ORDER BY {order}, id LIMIT %s", row_type


def _selected(columns: tuple[str, ...]) -> tuple[str, Any]:
    """Return the beginning of a query of current products, and the type of its rows."""
    names = ("id", *columns)
    fields: list[Any] = [Product._meta.get_field(name) for name in names]
    selected = ", ".join(field.column for field in fields)
    sql = f"SELECT {selected} FROM products WHERE merged_into_id IS NULL"
    return sql, namedtuple("ProductRow", names)


def product_ids_by_reference(references: Iterable[str]) -> dict[str, UUID]:
    """
    Return product ids by client reference: our id, a SKU or a GTIN. Unknown ones are left out.

    Of several products with one reference, the one with the lowest id; of those with one GTIN, the
    one that had it first.
    """
    requested = sorted(set(references))
    if not requested:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_IDS_BY_REFERENCE_SQL, [requested, _UUID_PATTERN, requested, requested])
        ids: dict[str, UUID] = {}
        for reference, pk, _has_other_key in cursor.fetchall():
            ids.setdefault(reference, pk)
    return ids
