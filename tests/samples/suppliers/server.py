"""The sample supplier: `/ocs/products.json`, `/sqdc/fr-CA/rechercher` and SQDC's two calls; `POST /_fault`."""

import csv
import html
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HERE = Path(__file__).parent
SQDC_PAGE = 12


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ocs_products() -> list[dict[str, Any]]:
    """Return Shopify products, sizes as variants, facts as tags."""
    products = []
    for number, group in groupby(_rows("ocs.csv"), key=lambda row: row["id"]):
        rows = list(group)
        first = rows[0]
        handle = re.sub(r"[^a-z0-9]+", "-", first["name"].lower()).strip("-") + f"-{number}"
        tags = [
            f"language--{first['language']}",
            f"category--{first['category']}",
            f"plant_type--{first['plant_type']}",
        ]
        tags.append(f"licensed_producer--{first['producer']}")
        for kind in ("thc", "cbd"):
            ends = re.findall(r"\d+\.\d+", first[kind])
            if ends:
                tags += [f"{kind}_content_min--{float(ends[0]):.6f}", f"{kind}_content_max--{float(ends[-1]):.6f}"]
        products.append(
            {
                "id": int(number),
                "title": first["name"],
                "handle": handle + ("-fr" if first["language"] == "fr" else ""),
                "vendor": first["brand"],
                "tags": tags,
                "variants": [{"sku": r["sku"], "title": r["size"], "price": r["price"]} for r in rows],
            }
        )
    return products


def sample_price(size: str) -> str:
    """Return a price by a rule of size: six dollars and a little per gram, as SQDC writes it."""
    grams = float(size.replace(",", ".").removesuffix("g").strip() or 1)
    return f"{4.9 + 6 * grams:.2f} $".replace(".", ",")


class SampleSupplier(ThreadingHTTPServer):
    """The server; `fault` is None, "500", "truncated", "html", "empty" or "malformed-product"."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fault: str | None = None
        self.ocs = ocs_products()
        self.sqdc = _rows("sqdc.csv")
        self._may_answer = threading.Event()
        self._may_answer.set()
        self.is_waited_for = False

    def hold(self) -> None:
        """Answer the first page and keep all others waiting until released."""
        self._may_answer.clear()

    def release(self) -> None:
        """Answer again."""
        self._may_answer.set()

    def wait_for_release(self) -> None:
        """Wait while held."""
        self.is_waited_for = not self._may_answer.is_set()
        self._may_answer.wait(60)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: SampleSupplier
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        page = int(query.get("page", 1))
        if page > 1:
            self.server.wait_for_release()
        if url.path == "/ocs/products.json":
            size = int(query.get("limit", 30))
            products = self.server.ocs[(page - 1) * size : page * size]
            if self.server.fault == "malformed-product" and page == 1:
                products = [{"id": 1, "title": "No variants"}, *products]
            self._json({"products": [] if self.server.fault == "empty" else products})
        elif url.path == "/sqdc/fr-CA/rechercher":
            rows = self.server.sqdc[(page - 1) * SQDC_PAGE : page * SQDC_PAGE]
            found = [_result(row) for row in ([] if self.server.fault == "empty" else rows)]
            context = html.escape(json.dumps({"SearchResults": found}), quote=True)
            body = f'<html><body><div data-oc-controller="Product.SearchResults" data-context="{context}"></div></body></html>'
            self._send(body.encode(), "text/html; charset=utf-8")
        else:
            self._send(b"not found", "text/plain", status=404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        by_id = {f"{row['sku']}-P": row for row in self.server.sqdc}
        if self.path == "/_fault":
            self.server.fault = asked.get("fault")
            self._answer(b"{}", "application/json", 200)
        elif self.path == "/sqdc/api/product/calculatePrices":
            prices = [
                {"ProductId": i, "VariantPrices": [{"ListPrice": sample_price(by_id[i]["size"])}]}
                for i in asked["products"]
                if i in by_id
            ]
            self._json({"ProductPrices": prices})
        elif self.path == "/sqdc/api/product/specifications":
            row = by_id[asked["productId"]]
            facts = {
                "GramEquivalent": row["size"],
                "LevelTwoCategory": "Fleurs séchées",
                "CannabisType": row["type"],
                "ThcMin": row["thc_min"],
                "ThcMax": row["thc_max"],
            }
            attributes = [{"Title": k, "PropertyName": k, "Value": v} for k, v in facts.items()]
            self._json({"Groups": [{"Attributes": attributes}]})
        else:
            self._send(b"not found", "text/plain", status=404)

    def _json(self, value: Any) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _send(self, body: bytes, content_type: str, status: int = 200) -> None:
        match self.server.fault:
            case "500":
                self._answer(b"broken", "text/plain", 500)
            case "truncated":
                self._answer(body[: len(body) // 2], content_type, status)
            case "html":
                self._answer(b"<html><title>One moment</title></html>", "text/html", 200)
            case _:
                self._answer(body, content_type, status)

    def _answer(self, body: bytes, content_type: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _result(row: dict[str, str]) -> dict[str, Any]:
    product = f"{row['sku']}-P"
    return {
        "Brand": row["brand"],
        "DisplayName": row["name"],
        "Sku": row["sku"],
        "ProductId": product,
        "VariantId": row["sku"],
        "Url": f"/fr-CA/p-{row['sku']}/{product}/{row['sku']}",
    }
