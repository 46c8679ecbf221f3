"""Command that builds a new vector index beside the serving one."""

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import Progress

from config.errors import CultivarError
from vectors.entities import entities
from vectors.index.build import rebuild
from vectors.search import serving_index
from vectors.selectors import row_count


class Command(BaseCommand):
    """Build, verify and activate a new index of one or all collections."""

    help = (
        "Build a new vector index and switch to it once it passes its checks. Searches continue"
        " meanwhile; the previous index is retained for a rollback."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--collection", help="collection to rebuild; default: all")
        parser.add_argument(
            "--index-type",
            choices=("FLAT", "IVF_FLAT"),
            default="",
            help="index type in Milvus; default: by number of rows",
        )

    def handle(self, *, collection: str | None, index_type: str, **_: Any) -> None:
        """Rebuild; exit code 2 on failure."""
        if collection and collection not in entities():
            raise CommandError(
                f"Unknown collection {collection}; known: {', '.join(entities())}.",
                returncode=2,
            )
        try:
            for name in [collection] if collection else list(entities()):
                self._rebuild(name, index_type)
        except CultivarError as error:
            raise CommandError(str(error), returncode=2) from error

    def _rebuild(self, name: str, index_type: str) -> None:
        with Progress() as progress:
            bar = progress.add_task(name, total=row_count(name))
            rebuild(collection=name, index_type=index_type, on_batch=partial(progress.advance, bar))
        index = serving_index(name)
        parameters = f", nprobe {index.nprobe}" if index.nprobe else ""
        self.stdout.write(
            f"{name}: {index.physical_name} is serving; {index.index_type}{parameters},"
            f" recall@10 {index.recall:.3f}"
        )
