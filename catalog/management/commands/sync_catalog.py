"""Fetch, clean, enrich and save the catalogues of suppliers."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from catalog.ingest.pipeline import SUPPLIER_PRODUCTS
from catalog.models import CatalogSource
from config.errors import CultivarError
from mlops.flow.runner import rehearse_source, run_source


class Command(BaseCommand):
    """One line a source; exit code 2 when any failed."""

    help = "Fetch, clean, enrich and save the catalogues of the enabled sources."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--source", help="only this one, enabled or not: ocs, aglc, sqdc")
        parser.add_argument("--limit", type=int, help="stop after this many products of each source")
        parser.add_argument("--dry-run", action="store_true", help="say what would change; write nothing")

        parser.add_argument(
            "--accept", action="store_true", help="much has vanished or changed, and that is right: do not stop for it"
        )

    def handle(self, *, source: str | None, limit: int | None, dry_run: bool, accept: bool, **_: Any) -> None:
        """Run the sources one after the other."""
        known = [s.code for s in SUPPLIER_PRODUCTS.sources]
        if source and source not in known:
            raise CommandError(f"There is no source {source!r}; there are {', '.join(known)}.", returncode=2)
        if limit is not None and limit < 1:
            raise CommandError("--limit must be 1 or more.", returncode=2)
        rows = CatalogSource.objects.filter(pk=source) if source else CatalogSource.objects.filter(is_enabled=True)
        if not rows:
            raise CommandError("No source is enabled; enable one in the console or by configure_source.", returncode=2)
        table = Table("source", "read", "new", "changed", "unchanged", "rejected", "gone", "checksum")
        failures = []
        console = Console()
        for row in rows:
            try:
                with console.status(f"{row.label} ..."):
                    options: dict[str, Any] = {"code": row.code, "base_url": row.base_url, "limit": limit}
                    run = (
                        rehearse_source(SUPPLIER_PRODUCTS, **options)
                        if dry_run
                        else run_source(SUPPLIER_PRODUCTS, **options, accept=accept)
                    )
                counts = (run.read, run.new, run.changed, run.unchanged, run.rejected, run.gone)
                table.add_row(row.code, *map(str, counts), run.checksum_out[:12])
            except CultivarError as error:
                failures.append(str(error))
        if table.row_count:
            console.print(table)
        if failures:
            raise CommandError(" ".join(failures), returncode=2)
