"""Journeys of an integrator: every command of docs/api.md, and the generated Python client."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.test import Client
from pytest_django.live_server_helper import LiveServer
from requests.adapters import BaseAdapter

from catalog.models import Store, StoreStock
from config.embedded.stack import ROOT
from config.scopes import Scope
from config.services import create_api_key
from customers.models import Purchase
from tests.factories.catalog import ProductFactory
from vectors.index.write import index_due_rows

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
_SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def key() -> str:
    """The key of the sandbox, and what its commands ask for."""
    store, _ = Store.objects.get_or_create(
        code="queen-west", defaults={"name": "Queen West", "province": "ON"}
    )
    for sku, gtin in (("PK-35", "00694144000301"), ("BD-35", None), ("GM-10", None)):
        product = ProductFactory.create(sku=sku, gtin=gtin, price="34.95")
        StoreStock.objects.create(store=store, product=product, quantity=5)
    index_due_rows()
    return create_api_key(
        name="sandbox", audience="verified", scopes=Scope.values, provinces=["ON"], rate="9000/min"
    )


def test_every_command_of_the_quickstart_succeeds(live_server: LiveServer, key: str) -> None:
    blocks = _SHELL_BLOCK.findall((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))
    script = "set -euo pipefail\n" + "\n".join(blocks)

    result = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "BASE_URL": live_server.url, "API_KEY": key},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert len(blocks) >= 8
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert Purchase.objects.filter(customer__external_customer_id="L-1042").exists()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the built client is unpacked."""
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(ROOT / "clients" / "python", folder / "source")  # building writes into it
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(folder / "source")], check=True, timeout=120)
    (wheel,) = folder.glob("cultivar_client-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "package")
    return folder / "package"


class _InProcess(BaseAdapter):
    """Sends the requests of a session to the application, through all of its middleware."""

    def send(  # type: ignore[override]  # the options are not used
        self, request: Any, **_options: Any
    ) -> requests.Response:
        path, _, query = request.path_url.partition("?")
        headers = {
            f"HTTP_{name.upper().replace('-', '_')}": v for name, v in request.headers.items()
        }
        answer = Client().generic(
            request.method,
            path,
            request.body or b"",
            content_type=request.headers.get("Content-Type", ""),
            QUERY_STRING=query,
            **headers,
        )
        response = requests.Response()
        response.status_code = answer.status_code
        response.headers.update(dict(answer.items()))
        response.raw = BytesIO(answer.content)
        response.request = request
        return response

    def close(self) -> None:
        pass


@pytest.fixture
def client(key: str, package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The built client, with messages in French."""
    monkeypatch.syspath_prepend(str(package))
    from cultivar_client import CultivarClient  # type: ignore[import-not-found]  # built above

    with CultivarClient("http://localhost", key, language="fr") as client:
        client._session.mount("http://", _InProcess())
        yield client


def test_a_client_sends_a_purchase_and_reads_recommendations(client: Any) -> None:
    customer = client.customers_create({"external_id": "L-7", "province": "ON"})
    client.customers_age_verification_create(
        customer["id"], {"verification_method": "in_person", "verified_age": 19}
    )
    texts = client.consent_texts_list(language="en")["results"]
    version = next(text["version"] for text in texts if text["purpose"] == "history")
    consent = {"purpose": "history", "version": version, "language": "en"}
    client.customers_consents_create(customer["id"], consent)
    purchase = {
        "topic": "customer_interactions",
        "type": "purchase",
        "id": str(uuid4()),
        "occurred_at": datetime.now(UTC).isoformat(),
        "data": {
            "order_id": "R-1",
            "external_id": "L-7",
            "store_code": "queen-west",
            "lines": [{"product_id": "PK-35", "quantity": 1, "unit_price": "34.95"}],
        },
    }

    result = client.events_create({"events": [purchase]})
    recommended = client.recommendations_for_customer(
        customer["id"], scenario="home", store_code="queen-west"
    )

    assert (result["accepted"], result["results"][0]["status"]) == (1, "accepted")
    assert recommended["results"]
    purchases = list(client.pages(client.customers_purchases_list, customer["id"]))
    assert [line["order_id"] for line in purchases] == ["R-1"]


def test_a_client_follows_pages_and_names_errors(client: Any) -> None:
    from cultivar_client import ApiError  # built above

    rows = list(client.pages(client.products_list, limit=1, fields=["sku"]))
    with pytest.raises(ApiError) as refused:
        client.products_retrieve(str(uuid4()))

    assert len({row["id"] for row in rows}) == len(rows) == 3
    assert (refused.value.status, refused.value.code) == (404, "not_found")
    assert str(refused.value) == "Introuvable."
    assert refused.value.request_id
