"""Fetch, clean, enrich and save the catalogues of suppliers."""

from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet
from rich.console import Console
from rich.table import Column, Table
from tenacity import Retrying

from catalog.models import CatalogSource
from catalog.pipelines import pipeline_for
from catalog.selectors.sources import all_sources, enabled_sources
from config.errors import CultivarError
from config.waiting import add_wait_option, retry_while_busy
from mlops.models import Run
from mlops.pipelines.dry_run import DryRun, dry_run_source
from mlops.pipelines.errors import SourceBusy
from mlops.pipelines.runner import run_source

_MAX_DIFFERENCES_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    limit: int | None
    accept: bool
    full_refresh: bool


class Command(BaseCommand):
    """Prints one line per source; exit code 2 when any source failed."""

    help = "Fetch, clean, enrich and save the catalogues of the enabled sources."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--source", metavar="CODE", help="only this one, enabled or not")
        parser.add_argument(
            "--limit", type=int, help="stop after this many products of each source"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="show what would change; write nothing"
        )
        parser.add_argument(
            "--full-refresh",
            action="store_true",
            help="fetch and process everything again, including what is unchanged",
        )
        parser.add_argument(
            "--accept",
            action="store_true",
            help="proceed although many listings are gone or many prices have changed",
        )
        add_wait_option(parser)

    def handle(self, *, source: str | None, dry_run: bool, wait: int, **options: Any) -> None:
        """Run the sources one after the other."""
        run_options = _Options(
            limit=options["limit"],
            accept=options["accept"],
            full_refresh=options["full_refresh"],
        )
        if run_options.limit is not None and run_options.limit < 1:
            raise CommandError("--limit must be 1 or more.", returncode=2)
        console = Console()
        retrying = retry_while_busy(SourceBusy, max_seconds=wait, report=self.stderr.write)
        runs: list[Run] = []
        dry_runs: list[DryRun] = []
        failures: list[str] = []
        for row in _select_sources(source):
            try:
                with console.status(f"{row.label} ..."):
                    if dry_run:
                        dry_runs.append(_dry_run(row, run_options, retrying))
                        runs.append(dry_runs[-1].run)
                    else:
                        runs.append(_run(row, run_options, retrying))
            except CultivarError as error:
                failures.append(str(error))
        if runs:
            console.print(_counts_table(runs))
        for result in dry_runs:
            _print_differences(console, result)
        if failures:
            raise CommandError(" ".join(failures), returncode=2)


def _select_sources(code: str | None) -> QuerySet[CatalogSource]:
    selected = all_sources().filter(pk=code) if code else enabled_sources()
    if selected:
        return selected
    if code:
        codes = ", ".join(source.code for source in all_sources())
        raise CommandError(f"Unknown source {code!r}; known sources: {codes}.", returncode=2)
    raise CommandError(
        "No source is enabled; enable one in the console or by configure_source.", returncode=2
    )


def _run(source: CatalogSource, options: _Options, retrying: Retrying) -> Run:
    run: Run = retrying(
        run_source,
        pipeline_for(source),
        code=source.code,
        limit=options.limit,
        accept=options.accept,
        full_refresh=options.full_refresh,
    )
    return run


def _dry_run(source: CatalogSource, options: _Options, retrying: Retrying) -> DryRun:
    result: DryRun = retrying(
        dry_run_source, pipeline_for(source), code=source.code, limit=options.limit
    )
    return result


def _counts_table(runs: list[Run]) -> Table:
    table = Table(
        Column("source", no_wrap=True),
        "read",
        "new",
        "changed",
        "unchanged",
        "rejected",
        "repeated",
        "gone",
        "checksum",
    )
    for run in runs:
        counts = (run.new, run.changed, run.unchanged, run.rejected, run.repeated, run.gone)
        table.add_row(run.source, str(run.read), *map(str, counts), run.checksum_out[:12])
    return table


def _print_differences(console: Console, result: DryRun) -> None:
    if result.objection:
        console.print(f"A run would stop: {result.objection}", style="yellow")
    changed_rows = [row for row in result.differences if any(row.before.values())]
    if not changed_rows:
        return
    title = f"some changes of {result.run.source}"
    table = Table("would change", "column", "from", "to", title=title)
    for row in changed_rows[:_MAX_DIFFERENCES_SHOWN]:
        for column, value in row.after.items():
            table.add_row(row.key, column, row.before[column], value)
    console.print(table)
