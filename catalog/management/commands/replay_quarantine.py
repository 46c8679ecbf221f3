"""Read what lies in quarantine again, by today's rules."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.progress import track

from catalog.pipelines import pipeline_named
from mlops.models import QuarantinedRecord
from mlops.pipelines.replay import ReplayRefused, replay, try_payload
from mlops.streams.intake import PIPELINE as STREAMS


class Command(BaseCommand):
    """Counts at the end; what is still rejected stays where it is."""

    help = "Replay quarantined records that today's rules accept."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare options."""
        parser.add_argument("--source", help="only those of this source")
        parser.add_argument(
            "--dry-run", action="store_true", help="tell what would be replayed, write nothing"
        )

    def handle(self, *, source: str | None, dry_run: bool, **_: Any) -> None:
        """Replay each."""
        # Events are replayed by `manage.py replay_events --quarantine TOPIC`.
        due = (
            QuarantinedRecord.objects.filter(closed_at=None)
            .exclude(run__pipeline=STREAMS)
            .select_related("run")
        )
        if source:
            due = due.filter(source=source)
            if not QuarantinedRecord.objects.filter(source=source).exists():
                raise CommandError(f"Nothing of {source} was ever quarantined.", returncode=2)
        done = refused = 0
        for record in track(list(due), description="Replaying", transient=True):
            pipeline = pipeline_named(record.run.pipeline)
            try:
                if dry_run:
                    refined = try_payload(pipeline, source=record.source, payload=record.payload)
                    is_accepted = bool(refined.accepted) and not refined.rejected
                else:
                    replay(pipeline, record=record, by=None)
                    is_accepted = True
            except ReplayRefused:
                is_accepted = False
            done, refused = done + is_accepted, refused + (not is_accepted)
        self.stdout.write(
            f"{done} {'would be' if dry_run else 'were'} replayed, {refused} are still rejected."
        )
