"""What bin/dev shows: a sample supplier, its catalogue taken in, a key to ask for it."""

import json
import sys
from pathlib import Path
from typing import Any

import requests

from config.embedded.ports import LOOPBACK, remembered_port
from config.embedded.preparation import StepFailed, Steps
from config.embedded.secrets import write_private
from config.embedded.supervisor import Program, app_program

SOURCES = ("ocs", "ocs-wholesale", "aglc", "sqdc")
SCOPES = "catalog:read,customers:read,customers:write,chat:write,events:write,recommendations:read"
VISITORS = "visitors"
ANSWER_SECONDS = 30


class Demo:
    """The demonstration of one state directory, told what address the web process has."""

    def __init__(self, *, state: Path, address: str, steps: Steps) -> None:
        self._address = address
        self._steps = steps
        self._key_file = state / "demo-key"
        self._pointed_file = state / "supplier" / "pointed"
        self._port_file = state / "supplier" / "port"
        self._port = 0

    @property
    def key(self) -> str:
        """The API key, kept in a file that only its owner may read; empty before there is one."""
        return self._key_file.read_text() if self._key_file.exists() else ""

    def programs(self) -> list[Program]:
        """Return the processes of the sample supplier and of the customers who come by."""
        self._port = remembered_port(self._port_file)
        supplier = [sys.executable, "-m", "tests.samples.suppliers", "--port", str(self._port)]
        visitors = [sys.executable, "manage.py", "trickle_events", "--address", self._address]
        return [
            app_program("supplier", supplier, stop_seconds=3),
            app_program(VISITORS, [*visitors, "--key-file", str(self._key_file)], stop_seconds=3),
        ]

    def prepare(self) -> str:
        """Make what is missing of key, sources, products and vectors; returns the id of a product. Safe to repeat."""
        if self._products() is None or not self._may_all():
            self._make_key()
        supplier = f"http://{LOOPBACK}:{self._port}"
        if not self._pointed_file.exists() or self._pointed_file.read_text() != supplier:
            with self._steps.showing("Pointing the sources at the sample supplier"):
                for source in SOURCES:
                    self._steps.manage(
                        "configure_source",
                        source,
                        "--base-url",
                        f"{supplier}/{source}",
                        "--requests-per-second",
                        "200",
                        "--enable",
                    )
            self._pointed_file.write_text(supplier)
        if not self._products():
            with self._steps.showing("Taking in the sample supplier's catalogue"):
                self._steps.manage("sync_catalog")
                self._steps.manage("match_products")
            with self._steps.showing("Encoding the products for search"):
                self._steps.manage("index_vectors")
        products = self._products()
        if not products:
            raise StepFailed("The first sync brought no product; see its run in the console.")
        return str(products[0]["id"])

    def leave(self) -> str:
        """
        Do without a demonstration; returns no product.

        Switches off the sources that an earlier start pointed at the sample supplier, which does not run now.
        """
        if self._pointed_file.exists():
            with self._steps.showing("Switching off the sample supplier's sources"):
                for source in SOURCES:
                    self._steps.manage("configure_source", source, "--base-url", "", "--disable")
            self._pointed_file.unlink()
        return ""

    def examples(self, product: str) -> list[str]:
        """Return four command lines to try: list, search, similar, what to recommend."""
        start = f"curl -H 'Authorization: Api-Key {self.key}' '{self._address}/api/v1/"
        return [
            f"{start}{rest}'"
            for rest in (
                "products/?limit=3",
                "products/search/?q=earthy+indica+myrcene&price_max=40",
                f"products/{product}/similar/",
                "recommendations/?limit=3",
            )
        ]

    def _make_key(self) -> None:
        with self._steps.showing("Making an API key"):
            options = {"name": "demo", "audience": "verified", "scopes": SCOPES, "province": "ON"}
            arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
            write_private(self._key_file, self._steps.manage("create_api_key", *arguments).strip())

    def _may_all(self) -> bool:
        """Say whether our own API takes events and recommends by the key; one made by an earlier version may not."""
        headers = {"Authorization": f"Api-Key {self.key or 'none'}"}
        start = f"{self._address}/api/v1"
        answers = (
            requests.post(
                f"{start}/events/", json={"events": []}, headers=headers, timeout=ANSWER_SECONDS
            ),
            requests.get(
                f"{start}/recommendations/", {"limit": 1}, headers=headers, timeout=ANSWER_SECONDS
            ),
        )
        return all(answer.status_code not in {401, 403} for answer in answers)

    def _products(self) -> list[dict[str, Any]] | None:
        """Ask our own API for products; None when it does not take the key."""
        answer = requests.get(
            f"{self._address}/api/v1/products/",
            params={"limit": 3},
            headers={"Authorization": f"Api-Key {self.key or 'none'}"},
            timeout=ANSWER_SECONDS,
        )
        if answer.status_code in {401, 403}:
            return None
        if not answer.ok:
            raise StepFailed(f"The API answered {answer.status_code}: {answer.text[:200]}")
        results: list[dict[str, Any]] = json.loads(answer.text)["results"]
        return results
