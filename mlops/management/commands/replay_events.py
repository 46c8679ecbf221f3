"""Replay events from a file or from quarantine."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from config.clients.kafka import KafkaFailed, Producer, is_configured
from config.errors import BadInput
from mlops.streams.replay import check_file, replay_file, replay_quarantined

UNAVAILABLE, REFUSED = 1, 2


class Command(BaseCommand):
    """Safe to repeat: events that were applied before are not applied again."""

    help = "Send a file of events (one JSON envelope per line) to Kafka, or replay the quarantine."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "file", nargs="?", type=Path, metavar="FILE.jsonl", help="events, one per line"
        )
        parser.add_argument("--topic", help="topic of the file's events")
        parser.add_argument(
            "--quarantine", metavar="TOPIC", help="replay the quarantined events of this topic"
        )
        parser.add_argument("--rate", type=float, help="maximum number of events per second")
        parser.add_argument(
            "--dry-run", action="store_true", help="only count what would be sent or accepted"
        )

    def handle(
        self,
        *,
        file: Path | None,
        topic: str | None,
        quarantine: str | None,
        rate: float | None,
        dry_run: bool,
        **_: Any,
    ) -> None:
        """Replay; exit with 2 and one line for invalid input."""
        if bool(file) == bool(quarantine):
            raise CommandError(
                "Give either a file with --topic, or --quarantine.", returncode=REFUSED
            )
        if rate is not None and rate <= 0:
            raise CommandError("--rate must be above 0.", returncode=REFUSED)
        if file and not topic:
            raise CommandError("--topic is required with a file.", returncode=REFUSED)
        try:
            if quarantine:
                self._replay_quarantined(quarantine, dry_run)
            elif file and topic:
                self._replay_file(file, topic, rate, dry_run)
        except BadInput as error:
            raise CommandError(str(error), returncode=REFUSED) from None
        except KafkaFailed as error:
            raise CommandError(str(error), returncode=UNAVAILABLE) from None

    def _replay_file(self, file: Path, topic: str, rate: float | None, dry_run: bool) -> None:
        total = check_file(file, topic=topic)
        if dry_run:
            self.stdout.write(f"{total} events would be sent to {topic}.")
            return
        if not is_configured():
            raise CommandError(
                "KAFKA_BOOTSTRAP_SERVERS is empty: there is no broker to send to.",
                returncode=REFUSED,
            )
        with _progress() as progress, Producer() as producer:
            bar = progress.add_task("Sending", total=total)
            sent = replay_file(
                file,
                topic=topic,
                producer=producer,
                max_rate=rate,
                advance=lambda count: progress.advance(bar, count),
            )
        self.stdout.write(f"{sent} events were sent to {topic}.")

    def _replay_quarantined(self, topic: str, dry_run: bool) -> None:
        with _progress() as progress:
            bar = progress.add_task("Replaying", total=None)
            counts = replay_quarantined(
                topic=topic,
                dry_run=dry_run,
                advance=lambda count: progress.advance(bar, count),
            )
        verb = "would be" if dry_run else "were"
        self.stdout.write(
            f"{counts.replayed} {verb} accepted, {counts.still_rejected} are still rejected."
        )


def _progress() -> Progress:
    return Progress(console=Console(stderr=True), transient=True)
