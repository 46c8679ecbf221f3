"""Let a demonstration's customers come by, one visit after the other, through the door that tills use."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.clients.http import HttpClient, HttpFailed
from config.errors import CultivarError
from customers.services.demo import trickle


class Command(BaseCommand):
    """Goes on until it is stopped; what does not answer is tried again at the next visit."""

    help = "Send visits of synthetic customers to POST /api/v1/events/, as a till does; Ctrl-C ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--address", required=True, help="of the web process, for example http://127.0.0.1:8000"
        )
        parser.add_argument(
            "--key-file", type=Path, required=True, help="file with an API key that may send events"
        )
        parser.add_argument(
            "--customers",
            type=int,
            default=120,
            help="made first, unless they are there (default: 120)",
        )
        parser.add_argument(
            "--every", type=float, default=5, help="seconds between visits (default: 5)"
        )
        parser.add_argument(
            "--visits", type=int, default=0, help="end after so many (default: never)"
        )

    def handle(
        self, *, address: str, key_file: Path, customers: int, every: float, visits: int, **_: Any
    ) -> None:
        """Make the customers, then let them come."""
        try:
            headers = {"Authorization": f"Api-Key {key_file.read_text().strip()}"}
        except OSError as error:
            raise CommandError(
                f"{key_file} cannot be read: {error.strerror}.", returncode=2
            ) from error
        call_command("load_demo_customers", customers=customers, stdout=self.stdout)
        done = 0
        with HttpClient(base_url=address, timeout_seconds=10, retries=2) as client:

            def send(events: list[dict[str, Any]]) -> None:
                # Safe to repeat: events have ids.
                answer = client.post(
                    "/api/v1/events/", json={"events": events}, headers=headers, repeatable=True
                )
                told = json.loads(answer.body)
                if told["rejected"]:
                    self.stderr.write(
                        f"{told['rejected']} of {len(events)} events were rejected; see the quarantine."
                    )

            while not visits or done < visits:
                try:
                    trickle(send=send, count=customers)
                except HttpFailed as error:
                    self.stderr.write(str(error))
                except CultivarError as error:
                    raise CommandError(str(error), returncode=2) from error
                else:
                    done += 1
                if not visits or done < visits:
                    time.sleep(every)
        self.stdout.write(f"{done} visits.")
