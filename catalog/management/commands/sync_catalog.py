"""Fetch, clean, enrich and save the catalogues of suppliers."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Column, Table

from catalog.models import CatalogSource
from catalog.pipelines import pipeline_for
from config.errors import CultivarError
from config.waiting import add_wait_option, retry_while_busy
from mlops.pipelines.dry_run import DryRun, dry_run_source
from mlops.pipelines.errors import SourceBusy
from mlops.pipelines.runner import run_source

_SHOWN = 10


class Command(BaseCommand):
    """One line a source; exit code 2 when any failed."""

    help = "Fetch, clean, enrich and save the catalogues of the enabled sources."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--source", metavar="CODE", help="only this one, enabled or not")
        parser.add_argument(
            "--limit", type=int, help="stop after this many products of each source"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would change; write nothing"
        )
        parser.add_argument(
            "--full-refresh", action="store_true", help="fetch and refine also what is as last time"
        )
        parser.add_argument(
            "--accept",
            action="store_true",
            help="much has vanished or changed, and that is right: do not stop for it",
        )
        add_wait_option(parser)

    def handle(
        self,
        *,
        source: str | None,
        limit: int | None,
        dry_run: bool,
        accept: bool,
        full_refresh: bool,
        wait: int,
        **_: Any,
    ) -> None:
        """Run the sources one after the other."""
        known = CatalogSource.objects.order_by("pk")
        if source and not known.filter(pk=source).exists():
            codes = ", ".join(known.values_list("pk", flat=True))
            raise CommandError(f"There is no source {source!r}; there are {codes}.", returncode=2)
        if limit is not None and limit < 1:
            raise CommandError("--limit must be 1 or more.", returncode=2)
        rows = known.filter(pk=source) if source else known.filter(is_enabled=True)
        if not rows:
            raise CommandError(
                "No source is enabled; enable one in the console or by configure_source.",
                returncode=2,
            )
        table = Table(
            Column("source", no_wrap=True),
            "read",
            "new",
            "changed",
            "unchanged",
            "rejected",
            "gone",
            "checksum",
        )
        failures, rehearsals = [], []
        console = Console()
        patient = retry_while_busy(SourceBusy, max_seconds=wait, report=self.stderr.write)
        for row in rows:
            try:
                with console.status(f"{row.label} ..."):
                    if dry_run:
                        rehearsal = patient(
                            dry_run_source, pipeline_for(row), code=row.code, limit=limit
                        )
                        run = rehearsal.run
                        rehearsals.append(rehearsal)
                    else:
                        run = patient(
                            run_source,
                            pipeline_for(row),
                            code=row.code,
                            limit=limit,
                            accept=accept,
                            full_refresh=full_refresh,
                        )
                counts = (run.read, run.new, run.changed, run.unchanged, run.rejected, run.gone)
                table.add_row(row.code, *map(str, counts), run.checksum_out[:12])
            except CultivarError as error:
                failures.append(str(error))
        if table.row_count:
            console.print(table)
        for rehearsal in rehearsals:
            _show(console, rehearsal)
        if failures:
            raise CommandError(" ".join(failures), returncode=2)


def _show(console: Console, rehearsal: DryRun) -> None:
    if rehearsal.objection:
        console.print(f"A run would stop and ask: {rehearsal.objection}", style="yellow")
    changes = [d for d in rehearsal.differences if any(d.before.values())][:_SHOWN]
    if not changes:
        return
    table = Table(
        "would change", "column", "from", "to", title=f"some changes of {rehearsal.run.source}"
    )
    for change in changes:
        for column, value in change.after.items():
            table.add_row(change.key, column, change.before[column], value)
    console.print(table)
