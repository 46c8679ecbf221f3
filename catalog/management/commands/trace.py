"""Command that prints the lineage of a product's field or of a raw record."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.lineage import (
    FieldTrace,
    ListingOrigin,
    VerifiedRawRecord,
    trace_field,
    trace_raw_record,
)
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE_FIELDS
from catalog.selectors.product_fields import ProductChange
from catalog.selectors.products import find_products_by_number
from catalog.selectors.raw_records import find_raw_record
from mlops.models import RawRecord, Run

_MAX_PAYLOAD_LENGTH = 1_500
_MINUTE = "%Y-%m-%d %H:%M"


class Command(BaseCommand):
    """`trace product ID [FIELD]` and `trace raw ID`."""

    help = (
        "Trace a product's field back to the raw bytes it was read from, or a raw record forward"
        " to listings, products and quarantine."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the arguments."""
        kinds = parser.add_subparsers(dest="kind", required=True)
        product = kinds.add_parser("product", help="trace back to listings, runs and raw records")
        product.add_argument("product", help="id, SKU or GTIN")
        product.add_argument(
            "field",
            nargs="?",
            default="name",
            choices=CORRECTABLE_FIELDS,
            metavar="FIELD",
            help="one of " + ", ".join(CORRECTABLE_FIELDS),
        )
        raw = kinds.add_parser("raw", help="trace forward to listings, products and quarantine")
        raw.add_argument("record", help="id of a raw record")

    def handle(self, *, kind: str, **options: Any) -> None:
        """Print the trace; exit code 2 for an unknown product or record."""
        if kind == "product":
            product = _find_product(options["product"])
            self._print_field_trace(trace_field(product, options["field"]))
        else:
            self._print_raw_record_trace(_find_raw_record(options["record"]))

    def _print_field_trace(self, trace: FieldTrace) -> None:
        state = trace.state
        self.stdout.write(f"{trace.product.name} ({trace.product.pk})")
        set_at = f", {state.set_at:{_MINUTE}}" if state.set_at else ""
        self.stdout.write(
            f"{state.field}: {state.display_value or '–'}, set by {state.set_by or 'no source'}"
            f"{set_at}"
        )
        if state.lock:
            self.stdout.write(
                f"  locked by {state.lock.locked_by}, {state.lock.locked_at:{_MINUTE}}:"
                f" {state.lock.reason or 'no reason given'}"
            )
        for origin in trace.origins:
            self._print_origin(origin)
        for change in trace.changes:
            self._print_change(change, state.field)

    def _print_origin(self, origin: ListingOrigin) -> None:
        listing = origin.listing
        mark = "=" if origin.is_source_of_value else "≠"
        self.stdout.write(
            f"  {mark} listing {listing.source} {listing.external_id} ({listing.language}):"
            f" {origin.values or 'no value'}"
        )
        if origin.run:
            self.stdout.write(f"      {_describe_run(origin.run)}")
        for entry in origin.lineage:
            self.stdout.write(
                f"      lineage {entry.operation} → {entry.output_table},"
                f" {entry.record_count} rows, {entry.checksum[:12]}"
            )
        for raw in origin.raw_records:
            self._print_raw_record(raw)
        if origin.payload:
            self.stdout.write("      record in the raw bytes:")
            for line in _shorten(origin.payload).splitlines():
                self.stdout.write(f"        {line}")

    def _print_raw_record(self, raw: VerifiedRawRecord) -> None:
        record = raw.record
        self.stdout.write(f"      raw {record.pk} {record.role}: {record.url}")
        self.stdout.write(
            f"          sha256 {record.content_hash}, {record.size_bytes:,} bytes,"
            f" {raw.problem or 'bytes match their hash'}"
        )
        self.stdout.write(
            f"          fetched {record.fetched_at:%Y-%m-%d %H:%M:%S}, at {raw.storage_key}"
        )

    def _print_change(self, change: ProductChange, field: str) -> None:
        before, after = next((b, a) for name, b, a in change.values if name == field)
        reason = change.operation.reason if change.operation else ""
        self.stdout.write(
            f"  {change.at:{_MINUTE}} {before or '–'} → {after or '–'}, by {change.actor}"
            + (f": {reason}" if reason else "")
        )

    def _print_raw_record_trace(self, record: RawRecord) -> None:
        trace = trace_raw_record(record)
        self.stdout.write(
            f"raw record {record.pk}: {record.source} {record.bundle} {record.role},"
            f" sha256 {record.content_hash}"
        )
        self.stdout.write(
            f"run {record.run_id} {record.run.started_at:{_MINUTE}} {record.run.status}"
        )
        if trace.problem:
            self.stdout.write(f"  {trace.problem}")
        for listing, is_last_writer in trace.listings:
            writer = "this run" if is_last_writer else f"run {listing.run_id}"
            self.stdout.write(
                f"  listing {listing.external_id} ({listing.language}) {listing.name}:"
                f" last written by {writer}"
            )
        for product in trace.products:
            self.stdout.write(f"  product {product.pk} {product.name}")
        for rejected in trace.quarantined:
            outcome = f" ({rejected.outcome})" if rejected.outcome else ""
            self.stdout.write(
                f"  quarantined {rejected.pk} {rejected.external_id}: {rejected.reason}{outcome}"
            )


def _describe_run(run: Run) -> str:
    return (
        f"run {run.pk} {run.started_at:{_MINUTE}} {run.status},"
        f" in {run.checksum_in[:12]}, out {run.checksum_out[:12]}"
    )


def _shorten(payload: str) -> str:
    if len(payload) <= _MAX_PAYLOAD_LENGTH:
        return payload
    return payload[:_MAX_PAYLOAD_LENGTH] + " …"


def _find_product(reference: str) -> Product:
    """Return a product by id, SKU or GTIN; raises CommandError for none or several."""
    products = find_products_by_number(reference)
    if not products:
        raise CommandError(f"Product not found: {reference}.", returncode=2)
    if len(products) > 1:
        raise CommandError(
            f"Several products have the SKU or GTIN {reference}; give an id.", returncode=2
        )
    return products[0]


def _find_raw_record(reference: str) -> RawRecord:
    """Return a raw record by id; raises CommandError."""
    pk = _parse_uuid(reference)
    record = find_raw_record(pk) if pk else None
    if record is None:
        raise CommandError(f"Raw record not found: {reference}.", returncode=2)
    return record


def _parse_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
