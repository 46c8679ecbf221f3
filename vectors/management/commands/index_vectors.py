"""Command that computes the vectors of all due rows."""

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress

from config.errors import CultivarError
from config.waiting import add_wait_option, retry_while_busy
from vectors.entities import entities
from vectors.errors import IndexBusy
from vectors.index.write import count_due_rows, index_due_rows


class Command(BaseCommand):
    """Index due rows; one progress bar per collection."""

    help = (
        "Compute and store the vectors of all rows that are due; build collections that have no"
        " index yet."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        add_wait_option(parser)

    def handle(self, *, wait: int, **_: Any) -> None:
        """Index every collection; exit code 2 on failure."""
        call_with_wait = retry_while_busy(IndexBusy, max_seconds=wait, report=self.stderr.write)
        try:
            for name in entities():
                with Progress() as progress:
                    bar = progress.add_task(name, total=count_due_rows(collection=name))
                    counts = call_with_wait(
                        index_due_rows, collection=name, on_batch=partial(progress.advance, bar)
                    )
                self.stdout.write(
                    f"{name}: {counts['encoded']} encoded, {counts['deleted']} deleted"
                )
        except CultivarError as error:
            raise CommandError(str(error), returncode=2) from error
