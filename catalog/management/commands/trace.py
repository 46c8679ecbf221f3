"""The road of a value: back to its bytes, or forward from them."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from catalog.lineage import trace_field, trace_raw
from catalog.models import Product
from catalog.models.corrections import CORRECTABLE
from mlops.models import RawRecord


class Command(BaseCommand):
    """`trace product ID [FIELD]` and `trace raw ID`."""

    help = "Follow a product's field back to the bytes it came from, or a raw record forward to all it touched."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare arguments."""
        kinds = parser.add_subparsers(dest="kind", required=True)
        product = kinds.add_parser("product", help="back: product, listings, runs, raw records")
        product.add_argument("product", help="id, SKU or GTIN")
        product.add_argument(
            "field",
            nargs="?",
            default="name",
            choices=CORRECTABLE,
            metavar="FIELD",
            help="one of " + ", ".join(CORRECTABLE),
        )
        raw = kinds.add_parser("raw", help="forward: listings, products, quarantine")
        raw.add_argument("record", help="id of a raw record")

    def handle(self, *, kind: str, **told: Any) -> None:
        """Print the road."""
        if kind == "product":
            self._back(_product(told["product"]), told["field"])
        else:
            record = (
                RawRecord.objects.select_related("run").filter(pk=pk).first()
                if (pk := _uuid(told["record"]))
                else None
            )
            if record is None:
                raise CommandError(f"There is no raw record {told['record']}.", returncode=2)
            self._forward(record)

    def _back(self, product: Product, name: str) -> None:
        trace = trace_field(product, name)
        fact, say = trace.fact, self.stdout.write
        say(f"{product.name} ({product.pk})")
        say(
            f"{name}: {fact.shown or '–'}, set by {fact.set_by or 'nobody'}"
            + (f", {fact.set_at:%Y-%m-%d %H:%M}" if fact.set_at else "")
        )
        if fact.lock:
            say(
                f"  locked by {fact.lock.locked_by}, {fact.lock.locked_at:%Y-%m-%d %H:%M}: {fact.lock.reason or 'no reason told'}"
            )
        for origin in trace.origins:
            listing, run = origin.listing, origin.run
            mark = "=" if origin.is_source_of_value else "≠"
            say(
                f"  {mark} listing {listing.source} {listing.external_id} ({listing.language}): {origin.says or 'says nothing of it'}"
            )
            if run:
                say(
                    f"      run {run.pk} {run.started_at:%Y-%m-%d %H:%M} {run.status}, in {run.checksum_in[:12]}, out {run.checksum_out[:12]}"
                )
            for entry in origin.lineage:
                say(
                    f"      lineage {entry.operation} → {entry.output_table}, {entry.record_count} rows, {entry.checksum[:12]}"
                )
            for raw in origin.raw:
                state = raw.problem or "bytes match their hash"
                say(f"      raw {raw.record.pk} {raw.record.role}: {raw.record.url}")
                say(
                    f"          sha256 {raw.record.content_hash}, {raw.record.size_bytes:,} bytes, {state}"
                )
                say(
                    f"          fetched {raw.record.fetched_at:%Y-%m-%d %H:%M:%S}, at {raw.storage_key}"
                )
            if origin.payload:
                shown = (
                    origin.payload
                    if len(origin.payload) <= 1_500
                    else origin.payload[:1_500] + " …"
                )
                say(
                    "      in the bytes:\n"
                    + "\n".join(f"        {line}" for line in shown.splitlines())
                )
        for change in trace.history:
            before, after = next((b, a) for told, b, a in change.values if told == name)
            why = change.operation.reason if change.operation else ""
            say(
                f"  {change.at:%Y-%m-%d %H:%M} {before or '–'} → {after or '–'}, by {change.who}{': ' + why if why else ''}"
            )

    def _forward(self, record: RawRecord) -> None:
        touched, say = trace_raw(record), self.stdout.write
        say(
            f"raw record {record.pk}: {record.source} {record.bundle} {record.role}, sha256 {record.content_hash}"
        )
        say(f"run {record.run_id} {record.run.started_at:%Y-%m-%d %H:%M} {record.run.status}")
        if touched.problem:
            say(f"  {touched.problem}")
        for listing, is_last in touched.listings:
            state = "written by this run" if is_last else f"written last by run {listing.run_id}"
            say(f"  listing {listing.external_id} ({listing.language}) {listing.name}: {state}")
        for product in touched.products:
            say(f"  product {product.pk} {product.name}")
        for held in touched.quarantined:
            say(
                f"  quarantined {held.pk} {held.external_id}: {held.reason}{' (' + held.outcome + ')' if held.outcome else ''}"
            )


def _product(told: str) -> Product:
    pk = _uuid(told)
    found = Product.objects.defer("search_document").filter(
        Q(pk=pk) if pk else Q(sku=told) | Q(gtin=told.zfill(14))
    )[:2]
    if not found:
        raise CommandError(f"There is no product {told}.", returncode=2)
    if len(found) > 1:
        raise CommandError(f"{told} is that of more than one product; give an id.", returncode=2)
    return found[0]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
