"""Publish the events of the outbox."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseFailed
from django.db import connection

from config.clients.kafka import KafkaFailed, Producer, is_configured
from mlops.streams.publisher import publish_due_events

UNAVAILABLE, REFUSED = 1, 2
_INTERVAL_SECONDS = 1.0


class Command(BaseCommand):
    """Celery beat does the same every minute; with --follow events are published in a second."""

    help = "Publish the events of the outbox to Kafka, in order and at least once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--follow", action="store_true", help="run until SIGTERM or Ctrl-C")

    def handle(self, *, follow: bool, **_: Any) -> None:
        """Publish, and print the count at the end."""
        if not is_configured():
            raise CommandError(
                "KAFKA_BOOTSTRAP_SERVERS is empty: there is no broker to publish to.",
                returncode=REFUSED,
            )
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT) if follow else ():
            signal.signal(number, lambda *_: stopping.set())
        total = 0
        with Producer() as producer:
            while not stopping.is_set():
                try:
                    total += publish_due_events(producer)
                except KafkaFailed as error:
                    if not follow:
                        raise CommandError(str(error), returncode=UNAVAILABLE) from None
                    self.stderr.write(f"{error} Retrying.")
                except DatabaseFailed as error:
                    if not follow:
                        raise
                    self.stderr.write(
                        f"PostgreSQL is unavailable ({type(error).__name__}). Retrying."
                    )
                    connection.close()
                if not follow:
                    break
                stopping.wait(_INTERVAL_SECONDS)
        self.stdout.write(f"{total} published.")
