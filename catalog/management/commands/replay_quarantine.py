"""Process quarantined records again with the current rules."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import track

from catalog.pipelines import pipeline_by_name
from catalog.selectors.quarantine import open_source_records, was_quarantined
from mlops.models import QuarantinedRecord
from mlops.pipelines.definitions import Pipeline
from mlops.pipelines.replay import ReplayRefused, preview_payload, replay


class Command(BaseCommand):
    """Prints the counts; records that are still rejected stay in quarantine."""

    help = "Replay quarantined records that the current rules accept."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare options."""
        parser.add_argument("--source", help="only those of this source")
        parser.add_argument(
            "--dry-run", action="store_true", help="count what would be replayed; write nothing"
        )

    def handle(self, *, source: str | None, dry_run: bool, **_: Any) -> None:
        """Replay each open record."""
        if source and not was_quarantined(source):
            raise CommandError(f"No record of {source} was ever quarantined.", returncode=2)
        # Events are replayed by `manage.py replay_events --quarantine TOPIC`.
        records = open_source_records(source=source)
        replayed = 0
        rejected = 0
        for record in track(records, description="Replaying", transient=True):
            pipeline = pipeline_by_name(record.run.pipeline)
            if _replay(record, pipeline, dry_run=dry_run):
                replayed += 1
            else:
                rejected += 1
        self.stdout.write(
            f"{replayed} {'would be' if dry_run else 'were'} replayed, "
            f"{rejected} are still rejected."
        )


def _replay(record: QuarantinedRecord, pipeline: Pipeline, *, dry_run: bool) -> bool:
    """Replay a record, or preview it; return whether the rules accept it."""
    try:
        if dry_run:
            result = preview_payload(pipeline, source=record.source, payload=record.payload)
            return bool(result.accepted) and not result.rejected
        replay(pipeline, record=record, by=None)
    except ReplayRefused:
        return False
    return True
