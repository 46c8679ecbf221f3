"""
Pages per minute of a crawl with extraction and storage against a bare Scrapy spider.

Both send one request at a time, without a pause, to the same server process; times are those of
its log, from the first to the last request. The bare spider reads the JSON of each page to find the
next one; the crawl also checks robots.txt and addresses, reads offers of a page for its monitors,
and lands the page in object storage and database. The limit applies to a server that takes 50 ms
for a response, as a quick shop does. For whole runs, in which offers and their observations are
saved, the seconds are given. With `--data FILE` (menu items of Weedmaps stores, JSON lines) the
real menus are served.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import requests
from django.db import connection

from competitors import crawls
from competitors.models import Competitor, CompetitorLocation, CompetitorOffer, PriceHistory
from mlops.models import QuarantinedRecord, Run
from tests.bench.comparison import Comparison, measure_seconds
from tests.samples.competitors.menus import SHOP, load_menus
from tests.samples.competitors.shops import SHOPS, shop_items, weedmaps_document

SIZE = 3_000
LIMIT = 0.7
PAGE_SIZE = 24
_CODE = "bench"
_ITEMS_PER_STORE = 100
_LATENCY_SECONDS = 0.05
_DAY = date(2026, 3, 2)
_UNLIMITED = 30_000
"""Requests per minute: above what the crawl can send."""
_BARE_SPIDER = """
import json, sys, scrapy
from scrapy.crawler import CrawlerProcess

class Bare(scrapy.Spider):
    name = "bare"

    async def start(self):
        for url in json.loads(sys.argv[1]):
            yield scrapy.Request(f"{url}?page=1&page_size=100")

    def parse(self, response):
        meta = response.json()["meta"]
        if meta["page"] * meta["per_page"] < meta["total"]:
            url = response.url.partition("?")[0]
            yield scrapy.Request(f"{url}?page={meta['page'] + 1}&page_size=100")

process = CrawlerProcess({
    "LOG_ENABLED": False, "CONCURRENT_REQUESTS": 1, "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
    "TELNETCONSOLE_ENABLED": False,
})
process.crawl(Bare)
process.start()
"""


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], data: Path | None = None
) -> list[Comparison]:
    """Return ratios of pages per minute, seconds of whole runs, and counts that have to be 0."""
    slow = Comparison(name="pages/min, response time 50 ms", limit=LIMIT)
    fast = Comparison(name="pages/min, response time 0")
    seconds = Comparison(name="whole run, all new", unit="s")
    again = Comparison(name="whole run, unchanged", unit="s")
    rows = Comparison(name="price rows of the second crawl", limit=0, unit="rows", is_ceiling=True)
    lost = Comparison(name="listings without an outcome", limit=0, unit="listings", is_ceiling=True)
    with tempfile.TemporaryDirectory() as directory:
        file = data or _write_menus(Path(directory) / "menus.jsonl", size)
        menus = load_menus(file)
        for number in range(rounds):
            for comparison, latency_seconds in ((slow, _LATENCY_SECONDS), (fast, 0.0)):
                with _server(file, latency_seconds) as url:
                    _create_competitor(f"{url}/{SHOP}", list(menus))
                    crawl = partial(_measure_pages_per_minute, url, _crawl)
                    bare = partial(
                        _measure_pages_per_minute, url, partial(_run_bare_spider, url, list(menus))
                    )
                    # The order alternates, so that neither always meets a warm machine.
                    ours, peer = (crawl(), bare()) if number % 2 else (bare(), crawl())[::-1]
                    comparison.ratios.append(ours / peer)
                    if comparison is slow:
                        continue
                    seconds.ratios.append(_run_seconds())
                    lost.ratios.append(_count_unaccounted(menus))
                    written = PriceHistory.objects.count()
                    again.ratios.append(measure_seconds(_crawl))
                    rows.ratios.append(PriceHistory.objects.count() - written)
            advance()
    return [slow, fast, seconds, again, rows, lost]


def _measure_pages_per_minute(url: str, work: Callable[[], None]) -> float:
    requests.get(f"{url}/_requests", timeout=10)
    work()
    times: list[float] = requests.get(f"{url}/_requests", timeout=10).json()
    return 60 * (len(times) - 1) / (times[-1] - times[0])


def _run_seconds() -> float:
    run = Run.objects.get()
    if run.finished_at is None:
        raise ValueError("the run has not ended")
    return (run.finished_at - run.started_at).total_seconds()


def _crawl() -> None:
    crawls.crawl(_CODE)


def _run_bare_spider(url: str, stores: list[str]) -> None:
    urls = [f"{url}/{SHOP}/wm/v1/listings/{store}/menu_items" for store in stores]
    subprocess.run([sys.executable, "-c", _BARE_SPIDER, json.dumps(urls)], check=True)


def _create_competitor(base_url: str, stores: list[str]) -> None:
    """Create the competitor without offers and runs."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE competitors, runs, raw_records, quarantined_records CASCADE")
    competitor = Competitor.objects.create(
        code=_CODE,
        name="Benchmark",
        platform=Competitor.Platform.WEEDMAPS,
        base_url=base_url,
        options={"currency": "USD"},
        province="ON",
        requests_per_minute=_UNLIMITED,
        max_pages=100_000,
    )
    CompetitorLocation.objects.bulk_create(
        [
            CompetitorLocation(competitor=competitor, platform_id=store, name=store)
            for store in stores
        ]
    )


def _count_unaccounted(menus: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    """
    Return how many listings have no outcome: an offer, a refusal with its reason, or a repetition.

    A listing gives a record for each weight; its id is the part before the colon.
    """
    listed = {(store, str(item["id"])) for store, items in menus.items() for item in items}
    offers = CompetitorOffer.objects.values_list("location__platform_id", "external_id")
    refused = QuarantinedRecord.objects.exclude(reason="").values_list(
        "payload__location", "payload__external_id"
    )
    outcomes = {
        (store, external_id.partition(":")[0]) for store, external_id in [*offers, *refused]
    }
    run = Run.objects.get()
    if run.read != run.new + run.unchanged + run.changed + run.rejected + run.repeated:
        raise ValueError(f"the counts of the run do not add up to {run.read} records")
    return len(listed - outcomes)


def _write_menus(file: Path, size: int) -> Path:
    """Write synthetic menus of `size` items in stores of 100."""
    documents = [weedmaps_document(item) for item in shop_items(SHOPS[0], _DAY)]
    with file.open("w", encoding="utf-8") as lines:
        for number in range(size):
            document = {**documents[number % len(documents)], "id": number}
            store = f"store_{number // _ITEMS_PER_STORE}.json"
            lines.write(json.dumps({"store_file": store, **document}) + "\n")
    return file


@contextmanager
def _server(file: Path, latency_seconds: float) -> Iterator[str]:
    """Run the sample shops with the menus of a file in a process; yield their URL."""
    command = [sys.executable, "-m", "tests.samples.competitors", "--menus", str(file)]
    command += ["--max-page-size", str(PAGE_SIZE), "--latency", str(latency_seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise ValueError("the server was started without a pipe")
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()
