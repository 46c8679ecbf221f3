"""Build the index of a collection anew, beside the one that serves."""

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress

from config.errors import CultivarError
from vectors import search
from vectors.entities import entities
from vectors.index.build import rebuild


class Command(BaseCommand):
    """Fills, measures, tries, and only then lets it serve."""

    help = "Build an index anew; queries go on meanwhile, and the old one is kept for rolling back."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--collection", help="all of them unless told")
        parser.add_argument(
            "--index-type", choices=("FLAT", "IVF_FLAT"), default="", help="by size unless told"
        )

    def handle(self, *, collection: str | None, index_type: str, **_: Any) -> None:
        """Rebuild."""
        if collection and collection not in entities():
            raise CommandError(
                f"There is no collection {collection}; there are {', '.join(entities())}.",
                returncode=2,
            )
        try:
            for name in [collection] if collection else list(entities()):
                with Progress() as progress:
                    bar = progress.add_task(name, total=entities()[name].queryset().count())
                    rebuild(
                        collection=name,
                        index_type=index_type,
                        on_batch=partial(progress.advance, bar),
                    )
                index = search.serving(name)
                tuned = f", nprobe {index.nprobe}" if index.nprobe else ""
                self.stdout.write(
                    f"{name}: {index.physical} serves; {index.index_type}{tuned}, recall@10 {index.recall:.3f}"
                )
        except CultivarError as error:
            raise CommandError(str(error), returncode=2) from error
