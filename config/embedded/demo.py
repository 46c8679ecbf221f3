"""Demo data of bin/dev: a sample supplier, neighbor shops, an API key, simulated visitors."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import requests

from config.embedded.ports import LOOPBACK, is_taken, remembered_port
from config.embedded.preparation import Preparation, StepFailed
from config.embedded.secrets import write_private
from config.embedded.server import START_TIMEOUT_SECONDS
from config.embedded.supervisor import Program, app_program

SOURCES = ("ocs", "ocs-wholesale", "aglc", "sqdc")
SHOPS = {
    "lakeside": ("Lakeside Cannabis", "weedmaps", "lakeside-cannabis"),
    "north-star": ("North Star Buds", "shopify", ""),
    "old-mill": ("Old Mill Dispensary", "dutchie", "old-mill"),
}
"""Competitors that the sample supplier's process serves: name, platform, id of the location."""
SCOPES = (
    "catalog:read,customers:read,customers:write,chat:read,chat:write,events:write,privacy:read,"
    "privacy:write,recommendations:read"
)
VISITORS = "visitors"
TRAINED_MODEL = "recommendation"
"""Model that is trained on the simulated customers before their first visit."""
_SHOP_OPTIONS = json.dumps({"currency": "CAD"})
MODELS_STEP = "Model files"
RESPONSE_TIMEOUT_SECONDS = 30
_DENIED = {401, 403}


class Demo:
    """The demo data of one state directory; address: of the web process."""

    def __init__(self, *, state: Path, address: str, preparation: Preparation) -> None:
        self._address = address
        self._preparation = preparation
        self._key_file = state / "demo-key"
        self._visitors_key_file = state / "visitors-key"
        self._configured_file = state / "supplier" / "configured"
        self._shops_file = state / "supplier" / "shops"
        self._port_file = state / "supplier" / "port"
        self._shops_port_file = state / "supplier" / "shops-port"
        self._port = 0
        self._shops_port = 0

    @property
    def key(self) -> str:
        """The API key, stored in a file that only its owner may read; empty before it exists."""
        return self._key_file.read_text() if self._key_file.exists() else ""

    def programs(self) -> list[Program]:
        """Return the processes of the sample supplier and of the simulated visitors."""
        self._port = remembered_port(self._port_file)
        self._shops_port = remembered_port(self._shops_port_file)
        supplier = [sys.executable, "-m", "tests.samples.suppliers", "--port", str(self._port)]
        supplier += ["--shops-port", str(self._shops_port)]
        visitors = [sys.executable, "manage.py", "trickle_events", "--address", self._address]
        visitors += ["--train", TRAINED_MODEL]
        visitors += ["--key-file", str(self._visitors_key_file)]
        return [
            app_program("supplier", supplier, stop_seconds=3),
            app_program(VISITORS, visitors, stop_seconds=3),
        ]

    def prepare(self) -> str:
        """Create what is missing; return the id of a product. Safe to repeat."""
        if not self._visitors_key_file.exists() or not self._accepts_key():
            self._create_keys()
        wait_for_port(self._port)
        supplier = f"http://{LOOPBACK}:{self._port}"
        if not self._configured_file.exists() or self._configured_file.read_text() != supplier:
            with self._preparation.step("Connecting the sources to the sample supplier"):
                for source in SOURCES:
                    self._preparation.run_command(
                        "configure_source",
                        source,
                        "--base-url",
                        f"{supplier}/{source}",
                        "--requests-per-second",
                        "200",
                        "--enable",
                    )
            self._configured_file.write_text(supplier)
        if not self._list_products():
            with self._preparation.step("Importing the sample supplier's catalogue"):
                self._preparation.run_command("sync_catalog")
                self._preparation.run_command("match_products")
            self._preparation.wait_beside(MODELS_STEP)
            with self._preparation.step("Indexing the products for search"):
                self._preparation.run_command("index_vectors")
        self._prepare_shops()
        products = self._list_products()
        if not products:
            raise StepFailed("The first sync imported no product; see its run in the console.")
        return str(products[0]["id"])

    def disable(self) -> None:
        """Disable the sources that an earlier start connected to the sample supplier."""
        if self._configured_file.exists():
            with self._preparation.step("Disabling the sample supplier's sources"):
                for source in SOURCES:
                    self._preparation.run_command(
                        "configure_source", source, "--base-url", "", "--disable"
                    )
            self._configured_file.unlink()
        if self._shops_file.exists():
            self._preparation.run_command("competitors", "disable", *SHOPS)
            self._shops_file.unlink()

    def examples(self, product_id: str) -> list[str]:
        """Return four command lines: list, search, similar products, recommendations."""
        start = f"curl -H 'Authorization: Api-Key {self.key}' '{self._address}/api/v1/"
        paths = (
            "products/?limit=3",
            "products/search/?q=earthy+indica+myrcene&price_max=40",
            f"products/{product_id}/similar/",
            "recommendations/?limit=3",
        )
        return [f"{start}{path}'" for path in paths]

    def _prepare_shops(self) -> None:
        """Add the neighbor shops; the worker crawls those that are due once it has started."""
        shops = f"http://{LOOPBACK}:{self._shops_port}"
        if not self._shops_file.exists() or self._shops_file.read_text() != shops:
            with self._preparation.step("Adding three neighbor shops as competitors"):
                for code, (name, platform, location) in SHOPS.items():
                    arguments = ["--name", name, "--platform", platform]
                    arguments += ["--province", "ON", "--tax", "excluded"]
                    arguments += ["--base-url", f"{shops}/{code}", "--options", _SHOP_OPTIONS]
                    arguments += ["--requests-per-minute", "600", "--every-hours", "6", "--enable"]
                    if location:
                        arguments += ["--location", f"{location}={name}"]
                    self._preparation.run_command("competitors", "add", code, *arguments)
            self._shops_file.write_text(shops)
        self._preparation.run_command("competitors", "crawl")

    def _create_keys(self) -> None:
        """Create the key that is printed, and one of the visitors, who come to every store."""
        with self._preparation.step("Creating an API key"):
            key = ("--name", "demo", "--audience", "verified", "--scopes", SCOPES)
            visitors = ("--name", VISITORS, "--audience", "verified", "--scopes", "events:write")
            self._write_key(self._key_file, *key, "--provinces", "ON")
            self._write_key(self._visitors_key_file, *visitors)

    def _write_key(self, file: Path, *arguments: str) -> None:
        write_private(file, self._preparation.run_command("create_api_key", *arguments).strip())

    def _accepts_key(self) -> bool:
        """Return whether the API accepts the printed key for products, events, recommendations."""
        return self._list_products() is not None and self._has_all_scopes()

    def _has_all_scopes(self) -> bool:
        """Return whether the key may send events and read recommendations; older ones may not."""
        base = f"{self._address}/api/v1"
        responses = (
            requests.post(
                f"{base}/events/",
                json={"events": []},
                headers=self._headers(),
                timeout=RESPONSE_TIMEOUT_SECONDS,
            ),
            requests.get(
                f"{base}/recommendations/",
                {"limit": 1},
                headers=self._headers(),
                timeout=RESPONSE_TIMEOUT_SECONDS,
            ),
        )
        return all(response.status_code not in _DENIED for response in responses)

    def _list_products(self) -> list[dict[str, Any]] | None:
        """Return a few products from the API; None if it does not accept the key."""
        response = requests.get(
            f"{self._address}/api/v1/products/",
            params={"limit": 3},
            headers=self._headers(),
            timeout=RESPONSE_TIMEOUT_SECONDS,
        )
        if response.status_code in _DENIED:
            return None
        if not response.ok:
            raise StepFailed(f"The API answered {response.status_code}: {response.text[:200]}")
        results: list[dict[str, Any]] = json.loads(response.text)["results"]
        return results

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Api-Key {self.key or 'none'}"}


def wait_for_port(port: int, *, seconds: float = START_TIMEOUT_SECONDS) -> None:
    """Wait until the sample supplier listens; it imports for long on a busy machine."""
    deadline = time.monotonic() + seconds
    while not is_taken(port):
        if time.monotonic() > deadline:
            raise StepFailed("The sample supplier did not start; see supplier.log.")
        time.sleep(0.1)
