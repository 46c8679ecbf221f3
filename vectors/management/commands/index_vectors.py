"""Bring the vectors up to the rows."""

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress

from config.errors import CultivarError
from config.waiting import add_wait, patiently
from vectors.entities import entities
from vectors.errors import IndexBusy
from vectors.index.write import count_due, index_due


class Command(BaseCommand):
    """A progress bar a collection; changed rows are brought into all collections at once."""

    help = "Encode and store the vectors of every row that is due; build collections that are not there yet."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        add_wait(parser)

    def handle(self, *, wait: int, **_: Any) -> None:
        """Index every collection."""
        patient = patiently(IndexBusy, seconds=wait, say=self.stderr.write)
        try:
            for name in entities():
                with Progress() as progress:
                    bar = progress.add_task(name, total=count_due(collection=name))
                    counts = patient(
                        index_due, collection=name, on_batch=partial(progress.advance, bar)
                    )
                self.stdout.write(
                    f"{name}: {counts['encoded']} encoded, {counts['deleted']} deleted"
                )
        except CultivarError as error:
            raise CommandError(str(error), returncode=2) from error
