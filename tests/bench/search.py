"""Whole search requests over HTTP at 10,000 products: the median at most 25 ms; 20 clients at once without an error.

A web process as bin/dev runs it answers questions of the judged set, with facets, over a catalogue made by repeating the
sample one under new names. The shares of the steps are taken in this process, without HTTP.
"""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import requests

from config.embedded.ports import LOOPBACK, free_port
from config.embedded.stack import ROOT
from tests.bench.comparing import Comparison
from tests.bench.search_quality import QUERIES, read_judgments, take_in

SIZE = 10_000
_CLIENTS, _ASKED = 20, 200
_REPEAT = """
INSERT INTO products (name, name_fr, brand, sku, category, strain_type, strain, thc_percentage, thc_percentage_low,
  thc_percentage_high, cbd_percentage, cbd_percentage_low, cbd_percentage_high, weight_grams, price, terpenes, lineage,
  merge_key, source)
SELECT name || ' ' || lap, name_fr, brand || ' ' || lap, NULL, category, strain_type, strain, thc_percentage,
  thc_percentage_low, thc_percentage_high, cbd_percentage, cbd_percentage_low, cbd_percentage_high, weight_grams,
  price + lap %% 7, terpenes, lineage, merge_key || ':' || lap, source
FROM products CROSS JOIN generate_series(1, %s) AS lap WHERE merged_into_id IS NULL
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return medians and 99th percentiles in ms, errors among many clients, and where the time goes."""
    _fill(size)
    questions = [one.q for one in read_judgments(QUERIES)]
    key = _key()
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
        for question in questions[:20]:  # models are loaded, vectors read
            session.get(
                address, params={"q": question}, headers=headers, timeout=60
            ).raise_for_status()
        with_facets = Comparison(
            name="one client, with facets, p50", unit="ms", limit=25, is_ceiling=True
        )
        bare = Comparison(name="one client, without facets, p50", unit="ms")
        last = Comparison(name="one client, with facets, p99", unit="ms")
        for number in range(rounds):
            part = questions[number::rounds]
            told = [_spent(session, address, headers, {"q": q}) for q in part]
            with_facets.ratios.append(statistics.median(told))
            last.ratios.append(float(np.percentile(told, 99)))
            bare.ratios.append(
                statistics.median(
                    _spent(session, address, headers, {"q": q, "facets": "none"}) for q in part
                )
            )
            advance()
        errors, busy = _many(address, headers, questions)
    finally:
        web.terminate()
        web.wait(30)
    return [
        with_facets,
        last,
        bare,
        Comparison(
            name=f"errors of {_CLIENTS} clients, {_ASKED} questions in all",
            unit="",
            limit=0,
            is_ceiling=True,
            ratios=[errors],
        ),
        Comparison(name=f"{_CLIENTS} clients at once, p50", unit="ms", ratios=[busy]),
        *_shares(questions),
    ]


def _fill(size: int) -> None:
    from django.db import connection

    from catalog.models import Product
    from catalog.services.merging import write_documents
    from catalog.services.search_vocabulary import refresh_search_words
    from vectors.index.write import index_due

    take_in()
    current = Product.objects.current().count()
    with connection.cursor() as cursor:
        cursor.execute(_REPEAT, [max(size // current - 1, 1)])
        write_documents(cursor, list(Product.objects.current().values_list("merge_key", flat=True)))
        cursor.execute("ANALYZE products")
    refresh_search_words()
    index_due()


def _key() -> str:
    from config.api.keys import ApiKey

    _, secret = ApiKey.objects.create_key(
        name="bench", audience="verified", scopes=["catalog:read"], rate="1000000/min"
    )
    return str(secret)


def _spent(
    session: requests.Session, address: str, headers: dict[str, str], asked: dict[str, str]
) -> float:
    started = time.perf_counter()
    session.get(address, params=asked, headers=headers, timeout=60).raise_for_status()
    return 1000 * (time.perf_counter() - started)


def _many(address: str, headers: dict[str, str], questions: list[str]) -> tuple[float, float]:
    errors, spent = [0], list[float]()

    def ask(number: int) -> None:
        session = requests.Session()
        for place in range(_ASKED // _CLIENTS):
            try:
                spent.append(
                    _spent(
                        session,
                        address,
                        headers,
                        {"q": questions[(number * 7 + place) % len(questions)]},
                    )
                )
            except requests.RequestException:
                errors[0] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return float(errors[0]), statistics.median(spent)


def _shares(questions: list[str]) -> list[Comparison]:
    """Return what each step takes of answering, in percent: encoding, vectors, gathering with facets, all else."""
    from catalog.models import Product
    from catalog.search import pipeline
    from catalog.search.facets import NAMES
    from vectors import search

    steps = {
        "encoding": (search, "encoded"),
        "near vectors": (search, "_nearest"),
        "gathering and facets in SQL": (pipeline, "_gather"),
    }
    spent = dict.fromkeys([*steps, "all else"], 0.0)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent[name] += time.perf_counter() - started

        return call

    before = {name: getattr(module, attribute) for name, (module, attribute) in steps.items()}
    whole = 0.0
    try:
        for name, (module, attribute) in steps.items():
            setattr(module, attribute, timed(name, before[name]))
        for question in questions:
            started = time.perf_counter()
            pipeline.answer(
                pipeline.Question(text=question, within=Product.objects.current(), facets=NAMES)
            )
            whole += time.perf_counter() - started
    finally:
        for name, (module, attribute) in steps.items():
            setattr(module, attribute, before[name])
    spent["all else"] = whole - sum(spent.values())
    return [
        Comparison(name=f"share: {name}", unit="%", ratios=[100 * value / whole])
        for name, value in spent.items()
    ]


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError("the web process did not start")
