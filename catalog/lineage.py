"""Lineage of values: from a product's field back to raw bytes, and from a raw record forward."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from catalog.models import Product, ProductAlias, SupplierListing
from catalog.pipelines import pipeline_by_name
from catalog.reference.field_labels import field_label
from catalog.selectors.field_merge import listing_columns
from catalog.selectors.listings import merge_keys_of
from catalog.selectors.product_fields import (
    ProductChange,
    ProductFieldState,
    product_changes,
    product_field_states,
)
from mlops.models import LineageEntry, QuarantinedRecord, RawRecord, Run
from mlops.pipelines.landing import read_landed
from mlops.pipelines.remembered_fixes import load_fixes


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRawRecord:
    """
    Raw record with the result of its verification.

    problem: why the stored bytes are not those received; empty when they match their hash.
    """

    record: RawRecord
    problem: str

    @property
    def storage_key(self) -> str:
        """Key of the bytes in object storage."""
        return f"raw/{self.record.content_hash[:2]}/{self.record.content_hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingOrigin:
    """
    Origin of a value in a listing: its columns, the run that wrote it and the raw records.

    values: the columns and their values as text. is_source_of_value: whether the product has the
    value of this listing's source. payload: the listing's record in the raw bytes as JSON; empty
    when the bytes cannot be read; with the values of the remembered `fixes`, if any.
    """

    listing: SupplierListing
    values: str
    is_source_of_value: bool
    run: Run | None
    lineage: list[LineageEntry]
    raw_records: list[VerifiedRawRecord]
    payload: str
    fixes: list[QuarantinedRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTrace:
    """Backward trace of a product's field: current state, origins and changes."""

    product: Product
    state: ProductFieldState
    origins: list[ListingOrigin]
    changes: list[ProductChange]


@dataclass(slots=True, kw_only=True)
class RawRecordTrace:
    """
    Forward trace of a raw record: listings, products and quarantined records.

    listings: each with whether this record's run was the last to write it. problem: why the stored
    bytes cannot be read; empty when they can.
    """

    record: RawRecord
    problem: str = ""
    listings: list[tuple[SupplierListing, bool]] = field(default_factory=list)
    products: list[Product] = field(default_factory=list)
    quarantined: list[QuarantinedRecord] = field(default_factory=list)


def trace_field(product: Product, name: str) -> FieldTrace:
    """Trace a field back to raw records; raises KeyError for an unknown field."""
    states = {state.field: state for state in product_field_states(product)}
    state = states[name]
    agreeing_sources = {source for source, _, is_ours in state.display_source_values if is_ours}
    agreeing_sources |= set(state.last_stated_by)
    listings = SupplierListing.objects.filter(merge_key__in=merge_keys_of(product)).select_related(
        "run"
    )
    origins = [
        _listing_origin(listing, name, is_source=listing.source in agreeing_sources)
        for listing in listings.order_by("source", "external_id", "language")
    ]
    changes = [
        change
        for change in product_changes(product)
        if any(changed == name for changed, _, _ in change.values)
    ]
    return FieldTrace(product=product, state=state, origins=origins, changes=changes)


def trace_raw_record(record: RawRecord) -> RawRecordTrace:
    """Trace a raw record forward to everything that was read from it."""
    trace = RawRecordTrace(record=record)
    bundle = list(record.run.raw_records.filter(bundle=record.bundle).order_by("role"))
    keys: set[tuple[str, str]] = set()
    try:
        keys = {(r.external_id, getattr(r, "language", "")) for r, _ in _parse(bundle)}
    except (OSError, ValueError) as error:
        trace.problem = str(error)
    external_ids = {external_id for external_id, _ in keys}
    contained = SupplierListing.objects.filter(source=record.source, external_id__in=external_ids)
    written = SupplierListing.objects.filter(run=record.run, bundle=record.bundle)
    for listing in (contained | written).distinct().order_by("external_id", "language"):
        is_last_writer = listing.run_id == record.run_id and listing.bundle == record.bundle
        if is_last_writer or (listing.external_id, listing.language) in keys:
            trace.listings.append((listing, is_last_writer))
    trace.products = _products_of([listing for listing, _ in trace.listings])
    trace.quarantined = list(
        QuarantinedRecord.objects.filter(
            source=record.source, external_id__in=external_ids | {""}, run=record.run
        )
    )
    return trace


def _products_of(listings: list[SupplierListing]) -> list[Product]:
    """Return the current products into which listings are merged, by name."""
    merge_keys = {listing.merge_key for listing in listings}
    aliases = ProductAlias.objects.filter(merge_key__in=merge_keys).values_list(
        "product_key", flat=True
    )
    products = Product.objects.current().filter(merge_key__in=merge_keys | set(aliases))
    return list(products.defer("search_document").order_by("name"))


def _listing_origin(listing: SupplierListing, name: str, *, is_source: bool) -> ListingOrigin:
    columns = listing_columns(name)
    values = [(column, getattr(listing, column, None)) for column in columns]
    bundle = (
        list(RawRecord.objects.filter(run=listing.run_id, bundle=listing.bundle).order_by("role"))
        if listing.bundle
        else []
    )
    raw_records = [
        VerifiedRawRecord(record=record, problem=_find_problem(record)) for record in bundle
    ]
    is_readable = bool(bundle) and not any(raw.problem for raw in raw_records)
    payload, fix_ids = _find_payload(bundle, listing) if is_readable else ("", [])
    return ListingOrigin(
        listing=listing,
        values="; ".join(
            f"{field_label(column)} {_as_text(value)}"
            for column, value in values
            if value not in (None, [])
        ),
        is_source_of_value=is_source,
        run=listing.run,
        lineage=list(LineageEntry.objects.filter(run=listing.run_id)) if listing.run_id else [],
        raw_records=raw_records,
        payload=payload,
        fixes=list(QuarantinedRecord.objects.filter(pk__in=fix_ids).order_by("closed_at")),
    )


def _find_problem(record: RawRecord) -> str:
    try:
        read_landed([record])
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _find_payload(bundle: list[RawRecord], listing: SupplierListing) -> tuple[str, list[UUID]]:
    """Return the listing's record as JSON, and the ids of the fixes in it."""
    key = (listing.external_id, listing.language)
    for record, fix_ids in _parse(bundle):
        if (record.external_id, getattr(record, "language", listing.language)) == key:
            payload: Mapping[str, Any] = record.payload
            return json.dumps(payload, ensure_ascii=False, indent=2, default=str), fix_ids
    return "", []


def _parse(bundle: list[RawRecord]) -> Iterator[tuple[Any, list[UUID]]]:
    """Yield the records as their run read them, each with the ids of the fixes in it."""
    run = bundle[0].run
    pipeline = pipeline_by_name(run.pipeline)
    source = pipeline.source(run.source)
    fixes = load_fixes(pipeline, run)
    for record in source.parse(read_landed(bundle)):
        yield fixes.fix(source, record)


def _as_text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
