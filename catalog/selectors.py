"""Every read of the catalogue."""

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
from catalog.models.corrections import CORRECTABLE
from catalog.search.reasons import reasons
from catalog.services.field_merge import FACTS, said_by_source
from mlops.models import Operation, RawRecord, RowChange
from mlops.pipelines.definitions import Access
from mlops.sql_arrays import array
from vectors import search

COLLECTION = "product_embeddings"
# A product that was merged into another stands for that one.
_NAMED = """
SELECT asked.told, coalesce(p.merged_into_id, p.id) FROM unnest(%s::text[]) AS asked(told)
JOIN products p ON p.id = CASE WHEN asked.told ~* %s THEN asked.told::uuid END
UNION ALL
SELECT asked.told, coalesce(p.merged_into_id, p.id) FROM unnest(%s::text[]) AS asked(told)
JOIN products p ON p.sku = asked.told ORDER BY 1, 2
"""
_UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """A product like another: the cosine, what makes it by group of features, and the facts they share."""

    product: Product
    score: float
    breakdown: dict[str, float]
    reasons: list[dict[str, Any]]


def similar_products(*, product: Product, limit: int) -> list[Likeness]:
    """Return the products nearest to this one, and why; raises VectorsUnavailable."""
    own = str(product.pk)
    found = search.similar(collection=COLLECTION, entity_id=own, limit=limit)
    scores = {hit.id: hit.score for hit in found.hits}
    return [
        Likeness(
            product=other,
            score=scores[str(other.pk)],
            reasons=reasons(product, other),
            breakdown=search.explain(collection=COLLECTION, a=own, b=str(other.pk)),
        )
        for other in products_in_order(list(scores))
    ]


def listings_with_origin(*, product: Product) -> list[tuple[SupplierListing, list[RawRecord]]]:
    """Return each listing of the product with the raw records it was last read from; three queries."""
    listings = list(
        SupplierListing.objects.filter(merge_key__in=keys_of(product))
        .select_related("run")
        .order_by("source", "external_id", "language")
    )
    records: dict[tuple[object, str | None], list[RawRecord]] = {}
    runs = {listing.run_id for listing in listings}
    bundles = {listing.bundle for listing in listings if listing.bundle}
    for record in RawRecord.objects.filter(run__in=runs, bundle__in=bundles).order_by("role"):
        records.setdefault((record.run_id, record.bundle), []).append(record)
    return [(listing, records.get((listing.run_id, listing.bundle), [])) for listing in listings]


def keys_of(product: Product) -> list[str]:
    """Return the merge keys whose listings belong to the product: its own, and those merged into it."""
    merged = ProductAlias.objects.filter(product_key=product.merge_key).values_list(
        "merge_key", flat=True
    )
    return [product.merge_key, *merged]


def duplicates_with_products(decisions: Sequence[MatchDecision]) -> dict[str, Product]:
    """Return the products that decisions are about, by merge key; one query."""
    keys = {key for decision in decisions for key in (decision.left_key, decision.right_key)}
    rows = (
        Product.objects.select_related("merged_into")
        .defer("search_document")
        .filter(merge_key__in=keys)
    )
    return {row.merge_key: row for row in rows}


def access_to(code: str) -> Access:
    """Return how staff have said that a source is to be reached; raises TokenRefused when its secret cannot be read."""
    row = CatalogSource.objects.filter(pk=code).first()
    if row is None:
        return Access()
    return Access(
        base_url=row.base_url,
        file=row.file.name or "",
        headers=_proof(row),
        requests_per_second=float(row.requests_per_second),
    )


def _proof(row: CatalogSource) -> dict[str, str]:
    match row.authentication:
        case CatalogSource.Authentication.BASIC:
            pair = f"{row.authentication_name}:{row.secret}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        case CatalogSource.Authentication.BEARER:
            return {"Authorization": f"Bearer {row.secret}"}
        case CatalogSource.Authentication.HEADER:
            return {row.authentication_name: row.secret}
    return {}


def products_in_order(ids: Sequence[str]) -> list[Product]:
    """Return those of the products that stand for themselves, in the order of their ids."""
    rows = {str(row.pk): row for row in Product.objects.raw(_current(), [array(ids)])}
    return [rows[pk] for pk in ids if pk in rows]


@cache
def _current() -> str:
    """Return the query of `products_in_order`: it is asked with every answer, and putting it together takes longer than it."""
    columns = [
        str(field.column)
        for field in Product._meta.concrete_fields
        if field.name != "search_document"
    ]
    return f"SELECT {', '.join(columns)} FROM products WHERE merged_into_id IS NULL AND id = ANY(%s::uuid[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One field of a product: its value, who set it and when, what each source says of it, and its lock."""

    field: str
    label: str
    value: Any
    said: dict[str, Any]
    lock: ProductLock | None
    set_by: str
    set_at: datetime | None

    @property
    def shown(self) -> str:
        """The value as people read it."""
        return _shown(self.value)

    @property
    def candidates(self) -> list[tuple[str, str, bool]]:
        """Each source's value, and whether it is the product's."""
        return [
            (source, _shown(value), _shown(value) == self.shown)
            for source, value in self.said.items()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a product."""

    at: datetime
    action: str
    operation: Operation | None
    values: list[tuple[str, str, str]]

    @property
    def who(self) -> str:
        """The person, the client, or the machine."""
        done = self.operation
        return (
            str(done.actor or done.client or (done.run and done.run.source) or "the matching")
            if done
            else "?"
        )


def facts_of(product: Product) -> list[Fact]:
    """Return every field that can be corrected; four queries."""
    locks = {lock.field: lock for lock in product.locks.select_related("locked_by")}
    with connection.cursor() as cursor:
        said = said_by_source(cursor, [product.pk], [name for name in CORRECTABLE if name in FACTS])
    changes = _changes(product)
    facts = []
    for name in CORRECTABLE:
        value, told = getattr(product, name), said.get((product.pk, name), {})
        change = next((c for c in changes if c.after and name in c.after), None)
        lock = locks.get(name)
        agreeing = [source for source, theirs in told.items() if _shown(theirs) == _shown(value)]
        set_by = str(lock.locked_by) if lock else ", ".join(agreeing)
        set_at = lock.locked_at if lock else change.changed_at if change else product.created_at
        label = str(getattr(Product._meta.get_field(name), "verbose_name", name))
        has_value = value not in (None, [], "")
        facts.append(
            Fact(
                field=name,
                label=label,
                value=value,
                said=told,
                lock=lock,
                set_by=set_by if has_value or lock else "",
                set_at=set_at if has_value or lock else None,
            )
        )
    return facts


def history_of(product: Product, *, limit: int = 50) -> list[Change]:
    """Return what was changed of a product, newest first."""
    return [
        Change(
            at=change.changed_at,
            action=change.action,
            operation=change.operation,
            values=[
                (name, (change.before or {}).get(name) or "", value or "")
                for name, value in sorted((change.after or {}).items())
            ],
        )
        for change in _changes(product)[:limit]
    ]


def _changes(product: Product) -> list[RowChange]:
    rows = RowChange.objects.filter(table_name="products", row_id=product.pk)
    return list(rows.select_related("operation__actor", "operation__run").order_by("-id")[:200])


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, Decimal | float):
        return f"{Decimal(str(value)).normalize():f}"
    return "" if value is None else str(value)


def products_named(names: Iterable[str]) -> dict[str, UUID]:
    """Return the products by our id or SKU, of two with one SKU that of the lower id; a name that is none is left out."""
    told = sorted(set(names))
    if not told:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_NAMED, [told, _UUID, told])
        found: dict[str, UUID] = {}
        for name, pk in cursor.fetchall():
            found.setdefault(name, pk)
    return found


def stores_named(codes: Iterable[str]) -> dict[str, UUID]:
    """Return the stores by code; an unknown code is left out."""
    return dict(Store.objects.filter(code__in=set(codes)).values_list("code", "pk"))
