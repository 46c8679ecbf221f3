"""Publish what our own rows have to tell."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseFailed
from django.db import connection

from config.clients.kafka import KafkaFailed, Producer, is_configured
from mlops.streams.publisher import publish_due

UNAVAILABLE, REFUSED = 1, 2
_EVERY_SECONDS = 1.0


class Command(BaseCommand):
    """The clock does the same every minute; with --follow it is done within a second."""

    help = "Publish events that are due to Kafka, in order, at least once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--follow", action="store_true", help="go on until SIGTERM or Ctrl-C")

    def handle(self, *, follow: bool, **_: Any) -> None:
        """Publish."""
        if not is_configured():
            raise CommandError(
                "KAFKA_BOOTSTRAP_SERVERS is empty: there is nowhere to publish.", returncode=REFUSED
            )
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT) if follow else ():
            signal.signal(number, lambda *_: stopping.set())
        total = 0
        with Producer() as producer:
            while not stopping.is_set():
                try:
                    total += publish_due(producer)
                except KafkaFailed as error:
                    if not follow:
                        raise CommandError(str(error), returncode=UNAVAILABLE) from None
                    self.stderr.write(f"{error} It is tried again.")
                except DatabaseFailed as error:
                    if not follow:
                        raise
                    self.stderr.write(
                        f"PostgreSQL does not answer ({type(error).__name__}). It is tried again."
                    )
                    connection.close()
                if not follow:
                    break
                stopping.wait(_EVERY_SECONDS)
        self.stdout.write(f"{total} published.")
