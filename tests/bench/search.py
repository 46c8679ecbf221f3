"""Search requests over HTTP at 10,000 products: median at most 25 ms; 20 clients without an error.

A web process as in bin/dev serves the judged queries, with facets, over a catalogue made by
repeating the sample catalogue under new names. No query is sent twice, except those for cached
results. The comparison with a search written by hand (`search_peer`) and the processor time of the
steps are measured in this process, without HTTP.
"""

import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import numpy as np
import requests

from config.embedded.ports import LOOPBACK, free_port
from config.embedded.stack import ROOT
from tests.bench.comparison import Comparison, measure_alternately
from tests.bench.search_quality import QUERIES, read_judgments, sync_sample_catalogue

SIZE = 10_000
_CLIENTS = 20
_REQUESTS = 200
_WARM_UP = 20
_PAGE = 20
_PEER_QUERIES = 60
# Copies of the current products under new names and brands, with slightly different prices.
_REPEAT_SQL = """
INSERT INTO products (
  name, name_fr, brand, sku, category, strain_type, strain, thc_percentage, thc_percentage_low,
  thc_percentage_high, cbd_percentage, cbd_percentage_low, cbd_percentage_high, weight_grams, price,
  terpenes, lineage, merge_key, source)
SELECT name || ' ' || lap, name_fr, brand || ' ' || lap, NULL, category, strain_type, strain,
  thc_percentage, thc_percentage_low, thc_percentage_high, cbd_percentage, cbd_percentage_low,
  cbd_percentage_high, weight_grams, price + lap %% 7, terpenes, lineage, merge_key || ':' || lap,
  source
FROM products CROSS JOIN generate_series(1, %s) AS lap WHERE merged_into_id IS NULL
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return times in ms, errors of many clients at once, and the share of each step."""
    fill_catalogue(size)
    queries = [judged.q for judged in read_judgments(QUERIES)]
    key = _create_key()
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "config.wsgi",
        "--bind",
        f"{LOOPBACK}:{port}",
        "--threads",
        "8",
    ]
    command += ["--no-control-socket", "--log-level", "error"]
    web = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://{LOOPBACK}:{port}/api/v1/products/search/"
    headers = {"Authorization": f"Api-Key {key}"}
    try:
        _wait(f"http://{LOOPBACK}:{port}/health/live")
        session = requests.Session()
        for query in queries[:_WARM_UP]:  # loads models and vectors
            session.get(
                address, params={"q": query, "limit": "1"}, headers=headers, timeout=60
            ).raise_for_status()
        with_facets = Comparison(
            name="one client, with facets, p50", unit="ms", limit=25, is_ceiling=True
        )
        without_facets = Comparison(name="one client, without facets, p50", unit="ms")
        slowest = Comparison(
            name="one client, with facets, p99", unit="ms", limit=60, is_ceiling=True
        )
        cached = Comparison(name="one client, the same queries again, p50", unit="ms")
        for number in range(rounds):
            part = queries[number::rounds]
            times = [_milliseconds(session, address, headers, {"q": q}) for q in part]
            with_facets.ratios.append(statistics.median(times))
            slowest.ratios.append(float(np.percentile(times, 99)))
            cached.ratios.append(
                statistics.median(_milliseconds(session, address, headers, {"q": q}) for q in part)
            )
            without_facets.ratios.append(
                statistics.median(
                    _milliseconds(session, address, headers, {"q": q, "facets": "none"})
                    for q in part
                )
            )
            advance()
        errors, busy = _query_concurrently(address, headers, queries)
    finally:
        web.terminate()
        web.wait(30)
    return [
        with_facets,
        slowest,
        without_facets,
        cached,
        _ratio_to_peer(queries, rounds),
        Comparison(
            name=f"errors of {_CLIENTS} clients, {_REQUESTS} requests in all",
            unit="",
            limit=0,
            is_ceiling=True,
            ratios=[errors],
        ),
        Comparison(name=f"{_CLIENTS} clients at once, p50", unit="ms", ratios=[busy]),
        *_step_costs(queries),
    ]


def fill_catalogue(size: int) -> None:
    from django.db import connection

    from catalog.models import Product
    from catalog.services.merging import update_search_documents
    from catalog.services.search_vocabulary import refresh_search_words
    from vectors.index.write import index_due_rows

    sync_sample_catalogue()
    current = Product.objects.current().count()
    with connection.cursor() as cursor:
        cursor.execute(_REPEAT_SQL, [max(size // current - 1, 1)])
        merge_keys = list(Product.objects.current().values_list("merge_key", flat=True))
        update_search_documents(cursor, merge_keys)
        cursor.execute("ANALYZE products")
    refresh_search_words()
    index_due_rows()


def _create_key() -> str:
    from config.api.keys import ApiKey

    _, secret = ApiKey.objects.create_key(
        name="bench", audience="verified", scopes=["catalog:read"], rate="1000000/min"
    )
    return str(secret)


def _milliseconds(
    session: requests.Session, address: str, headers: dict[str, str], params: dict[str, str]
) -> float:
    started = time.perf_counter()
    session.get(address, params=params, headers=headers, timeout=60).raise_for_status()
    return 1000 * (time.perf_counter() - started)


def _query_concurrently(
    address: str, headers: dict[str, str], queries: list[str]
) -> tuple[float, float]:
    """Return the number of errors and the median time in ms of many clients at once."""
    errors: list[Exception] = []
    times: list[float] = []

    def send(client: int) -> None:
        session = requests.Session()
        for index in range(_REQUESTS // _CLIENTS):
            try:
                times.append(
                    _milliseconds(
                        session,
                        address,
                        headers,
                        {
                            "q": queries[(client * 7 + index) % len(queries)],
                            "limit": str(_PAGE + client),
                        },
                    )
                )
            except requests.RequestException as error:
                errors.append(error)

    threads = [threading.Thread(target=send, args=(client,)) for client in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(len(errors)), statistics.median(times)


def _ratio_to_peer(queries: list[str], rounds: int) -> Comparison:
    """Return the median time of searches, with facets, as a multiple of the peer's."""
    from catalog.api.search_rows import columns_of, serialize_results
    from catalog.audiences import SEARCHED_PRODUCT_FIELDS
    from catalog.search import search_products
    from catalog.selectors.products import product_rows
    from config.api.json_responses import render_json
    from config.api.keys import Audience
    from tests.bench.search_peer import Peer

    fields = [
        name for name, needed in SEARCHED_PRODUCT_FIELDS.items() if needed <= Audience.VERIFIED
    ]
    columns = columns_of(fields)

    def search(text: str) -> bytes:
        result = search_products(_search_query(text))
        ids = [UUID(candidate.id) for candidate in result.candidates[:_PAGE]]
        rows = product_rows(ids, columns)
        results = serialize_results(
            [rows[pk] for pk in ids], fields, query_words=result.parsed.words, candidates={}
        )
        return render_json(
            {"total_count": result.total_count, "facets": result.facets, "results": results}
        )

    peer = Peer(columns)
    for query in queries[:_WARM_UP]:
        search(query)
        peer.search(query)
    comparison = Comparison(
        name="search, against tantivy, faiss and one fetch, p50", limit=1.5, is_ceiling=True
    )
    chosen = queries[:: max(1, len(queries) // _PEER_QUERIES)]
    for number in range(rounds):
        seconds = [
            measure_alternately(number + index, partial(search, query), partial(peer.search, query))
            for index, query in enumerate(chosen)
        ]
        ours, theirs = zip(*seconds, strict=True)
        comparison.ratios.append(statistics.median(ours) / statistics.median(theirs))
    return comparison


def _search_query(text: str) -> Any:
    from catalog.models import Product
    from catalog.search import FACET_NAMES, SearchQuery

    return SearchQuery(text=text, products=Product.objects.current(), facets=FACET_NAMES)


def _step_costs(queries: list[str]) -> list[Comparison]:
    """
    Return the mean processor time of a search in this process, whole and by step, in ms.

    Unlike time, it hardly depends on other work of the machine. Encoding and vectors are in other
    threads, beside the rest.
    """
    from catalog.search import search_products
    from vectors import search as vector_search

    steps = {"encoding": "encode_query", "nearest vectors": "_search_index"}
    seconds: dict[str, float] = defaultdict(float)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[name] += time.thread_time() - started

        return call

    originals = {attribute: getattr(vector_search, attribute) for attribute in steps.values()}
    try:
        for name, attribute in steps.items():
            setattr(vector_search, attribute, timed(name, originals[attribute]))
        started = time.process_time()
        for query in queries:
            search_products(_search_query(query))
        total = time.process_time() - started
    finally:
        for attribute, function in originals.items():
            setattr(vector_search, attribute, function)
    seconds["the rest, without PostgreSQL"] = total - sum(seconds.values())
    return [
        Comparison(name=f"processor time: {name}", unit="ms", ratios=[1000 * value / len(queries)])
        for name, value in seconds.items()
    ]


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError("The web process did not start.")
