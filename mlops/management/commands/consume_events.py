"""Turn events of Kafka into rows."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.clients.kafka import KafkaFailed, is_configured
from mlops.streams.consumer import Consuming, consume
from mlops.streams.event_types import TOPICS

UNAVAILABLE, REFUSED = 1, 2


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C, which end it after the batch under way; several share the partitions."""

    help = "Consume events of Kafka as a member of the consumer group (KAFKA_GROUP_ID)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--topic", action="append", choices=TOPICS, help="only this one; may be repeated"
        )
        parser.add_argument(
            "--until-idle", action="store_true", help="end when nothing has come for some seconds"
        )
        parser.add_argument("--max-messages", type=int, metavar="N", help="end after so many")
        parser.add_argument(
            "--name", default="", help="of this consumer in metrics; else the machine's"
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
        """Consume."""
        if not is_configured():
            raise CommandError(
                "KAFKA_BOOTSTRAP_SERVERS is empty: there are no streams.", returncode=REFUSED
            )
        if max_messages is not None and max_messages < 1:
            raise CommandError("--max-messages must be 1 or more.", returncode=REFUSED)
        try:
            done = consume(
                tuple(topic or TOPICS),
                name=name,
                most=max_messages,
                until_idle=until_idle,
                on_start=_end_by_signal,
            )
        except KafkaFailed as error:
            raise CommandError(str(error), returncode=UNAVAILABLE) from None
        self.stdout.write(
            f"{done.applied} applied, {done.repeated} had come before, {done.rejected} rejected."
        )


def _end_by_signal(consuming: Consuming) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consuming.stop())
