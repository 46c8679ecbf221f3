"""Read queries of the catalogue."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection

from catalog.models import (
    CatalogSource,
    MatchDecision,
    Product,
    ProductAlias,
    ProductLock,
    Store,
    SupplierListing,
)
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.search.reasons import similarity_reasons
from catalog.services.field_merge import FIELD_SQL, source_values
from mlops.models import Operation, RawRecord, RowChange
from mlops.pipelines.definitions import SourceAccess
from mlops.sql_arrays import array
from vectors import search as vector_search

PRODUCT_EMBEDDINGS = "product_embeddings"
"""Vector collection of products, by text and features."""
# Product ids by client reference: our id first, then the SKU. A merged product has the id of the
# product it was merged into.
_IDS_BY_REFERENCE_SQL = """
SELECT requested.reference, coalesce(p.merged_into_id, p.id)
FROM unnest(%s::text[]) AS requested(reference)
JOIN products p
  ON p.id = CASE WHEN requested.reference ~* %s THEN requested.reference::uuid END
UNION ALL
SELECT requested.reference, coalesce(p.merged_into_id, p.id)
FROM unnest(%s::text[]) AS requested(reference)
JOIN products p ON p.sku = requested.reference
ORDER BY 1, 2
"""
_UUID_PATTERN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_MAX_CHANGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarProduct:
    """
    A product similar to another.

    score: cosine similarity; score_components: contributions to it by group of features, which sum
    to it; reasons: attributes that both share.
    """

    product: Product
    score: float
    score_components: dict[str, float]
    reasons: list[dict[str, Any]]


def similar_products(*, product: Product, limit: int) -> list[SimilarProduct]:
    """Return the products most similar to one, the nearest first. Raises VectorsUnavailable."""
    product_id = str(product.pk)
    result = vector_search.similar(collection=PRODUCT_EMBEDDINGS, entity_id=product_id, limit=limit)
    scores = {hit.id: hit.score for hit in result.hits}
    return [
        SimilarProduct(
            product=other,
            score=scores[str(other.pk)],
            reasons=similarity_reasons(product, other),
            score_components=vector_search.explain_similarity(
                collection=PRODUCT_EMBEDDINGS, a=product_id, b=str(other.pk)
            ),
        )
        for other in products_in_order(list(scores))
    ]


def listings_with_origin(*, product: Product) -> list[tuple[SupplierListing, list[RawRecord]]]:
    """Return listings of a product with the raw records of their last run. Three queries."""
    listings = list(
        SupplierListing.objects.filter(merge_key__in=merge_keys_of(product))
        .select_related("run")
        .order_by("source", "external_id", "language")
    )
    records: dict[tuple[object, str | None], list[RawRecord]] = {}
    runs = {listing.run_id for listing in listings}
    bundles = {listing.bundle for listing in listings if listing.bundle}
    for record in RawRecord.objects.filter(run__in=runs, bundle__in=bundles).order_by("role"):
        records.setdefault((record.run_id, record.bundle), []).append(record)
    return [(listing, records.get((listing.run_id, listing.bundle), [])) for listing in listings]


def merge_keys_of(product: Product) -> list[str]:
    """Return the merge keys of a product: its own, and those of products merged into it."""
    merged = ProductAlias.objects.filter(product_key=product.merge_key).values_list(
        "merge_key", flat=True
    )
    return [product.merge_key, *merged]


def products_by_merge_key(decisions: Sequence[MatchDecision]) -> dict[str, Product]:
    """Return the products that match decisions compare, by merge key. One query."""
    keys = {key for decision in decisions for key in (decision.left_key, decision.right_key)}
    rows = (
        Product.objects.select_related("merged_into")
        .defer("search_document")
        .filter(merge_key__in=keys)
    )
    return {row.merge_key: row for row in rows}


def source_access(code: str) -> SourceAccess:
    """
    Return the access settings of a source: address, file, credentials and rate limit.

    Defaults for an unknown source. Raises TokenRefused when the secret cannot be decrypted.
    """
    source = CatalogSource.objects.filter(pk=code).first()
    if source is None:
        return SourceAccess()
    return SourceAccess(
        base_url=source.base_url,
        file=source.file.name or "",
        headers=_authentication_headers(source),
        requests_per_second=float(source.requests_per_second),
    )


def _authentication_headers(source: CatalogSource) -> dict[str, str]:
    match source.authentication:
        case CatalogSource.Authentication.BASIC:
            credentials = f"{source.authentication_name}:{source.secret}".encode()
            return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
        case CatalogSource.Authentication.BEARER:
            return {"Authorization": f"Bearer {source.secret}"}
        case CatalogSource.Authentication.HEADER:
            return {source.authentication_name: source.secret}
    return {}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFieldState:
    """
    One correctable field of a product: its value, origin and lock.

    source_values: current value by source. set_by: the person who locked it, else the sources that
    agree with the value, comma-separated; empty without a value and lock.
    """

    field: str
    label: str
    value: Any
    source_values: dict[str, Any]
    lock: ProductLock | None
    set_by: str
    set_at: datetime | None

    @property
    def display_value(self) -> str:
        """The value as text."""
        return _as_text(self.value)

    @property
    def display_source_values(self) -> list[tuple[str, str, bool]]:
        """Source, its value as text, and whether it equals the product's value."""
        return [
            (source, _as_text(value), _as_text(value) == self.display_value)
            for source, value in self.source_values.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChange:
    """One change of a product. values: field, text before and text after."""

    at: datetime
    action: str
    operation: Operation | None
    values: list[tuple[str, str, str]]

    @property
    def actor(self) -> str:
        """The person, API client or source that made the change."""
        operation = self.operation
        if operation is None:
            return "?"
        source = operation.run.source if operation.run else ""
        return str(operation.actor or operation.client or source or "matching")


def product_field_states(product: Product) -> list[ProductFieldState]:
    """Return the state of every correctable field. Four queries."""
    locks = {lock.field: lock for lock in product.locks.select_related("locked_by")}
    with connection.cursor() as cursor:
        values_by_field = source_values(
            cursor, [product.pk], [name for name in CORRECTABLE_FIELDS if name in FIELD_SQL]
        )
    changes = _row_changes(product)
    states = []
    for name in CORRECTABLE_FIELDS:
        value = getattr(product, name)
        by_source = values_by_field.get((product.pk, name), {})
        change = next((c for c in changes if c.after and name in c.after), None)
        lock = locks.get(name)
        set_at: datetime | None
        if lock:
            set_by = str(lock.locked_by)
            set_at = lock.locked_at
        else:
            set_by = ", ".join(
                source
                for source, source_value in by_source.items()
                if _as_text(source_value) == _as_text(value)
            )
            set_at = change.changed_at if change else product.created_at
        is_set = lock is not None or value not in (None, [], "")
        states.append(
            ProductFieldState(
                field=name,
                label=str(getattr(Product._meta.get_field(name), "verbose_name", name)),
                value=value,
                source_values=by_source,
                lock=lock,
                set_by=set_by if is_set else "",
                set_at=set_at if is_set else None,
            )
        )
    return states


def product_changes(product: Product, *, limit: int = 50) -> list[ProductChange]:
    """Return the changes of a product, newest first."""
    return [
        ProductChange(
            at=change.changed_at,
            action=change.action,
            operation=change.operation,
            values=[
                (name, (change.before or {}).get(name) or "", value or "")
                for name, value in sorted((change.after or {}).items())
            ],
        )
        for change in _row_changes(product)[:limit]
    ]


def _row_changes(product: Product) -> list[RowChange]:
    rows = RowChange.objects.filter(table_name="products", row_id=product.pk)
    return list(
        rows.select_related("operation__actor", "operation__run").order_by("-id")[:_MAX_CHANGES]
    )


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, Decimal | float):
        return f"{Decimal(str(value)).normalize():f}"
    return "" if value is None else str(value)


def product_ids_by_reference(references: Iterable[str]) -> dict[str, UUID]:
    """
    Return product ids by client reference: our id or a SKU. Unknown references are left out.

    Of several products with one SKU, the one with the lowest id.
    """
    requested = sorted(set(references))
    if not requested:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_IDS_BY_REFERENCE_SQL, [requested, _UUID_PATTERN, requested])
        ids: dict[str, UUID] = {}
        for reference, pk in cursor.fetchall():
            ids.setdefault(reference, pk)
    return ids


def store_ids_by_code(codes: Iterable[str]) -> dict[str, UUID]:
    """Return store ids by code. Unknown codes are left out."""
    return dict(Store.objects.filter(code__in=set(codes)).values_list("code", "pk"))
