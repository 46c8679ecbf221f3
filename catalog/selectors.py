"""Every read of the catalogue."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import structlog
from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from catalog.models import CatalogSource, MatchDecision, Product, ProductAlias, ProductLock, SupplierListing
from catalog.models.corrections import CORRECTABLE
from catalog.searching.folding import words_of
from catalog.services.facts import FACTS, said_by_source
from mlops.flow.sources import Access
from mlops.models import Operation, RawRecord, RowChange
from vectors import searching
from vectors.errors import VectorsUnavailable

log = structlog.get_logger(__name__)
COLLECTION = "product_embeddings"
# How deep each leg looks before the two are fused, and how fast a rank loses weight (Cormack et al. 2009).
DEPTH = 200
RRF_CONSTANT = 60
# Weights of the document's parts D, C, B, A: facets (terpenes, category) count nearly as much as names.
PART_WEIGHTS = [0.1, 0.9, 0.9, 1.0]


@dataclass(frozen=True, slots=True)
class Found:
    """Products, best first, and the legs that took part."""

    products: list[Product]
    legs: list[str]


def search_products(*, query: str, within: QuerySet[Product], limit: int) -> Found:
    """
    Fuse words and meaning by reciprocal rank, within the rows given; without vectors, words alone.

    What carries every word of the query stands before what carries some: names, types and terpenes are typed as
    they are written, and the text encoder knows no French.
    """
    scores: dict[str, float] = {}
    has_every_word: set[str] = set()
    legs = ["lexical"]
    for rank, (pk, is_complete) in enumerate(_by_words(query, within)[:DEPTH]):
        scores[str(pk)] = 1 / (RRF_CONSTANT + rank)
        if is_complete:
            has_every_word.add(str(pk))
    try:
        hits = searching.search(collection=COLLECTION, text=query, limit=DEPTH)
        legs.append("vectors")
    except VectorsUnavailable as error:
        hits = []
        log.warning("search without vectors", reason=str(error))
    allowed = {str(pk) for pk in within.filter(pk__in=[hit.id for hit in hits]).values_list("pk", flat=True)}
    for rank, hit in enumerate(hit for hit in hits if hit.id in allowed):
        scores[hit.id] = scores.get(hit.id, 0) + 1 / (RRF_CONSTANT + rank)
    best = sorted(scores, key=lambda pk: (pk not in has_every_word, -scores[pk], pk))[:limit]
    return Found(_in_order(best), legs)


def similar_products(*, product: Product, limit: int) -> list[Product]:
    """Return the products nearest to this one; raises VectorsUnavailable."""
    hits = searching.similar(collection=COLLECTION, entity_id=str(product.pk), limit=limit)
    return _in_order([hit.id for hit in hits])


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
    merged = ProductAlias.objects.filter(product_key=product.merge_key).values_list("merge_key", flat=True)
    return [product.merge_key, *merged]


def duplicates_with_products(decisions: Sequence[MatchDecision]) -> dict[str, Product]:
    """Return the products that decisions are about, by merge key; one query."""
    keys = {key for decision in decisions for key in (decision.left_key, decision.right_key)}
    rows = Product.objects.select_related("merged_into").defer("search_document").filter(merge_key__in=keys)
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


def _by_words(query: str, within: QuerySet[Product]) -> QuerySet[Product, tuple[object, bool]]:
    """Return keys of products with any of the words, and whether they carry all; these first, then by rank."""
    words = words_of(query)
    # Letters and digits only: nothing a person types is read as an operator.
    any_word, every_word = (SearchQuery(sign.join(words) or "''", search_type="raw", config="simple") for sign in "|&")
    ranked = within.filter(search_document=any_word).annotate(
        is_complete=ExpressionWrapper(Q(search_document=every_word), output_field=BooleanField()),
        rank=SearchRank(F("search_document"), any_word, weights=PART_WEIGHTS),
    )
    return ranked.order_by("-is_complete", "-rank", "pk").values_list("pk", "is_complete")


def _in_order(ids: list[str]) -> list[Product]:
    rows = {str(row.pk): row for row in Product.objects.current().defer("search_document").filter(pk__in=ids)}
    return [rows[pk] for pk in ids if pk in rows]


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
        return [(source, _shown(value), _shown(value) == self.shown) for source, value in self.said.items()]


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
        return str(done.actor or done.client or (done.run and done.run.source) or "the matching") if done else "?"


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
                field=name, label=label, value=value, said=told, lock=lock,
                set_by=set_by if has_value or lock else "", set_at=set_at if has_value or lock else None,
            )
        )  # fmt: skip
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
