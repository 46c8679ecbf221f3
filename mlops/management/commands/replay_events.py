"""Send events once more, from a file or from quarantine."""

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
    """An event that was applied already is not applied again, so that a replay may be repeated."""

    help = "Send a file of events (a JSON envelope a line) to Kafka, or take in again what lies in quarantine."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "file", nargs="?", type=Path, metavar="FILE.jsonl", help="events, one a line"
        )
        parser.add_argument("--topic", help="that the file's events belong to")
        parser.add_argument(
            "--quarantine", metavar="TOPIC", help="take in what lies in quarantine of this topic"
        )
        parser.add_argument("--rate", type=float, help="events a second, at most")
        parser.add_argument(
            "--dry-run", action="store_true", help="only tell what would be sent or taken in"
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
        """Replay; exit 2 with one line on bad input."""
        if bool(file) == bool(quarantine):
            raise CommandError(
                "Give either a file with --topic, or --quarantine.", returncode=REFUSED
            )
        if rate is not None and rate <= 0:
            raise CommandError("--rate must be above 0.", returncode=REFUSED)
        try:
            if quarantine:
                self._replay_quarantined(quarantine, dry_run)
            elif file and topic:
                self._replay_file(file, topic, rate, dry_run)
            else:
                raise CommandError(
                    "--topic must tell what the file's events belong to.", returncode=REFUSED
                )
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
                "KAFKA_BOOTSTRAP_SERVERS is empty: there is nowhere to send.", returncode=REFUSED
            )
        with _progress() as progress, Producer() as producer:
            bar = progress.add_task("Sending", total=total)
            sent = replay_file(
                file,
                topic=topic,
                producer=producer,
                rate=rate,
                advance=lambda n: progress.advance(bar, n),
            )
        self.stdout.write(f"{sent} events were sent to {topic}.")

    def _replay_quarantined(self, topic: str, dry_run: bool) -> None:
        with _progress() as progress:
            bar = progress.add_task("Replaying", total=None)
            told = replay_quarantined(
                topic=topic, dry_run=dry_run, advance=lambda n: progress.advance(bar, n)
            )
        self.stdout.write(
            f"{told.done} {'would be' if dry_run else 'were'} taken in, {told.refused} are still rejected."
        )


def _progress() -> Progress:
    return Progress(console=Console(stderr=True), transient=True)
