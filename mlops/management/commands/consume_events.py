"""Consume events from Kafka."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.clients.kafka import KafkaFailed, is_configured
from mlops.streams.consumer import EventConsumer, consume
from mlops.streams.event_types import event_topics

UNAVAILABLE, REFUSED = 1, 2
"""Exit codes: Kafka is unavailable; the command was called wrongly or is not configured."""


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C, then finishes its batch; several share the partitions."""

    help = "Consume events from Kafka as a member of the consumer group (KAFKA_GROUP_ID)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--topic",
            action="append",
            choices=event_topics(),
            help="only this topic; repeatable",
        )
        parser.add_argument(
            "--until-idle",
            action="store_true",
            help="end when no message has arrived for some seconds",
        )
        parser.add_argument(
            "--max-messages", type=int, metavar="N", help="end after this number of messages"
        )
        parser.add_argument(
            "--name", default="", help="name of the consumer in metrics; default: the host name"
        )

    def handle(
        self,
        *,
        topic: list[str] | None,
        until_idle: bool,
        max_messages: int | None,
        name: str,
        **_: Any,
    ) -> None:
        """Consume, and print the counts at the end."""
        if not is_configured():
            raise CommandError(
                "KAFKA_BOOTSTRAP_SERVERS is empty: there are no streams.", returncode=REFUSED
            )
        if max_messages is not None and max_messages < 1:
            raise CommandError("--max-messages must be 1 or more.", returncode=REFUSED)
        try:
            counts = consume(
                topic or (),
                name=name,
                max_messages=max_messages,
                until_idle=until_idle,
                on_start=_stop_on_signal,
            )
        except KafkaFailed as error:
            raise CommandError(str(error), returncode=UNAVAILABLE) from None
        self.stdout.write(
            f"{counts.accepted} accepted, {counts.duplicates} duplicates,"
            f" {counts.rejected} rejected."
        )


def _stop_on_signal(consumer: EventConsumer) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consumer.stop())
