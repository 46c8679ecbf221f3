"""
The sample supplier: OCS's, AGLC's and SQDC's formats over HTTP, with faults that `POST /_fault` switches.

Faults: 500, 403, 404, 429 (once, with Retry-After), truncated, html (a challenge page), empty, half, drift (names and
prices under other keys), drip, bomb, malformed-product.
"""

import csv
import gzip
import html
import json
import re
import threading
import time
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


def aglc_variants() -> dict[str, list[dict[str, Any]]]:
    """Return AGLC's variants by format: the flower of ocs.csv as AGLC writes it, in percent and mg/g by turns."""
    variants = []
    flower = [row for row in _rows("ocs.csv") if row["category"] == "Dried Flower" and row["size"].endswith("g")]
    for number, row in enumerate(flower[:120]):
        ends = re.findall(r"\d+\.\d+", row["thc"]) or ["0.00"]
        unit, factor = ("%", 1) if number % 2 else (" mg/g", 10)
        if number == 40:
            factor = 1000  # as some are: a hundred times too large
        written = " \u2212 ".join(
            f"{float(end) * factor:g}{unit if unit == '%' else ''}" for end in (ends[0], ends[-1])
        )
        variants.append(
            {
                "VariantId": f"A{number:06}",
                "DisplayName": row["name"],
                "Brand": row["brand"],
                "Quantity": row["size"].removesuffix("g"),
                "Thc": written + ("" if unit == "%" else unit),
                "Cbd": "<1%",
                "AdjustedPrice": f"CAD ${row['price']}",
                "ListPrice": None,
            }
        )
    return {"Dried Flower": variants}


def sample_price(size: str) -> str:
    """Return a price by a rule of size: six dollars and a little per gram, as SQDC writes it."""
    grams = float(size.replace(",", ".").removesuffix("g").strip() or 1)
    return f"{4.9 + 6 * grams:.2f} $".replace(".", ",")


class SampleSupplier(ThreadingHTTPServer):
    """The server; `fault` is None or the name of a fault."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fault: str | None = None
        self.ocs = ocs_products()
        self.sqdc = _rows("sqdc.csv")
        self.aglc = aglc_variants()
        self.refusals = 0
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
    disable_nagle_algorithm = True  # else every answer waits 40 ms for an acknowledgement

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
            if self.server.fault == "drift":
                products = [
                    {**p, "title": None, "variants": [{"sku": v["sku"]} for v in p["variants"]]} for p in products
                ]
            self._json({"products": self._kept(products, page)})
        elif url.path == "/aglc/shop-cannabis":
            token = '<form><input name="__RequestVerificationToken" type="hidden" value="sample-token"></form>'
            self._send(f"<html><body>{token}</body></html>".encode(), "text/html", cookie="token=sample")
        elif url.path == "/sqdc/fr-CA/rechercher":
            rows = self.server.sqdc[(page - 1) * SQDC_PAGE : page * SQDC_PAGE]
            found = [_result(row) for row in self._kept(rows, page)]
            if self.server.fault == "drift":
                found = [{**result, "DisplayName": None} for result in found]
            context = html.escape(json.dumps({"SearchResults": found}), quote=True)
            body = f'<html><body><div data-oc-controller="Product.SearchResults" data-context="{context}"></div></body></html>'
            self._send(body.encode(), "text/html; charset=utf-8")
        else:
            self._send(b"not found", "text/plain", status=404)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/aglc/api/cxa/CatalogExtended/GetProductList":
            self._aglc({name: values[0] for name, values in parse_qs(sent.decode()).items()})
            return
        asked = json.loads(sent or b"{}")
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

    def _aglc(self, form: dict[str, str]) -> None:
        if form.get("__RequestVerificationToken") != "sample-token" or "token=sample" not in self.headers.get(
            "Cookie", ""
        ):
            self._answer(b"no token", "text/plain", 403)
            return
        page, size = int(form["pg"]), int(form["ps"])
        variants = self.server.aglc.get(form["f"].removeprefix("format="), [])[page * size : (page + 1) * size]
        if self.server.fault == "drift":
            variants = [{"VariantId": v["VariantId"], "Title": v["DisplayName"]} for v in variants]
        self._json({"Variants": self._kept(variants, 1)})

    def _kept(self, rows: list[Any], page: int) -> list[Any]:
        """Return what the fault leaves of a page."""
        match self.server.fault:
            case "empty":
                return []
            case "half":
                return rows[::2] if page == 1 else []
        return rows

    def _json(self, value: Any) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _send(self, body: bytes, content_type: str, status: int = 200, cookie: str = "") -> None:
        match self.server.fault:
            case "500" | "403" | "404":
                self._answer(b"<html><title>One moment</title></html>", "text/html", int(self.server.fault))
            case "429" if self.server.refusals == 0:
                self.server.refusals += 1
                self._answer(b"slowly", "text/plain", 429, {"Retry-After": "1"})
            case "bomb":
                self._answer(gzip.compress(bytes(80_000_000)), content_type, 200, {"Content-Encoding": "gzip"})
            case "drip":
                self._drip(body, content_type)
            case "truncated":
                self._answer(body[: len(body) // 2], content_type, status)
            case "html":
                self._answer(b"<html><title>One moment</title></html>", "text/html", 200)
            case _:
                self._answer(body, content_type, status, {"Set-Cookie": f"{cookie}; Path=/"} if cookie else None)

    def _drip(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for place in range(0, len(body), 10):
                self.wfile.write(body[place : place + 10])
                time.sleep(0.05)
        except OSError:  # the client had enough
            self.close_connection = True

    def _answer(self, body: bytes, content_type: str, status: int, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
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
