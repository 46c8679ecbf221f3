"""Command that sends visits of synthetic customers to the events endpoint."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.clients.http import HttpClient, HttpFailed
from config.errors import CultivarError
from customers.services.demo import send_visit
from mlops.registry import list_versions


class Command(BaseCommand):
    """Send visits until stopped; a visit that cannot be delivered is reported and skipped."""

    help = (
        "Send visits of synthetic customers to POST /api/v1/events/, as a point of sale does; "
        "Ctrl-C ends it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--address",
            required=True,
            help="address of the web process, for example http://127.0.0.1:8000",
        )
        parser.add_argument(
            "--key-file",
            type=Path,
            required=True,
            help="file with an API key that has the scope events:write",
        )
        parser.add_argument(
            "--customers",
            type=int,
            default=120,
            help="number of customers, created first where they are missing (default: 120)",
        )
        parser.add_argument(
            "--train",
            metavar="NAME",
            help="model to train on the customers before the first visit, unless it has a version",
        )
        parser.add_argument(
            "--every", type=float, default=5, help="seconds between visits (default: 5)"
        )
        parser.add_argument(
            "--visits", type=int, default=0, help="number of visits to send (default: no limit)"
        )

    def handle(
        self,
        *,
        address: str,
        key_file: Path,
        customers: int,
        every: float,
        visits: int,
        **options: Any,
    ) -> None:
        """Create the customers, then send their visits."""
        try:
            headers = {"Authorization": f"Api-Key {key_file.read_text().strip()}"}
        except OSError as error:
            raise CommandError(
                f"{key_file} cannot be read: {error.strerror}.", returncode=2
            ) from error
        call_command("load_demo_customers", customers=customers, stdout=self.stdout)
        if options["train"]:
            self._train(options["train"])
        sent = 0
        with HttpClient(
            base_url=address, timeout_seconds=10, retries=2, is_operator_address=True
        ) as client:

            def send(events: list[dict[str, Any]]) -> None:
                # Safe to repeat: events have ids.
                response = client.post(
                    "/api/v1/events/", json={"events": events}, headers=headers, is_idempotent=True
                )
                results = json.loads(response.body)["results"]
                rejected = [result for result in results if result["status"] == "rejected"]
                if rejected:
                    self.stderr.write(
                        f"{len(rejected)} of {len(events)} events were rejected; the first:"
                        f" {rejected[0]['field']} {rejected[0]['reason']}."
                    )

            while not visits or sent < visits:
                try:
                    send_visit(send=send, count=customers)
                except HttpFailed as error:
                    self.stderr.write(str(error))
                except CultivarError as error:
                    raise CommandError(str(error), returncode=2) from error
                else:
                    sent += 1
                if not visits or sent < visits:
                    time.sleep(every)
        self.stdout.write(f"{sent} visits sent.")

    def _train(self, name: str) -> None:
        """Train a model that has no version and print its gates; a failure stops no visits."""
        if list_versions(model=name).exists():
            return
        try:
            call_command("retrain", name, stdout=self.stdout)
        # Whatever fails in training is in the log of its run.
        except Exception as error:
            self.stderr.write(f"{name} was not trained: {error}")
