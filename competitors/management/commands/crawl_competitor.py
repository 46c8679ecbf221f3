"""Crawl a competitor, or read the pages of an earlier crawl again."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from competitors import crawls
from competitors.models import Competitor
from competitors.selectors.competitors import all_competitors, get_competitor
from competitors.selectors.crawl_runs import find_crawl
from config.errors import CultivarError
from config.waiting import add_wait_option, retry_while_busy
from mlops.models import Run
from mlops.pipelines.dry_run import DryRun
from mlops.pipelines.errors import SourceBusy

_MAX_DIFFERENCES_SHOWN = 10


class Command(BaseCommand):
    """Prints the counts of the crawl; exit code 2 when it failed."""

    help = (
        "Crawl a competitor now, whatever its schedule and status, and save its offers. "
        "Robots.txt, Crawl-delay and the request budget apply."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("code", metavar="CODE", help="code of the competitor")
        parser.add_argument(
            "--limit",
            type=int,
            metavar="N",
            help="stop after about this many records; shows nothing about what is gone",
        )
        parser.add_argument(
            "--accept",
            action="store_true",
            help="proceed although many offers are missing or many prices jump",
        )
        parser.add_argument(
            "--full-refresh",
            action="store_true",
            help="request and process unchanged pages as well",
        )
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument(
            "--dry-run", action="store_true", help="show what would change; write nothing"
        )
        instead.add_argument(
            "--replay",
            metavar="RUN",
            help="read the stored pages of this run (id, or 'last') again; fetch nothing",
        )
        add_wait_option(parser)

    def handle(self, *, code: str, limit: int | None, wait: int, **options: Any) -> None:
        """Crawl and print the counts."""
        if limit is not None and limit < 1:
            raise CommandError("--limit must be 1 or more.", returncode=2)
        self._check_code(code)
        retrying = retry_while_busy(SourceBusy, max_seconds=wait, report=self.stderr.write)
        try:
            if options["dry_run"]:
                self._print_dry_run(retrying(crawls.dry_run, code, limit=limit))
            elif options["replay"]:
                self._print_run(retrying(crawls.replay, self._find_crawl(code, options["replay"])))
            else:
                self._print_run(
                    retrying(
                        crawls.crawl,
                        code,
                        limit=limit,
                        accept=options["accept"],
                        full_refresh=options["full_refresh"],
                    )
                )
        except CultivarError as error:
            raise CommandError(str(error), returncode=2) from None

    def _check_code(self, code: str) -> None:
        try:
            get_competitor(code)
        except Competitor.DoesNotExist:
            known = ", ".join(competitor.code for competitor in all_competitors()) or "none"
            raise CommandError(
                f"CODE: unknown competitor {code!r}; known: {known}.", returncode=2
            ) from None

    def _find_crawl(self, code: str, run_id: str) -> Run:
        try:
            return find_crawl(code, run_id)
        except (Run.DoesNotExist, ValidationError):
            raise CommandError(
                f"--replay: {code} has no crawl {run_id!r} whose pages are stored.", returncode=2
            ) from None

    def _print_run(self, run: Run) -> None:
        self.stdout.write(
            f"{run.source}: read {run.read}, new {run.new}, changed {run.changed},"
            f" unchanged {run.unchanged}, rejected {run.rejected}, repeated {run.repeated},"
            f" gone {run.gone}"
        )

    def _print_dry_run(self, result: DryRun) -> None:
        self._print_run(result.run)
        if result.objection:
            self.stdout.write(f"A crawl would stop: {result.objection}")
        for row in result.differences[:_MAX_DIFFERENCES_SHOWN]:
            changes = "; ".join(
                f"{column} {row.before.get(column, '')!r} → {value!r}"
                for column, value in row.after.items()
            )
            self.stdout.write(f"  {row.key}: {changes}")
