"""The road of a value: back to the bytes it came from, and forward from bytes to all they touched."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from catalog.models import Product, ProductAlias, SupplierListing
from catalog.pipelines import pipeline_named
from catalog.selectors import Change, Fact, facts_of, history_of, keys_of
from mlops.models import LineageEntry, QuarantinedRecord, RawRecord, Run
from mlops.pipelines.landing import reread

# Which columns of a listing a field of a product is made of.
_MADE_OF = {
    "name_fr": ("name",),
    **{
        f"{kind}_percentage{end}": (f"{kind}_low", f"{kind}_high", f"{kind}_unit")
        for kind in ("thc", "cbd")
        for end in ("", "_low", "_high")
    },
    "thc_mg": ("thc_low", "thc_high", "thc_unit"),
    "cbd_mg": ("cbd_low", "cbd_high", "cbd_unit"),
    "mg_unit": ("thc_unit",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """One raw record, whether its bytes are what was received, and the payload of the listing found in them."""

    record: RawRecord
    problem: str
    """Empty when the bytes match their hash."""

    @property
    def storage_key(self) -> str:
        """Where the bytes lie."""
        return f"raw/{self.record.content_hash[:2]}/{self.record.content_hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One listing's part in a value: what it says, the run that wrote it, and the bytes that it was read from."""

    listing: SupplierListing
    says: str
    is_source_of_value: bool
    run: Run | None
    lineage: list[LineageEntry]
    raw: list[Bytes]
    payload: str
    """The record in the bytes, as JSON; empty when it cannot be found again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTrace:
    """All that is known of where a product's value comes from."""

    product: Product
    fact: Fact
    origins: list[Origin]
    history: list[Change]


@dataclass(slots=True, kw_only=True)
class Touched:
    """All that came of one raw record."""

    record: RawRecord
    problem: str = ""
    listings: list[tuple[SupplierListing, bool]] = field(default_factory=list)
    """Listings that it holds, and whether this record's run is the one that wrote them last."""
    products: list[Product] = field(default_factory=list)
    quarantined: list[QuarantinedRecord] = field(default_factory=list)


def trace_field(product: Product, name: str) -> FieldTrace:
    """Follow a field back. Raises KeyError when a product has no such field."""
    fact = {fact.field: fact for fact in facts_of(product)}[name]
    listings = SupplierListing.objects.filter(merge_key__in=keys_of(product)).select_related("run")
    agreeing = {source for source, _, is_ours in fact.candidates if is_ours}
    origins = [
        _origin(listing, name, listing.source in agreeing)
        for listing in listings.order_by("source", "external_id", "language")
    ]
    history = [
        change
        for change in history_of(product)
        if any(told == name for told, _, _ in change.values)
    ]
    return FieldTrace(product=product, fact=fact, origins=origins, history=history)


def trace_raw(record: RawRecord) -> Touched:
    """Follow a raw record forward."""
    touched = Touched(record=record)
    bundle = list(record.run.raw_records.filter(bundle=record.bundle).order_by("role"))
    try:
        keys = {(r.external_id, getattr(r, "language", "")) for r in _parsed(bundle)}
    except (OSError, ValueError) as error:
        touched.problem, keys = str(error), set()
    found = SupplierListing.objects.filter(
        source=record.source, external_id__in=[key for key, _ in keys]
    )
    written = SupplierListing.objects.filter(run=record.run, bundle=record.bundle)
    for listing in (found | written).distinct().order_by("external_id", "language"):
        is_last = listing.run_id == record.run_id and listing.bundle == record.bundle
        if is_last or (listing.external_id, listing.language) in keys:
            touched.listings.append((listing, is_last))
    merge_keys = {listing.merge_key for listing, _ in touched.listings}
    aliases = ProductAlias.objects.filter(merge_key__in=merge_keys).values_list(
        "product_key", flat=True
    )
    products = (
        Product.objects.current()
        .filter(merge_key__in=merge_keys | set(aliases))
        .defer("search_document")
    )
    touched.products = list(products.order_by("name"))
    ids = {key for key, _ in keys}
    touched.quarantined = list(
        QuarantinedRecord.objects.filter(
            source=record.source, external_id__in=ids | {""}, run=record.run
        )
    )
    return touched


def _origin(listing: SupplierListing, name: str, is_source: bool) -> Origin:
    told = [(column, getattr(listing, column, None)) for column in _MADE_OF.get(name, (name,))]
    bundle = (
        list(RawRecord.objects.filter(run=listing.run_id, bundle=listing.bundle).order_by("role"))
        if listing.bundle
        else []
    )
    raw, payload = [], ""
    for record in bundle:
        raw.append(Bytes(record=record, problem=_problem(record)))
    if bundle and not any(one.problem for one in raw):
        payload = _payload(bundle, listing)
    return Origin(
        listing=listing,
        says="; ".join(
            f"{column} {_text(value)}" for column, value in told if value not in (None, [])
        ),
        is_source_of_value=is_source,
        run=listing.run,
        lineage=list(LineageEntry.objects.filter(run=listing.run_id)) if listing.run_id else [],
        raw=raw,
        payload=payload,
    )


def _problem(record: RawRecord) -> str:
    try:
        reread([record])
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _payload(bundle: list[RawRecord], listing: SupplierListing) -> str:
    for record in _parsed(bundle):
        if (record.external_id, getattr(record, "language", listing.language)) == (
            listing.external_id,
            listing.language,
        ):
            payload: Mapping[str, Any] = record.payload
            return json.dumps(payload, ensure_ascii=False, indent=2, default=str)
    return ""


def _parsed(bundle: list[RawRecord]) -> Iterator[Any]:
    run = bundle[0].run
    yield from pipeline_named(run.pipeline).source(run.source).parse(reread(bundle))


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
