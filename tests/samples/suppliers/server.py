"""
Sample supplier: the formats of OCS (shop and wholesale), AGLC, SQDC and a public list over HTTP.

`POST /_fault` sets the fault: 500, 403, 404, 429 (once, with Retry-After), truncated, html (a
challenge page), empty, half, drift (names and prices under other keys), drip, bomb,
malformed-product.
"""

import csv
import gzip
import html
import io
import json
import re
import threading
import time
from collections.abc import Sequence
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from openpyxl import Workbook

HERE = Path(__file__).parent
SQDC_PAGE = 12
_FRENCH_ID_OFFSET = 100_000


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ocs_products() -> list[dict[str, Any]]:
    """Return Shopify products: sizes as variants, attributes as tags."""
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
                tags += [
                    f"{kind}_content_min--{float(ends[0]):.6f}",
                    f"{kind}_content_max--{float(ends[-1]):.6f}",
                ]
        products.append(
            {
                "id": int(number),
                "title": first["name"],
                "handle": handle + ("-fr" if first["language"] == "fr" else ""),
                "vendor": first["brand"],
                "updated_at": f"2026-05-{1 + int(number) % 28:02}T08:00:00-04:00",
                "tags": tags,
                "variants": [
                    {"sku": r["sku"], "title": r["size"], "price": r["price"]} for r in rows
                ],
            }
        )
    return products


def assortment_products() -> list[dict[str, Any]]:
    """Return the products of assortment.csv as Shopify has them: one per language, one SKU."""
    products = []
    for row in _rows("assortment.csv"):
        tags = [f"category--{row['category']}", f"licensed_producer--{row['brand']}"]
        if row["subcategory"]:
            tags.append(f"subcategory--{row['subcategory']}")
        if row["plant_type"]:
            tags.append(f"plant_type--{row['plant_type']}")
        for kind in ("thc", "cbd"):
            if row[kind]:
                tags += [
                    f"{kind}_content_min--{float(row[kind]):.6f}",
                    f"{kind}_content_max--{float(row[kind]):.6f}",
                ]
        handle = re.sub(r"[^a-z0-9]+", "-", row["name"].lower()).strip("-") + f"-{row['id']}"
        for language, name in (("en", row["name"]), ("fr", row["name_fr"])):
            is_french = language == "fr"
            products.append(
                {
                    "id": int(row["id"]) + (_FRENCH_ID_OFFSET if is_french else 0),
                    "title": name,
                    "handle": f"{handle}-fr" if is_french else handle,
                    "vendor": row["brand"],
                    "updated_at": f"2026-05-{1 + int(row['id']) % 28:02}T08:00:00-04:00",
                    "tags": [f"language--{language}", *tags],
                    "variants": [{"sku": row["sku"], "title": row["size"], "price": row["price"]}],
                }
            )
    return products


def aglc_variants() -> dict[str, list[dict[str, Any]]]:
    """Return AGLC's variants by format: flower of ocs.csv, alternating percent and mg/g."""
    variants = []
    flower = [
        row
        for row in _rows("ocs.csv")
        if row["category"] == "Dried Flower" and row["size"].endswith("g")
    ]
    for number, row in enumerate(flower[:120]):
        ends = re.findall(r"\d+\.\d+", row["thc"]) or ["0.00"]
        unit, factor = ("%", 1) if number % 2 else (" mg/g", 10)
        if number == 40:
            factor = 1000  # a hundred times too large, as some real values are
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


WHOLESALE_COLUMNS = (
    "Category",
    "Sub-Category",
    "Product Name",
    "Brand",
    "Supplier Name",
    "Size",
    "Unit of Measure",
    "Stock Status",
    "Unit Price",
    "Minimum THC Content (%)",
    "Maximum THC Content (%)",
    "THC Content Per Unit",
    "Minimum CBD Content (%)",
    "Maximum CBD Content (%)",
    "CBD Content Per Unit",
    "Plant Type",
    "Terpenes",
    "Number of Items in a Retail Pack",
    "GTIN",
    "OCS Item Number",
    "OCS Variant Number",
)


def wholesale_rows() -> list[dict[str, Any]]:
    """Return rows of a MasterCatalogue: English rows of ocs.csv, at two thirds of their price."""
    rows = []
    for number, row in enumerate(r for r in _rows("ocs.csv") if r["language"] == "en"):
        gtin, code = row["sku"].strip("_"), f"{row['id']}_{row['size']}___"
        ends = {
            kind: [float(end) for end in re.findall(r"\d+\.\d+", row[kind])]
            for kind in ("thc", "cbd")
        }
        is_edible = row["category"] == "Edibles"
        rows.append(
            {
                "Category": row["category"],
                "Product Name": row["name"],
                "Brand": row["brand"],
                "Supplier Name": row["producer"],
                "Size": row["size"],
                "Stock Status": "In Stock" if number % 5 else "Out of Stock",
                "Unit Price": round(float(row["price"]) * 2 / 3, 2),
                "Minimum THC Content (%)": None if is_edible or not ends["thc"] else ends["thc"][0],
                "Maximum THC Content (%)": None
                if is_edible or not ends["thc"]
                else ends["thc"][-1],
                "THC Content Per Unit": 10.0 if is_edible else None,
                "Minimum CBD Content (%)": None if is_edible or not ends["cbd"] else ends["cbd"][0],
                "Maximum CBD Content (%)": None
                if is_edible or not ends["cbd"]
                else ends["cbd"][-1],
                "Plant Type": row["plant_type"],
                "GTIN": float(gtin) if gtin.isdigit() else None,  # as spreadsheets store them
                "OCS Item Number": float(row["id"]),
                # Blank, or surrounded by spaces, as in the real workbook.
                "OCS Variant Number": None if number % 7 == 0 else f" {code} ",
            }
        )
    return rows


def assortment_wholesale_rows() -> list[dict[str, Any]]:
    """Return wholesale rows of assortment.csv, with milligrams per unit, at two thirds."""
    rows = []
    for number, row in enumerate(_rows("assortment.csv")):
        values: dict[str, Any] = {
            "Category": row["category"],
            "Sub-Category": row["subcategory"],
            "Product Name": row["name"],
            "Brand": row["brand"],
            "Supplier Name": row["brand"],
            "Size": row["size"],
            "Stock Status": "In Stock" if number % 5 else "Out of Stock",
            "Unit Price": round(float(row["price"]) * 2 / 3, 2),
            "Plant Type": row["plant_type"],
            "GTIN": row["sku"],
            "OCS Item Number": float(row["id"]),
            "OCS Variant Number": f"{row['id']}_{row['size']}",
        }
        for kind in ("THC", "CBD"):
            percentage = row[kind.lower()]
            milligrams = row[f"{kind.lower()}_mg"]
            values[f"{kind} Content Per Unit"] = float(milligrams) if milligrams else None
            for end in ("Minimum", "Maximum"):
                column = f"{end} {kind} Content (%)"
                values[column] = float(percentage) if percentage else None
        rows.append(values)
    return rows


def workbook(rows: list[dict[str, Any]], columns: Sequence[str]) -> bytes:
    """Write the sheet MasterCatalogue."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("MasterCatalogue")
    sheet.append(columns)
    for row in rows:
        sheet.append([row.get(column) for column in columns])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sample_price(size: str) -> str:
    """Return a price by size, about six dollars per gram, as SQDC writes it."""
    grams = float(size.replace(",", ".").removesuffix("g").strip() or 1)
    return f"{4.9 + 6 * grams:.2f} $".replace(".", ",")


class SampleSupplier(ThreadingHTTPServer):
    """
    The server; `fault`: name of the current fault, or None.

    has_assortment: whether OCS serves all categories, besides the flower of ocs.csv.
    """

    daemon_threads = True

    def __init__(self, port: int = 0, *, has_assortment: bool = True) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fault: str | None = None
        self.ocs = ocs_products()
        self.sqdc = _rows("sqdc.csv")
        self.aglc = aglc_variants()
        self.wholesale = wholesale_rows()
        if has_assortment:
            self.ocs += assortment_products()
            self.wholesale += assortment_wholesale_rows()
        self.list_csv = (HERE / "registry.csv").read_text()
        self._workbooks: dict[str, bytes] = {}
        self.rate_limit_count = 0
        self.request_count = 0
        self.unmodified_count = 0
        self.required_authorization = ""
        """The Authorization header that requests must send; "": any."""
        self._is_released = threading.Event()
        self._is_released.set()
        self.has_blocked_requests = False

    def block(self) -> None:
        """Serve the first page and block all further pages until `release`."""
        self._is_released.clear()

    def release(self) -> None:
        """Serve all pages again."""
        self._is_released.set()

    def wait_for_release(self) -> None:
        """Wait while further pages are blocked."""
        self.has_blocked_requests = not self._is_released.is_set()
        self._is_released.wait(60)

    def workbook(self, rows: list[dict[str, Any]], columns: Sequence[str]) -> bytes:
        """Return the same bytes for the same rows, as a static file would have."""
        content = json.dumps([rows, columns])
        return self._workbooks.setdefault(content, workbook(rows, columns))

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: SampleSupplier
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # otherwise each response waits 40 ms for an acknowledgement

    def log_message(self, *_arguments: Any) -> None:
        """Log nothing."""

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
                    {**p, "title": None, "variants": [{"sku": v["sku"]} for v in p["variants"]]}
                    for p in products
                ]
            self._json({"products": self._faulty_rows(products, page)})
        elif url.path == "/ocs-wholesale":
            columns = [c.lower() if self.server.fault == "drift" else c for c in WHOLESALE_COLUMNS]
            book = self.server.workbook(self._faulty_rows(self.server.wholesale, 1), columns)
            self._send(book, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        elif url.path == "/list.csv":
            self._send(self._faulty_lines(self.server.list_csv), "text/csv")
        elif url.path == "/aglc/shop-cannabis":
            token = (
                '<form><input name="__RequestVerificationToken" type="hidden"'
                ' value="sample-token"></form>'
            )
            self._send(
                f"<html><body>{token}</body></html>".encode(), "text/html", cookie="token=sample"
            )
        elif url.path == "/sqdc/fr-CA/rechercher":
            rows = self.server.sqdc[(page - 1) * SQDC_PAGE : page * SQDC_PAGE]
            results = [_result(row) for row in self._faulty_rows(rows, page)]
            if self.server.fault == "drift":
                results = [{**result, "DisplayName": None} for result in results]
            context = html.escape(json.dumps({"SearchResults": results}), quote=True)
            body = (
                '<html><body><div data-oc-controller="Product.SearchResults"'
                f' data-context="{context}"></div></body></html>'
            )
            self._send(body.encode(), "text/html; charset=utf-8")
        else:
            self._send(b"not found", "text/plain", status=404)

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/aglc/api/cxa/CatalogExtended/GetProductList":
            self._aglc({name: values[0] for name, values in parse_qs(sent.decode()).items()})
            return
        body = json.loads(sent or b"{}")
        by_id = {f"{row['sku']}-P": row for row in self.server.sqdc}
        if self.path == "/_fault":
            self.server.fault = body.get("fault")
            self._respond(b"{}", "application/json", 200)
        elif self.path == "/sqdc/api/product/calculatePrices":
            prices = [
                {"ProductId": i, "VariantPrices": [{"ListPrice": sample_price(by_id[i]["size"])}]}
                for i in body["products"]
                if i in by_id
            ]
            self._json({"ProductPrices": prices})
        elif self.path == "/sqdc/api/inventory/findInventoryItems":
            self._json([sku for sku in body["skus"] if f"{sku}-P" in by_id and int(sku[-1]) % 4])
        elif self.path == "/sqdc/api/product/specifications":
            row = by_id[body["productId"]]
            facts = {
                "GramEquivalent": row["size"],
                "LevelTwoCategory": "Fleurs séchées",
                "CannabisType": row["type"],
                "ThcMin": row["thc_min"],
                "ThcMax": row["thc_max"],
                "ManualThc": row["manual_thc"],
                "ManualCbd": row["manual_cbd"],
            }
            attributes = [{"Title": k, "PropertyName": k, "Value": v} for k, v in facts.items()]
            self._json({"Groups": [{"Attributes": attributes}]})
        else:
            self._send(b"not found", "text/plain", status=404)

    def _aglc(self, form: dict[str, str]) -> None:
        if form.get(
            "__RequestVerificationToken"
        ) != "sample-token" or "token=sample" not in self.headers.get("Cookie", ""):
            self._respond(b"no token", "text/plain", 403)
            return
        page, size = int(form["pg"]), int(form["ps"])
        variants = self.server.aglc.get(form["f"].removeprefix("format="), [])[
            page * size : (page + 1) * size
        ]
        if self.server.fault == "drift":
            variants = [{"VariantId": v["VariantId"], "Title": v["DisplayName"]} for v in variants]
        self._json({"Variants": self._faulty_rows(variants, 1)})

    def _faulty_rows(self, rows: list[Any], page: int) -> list[Any]:
        """Return the rows of a page that remain under the current fault."""
        match self.server.fault:
            case "empty":
                return []
            case "half":
                return rows[::2] if page == 1 else []
        return rows

    def _faulty_lines(self, text: str) -> bytes:
        """Return the list as it is under the current fault."""
        head, *lines = text.splitlines(keepends=True)
        if self.server.fault == "drift":
            head = head.lower().replace("name", "title")
        return "".join([head, *self._faulty_rows(lines, 1)]).encode()

    def _json(self, value: Any) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _send(self, body: bytes, content_type: str, status: int = 200, cookie: str = "") -> None:
        self.server.request_count += 1
        if (
            self.server.required_authorization
            and self.headers.get("Authorization") != self.server.required_authorization
        ):
            self._respond(b"unauthorized", "text/plain", 401)
            return
        match self.server.fault:
            case "500" | "403" | "404":
                self._respond(
                    b"<html><title>One moment</title></html>", "text/html", int(self.server.fault)
                )
            case "429" if self.server.rate_limit_count == 0:
                self.server.rate_limit_count += 1
                self._respond(b"too many requests", "text/plain", 429, {"Retry-After": "1"})
            case "bomb":
                self._respond(
                    gzip.compress(bytes(80_000_000)),
                    content_type,
                    200,
                    {"Content-Encoding": "gzip"},
                )
            case "drip":
                self._drip(body, content_type)
            case "truncated":
                self._respond(body[: len(body) // 2], content_type, status)
            case "html":
                self._respond(b"<html><title>One moment</title></html>", "text/html", 200)
            case _:
                headers = (
                    {"Set-Cookie": f"{cookie}; Path=/"}
                    if cookie
                    else {"ETag": f'"{sha256(body).hexdigest()}"'}
                )
                if not cookie and self.headers.get("If-None-Match") == headers["ETag"]:
                    self.server.unmodified_count += 1
                    self._respond(b"", content_type, 304, headers)
                else:
                    self._respond(body, content_type, status, headers)

    def _drip(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for start in range(0, len(body), 10):
                self.wfile.write(body[start : start + 10])
                time.sleep(0.05)
        except OSError:  # the client gave up
            self.close_connection = True

    def _respond(
        self, body: bytes, content_type: str, status: int, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
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
