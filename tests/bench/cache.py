"""A local cache hit against LocMemCache (at least 30 x); recomputations per expiry (one).

`--size` hits a round, of ten products as REST renders them: against the same bytes, and against the
same products as objects. Then 32 processes of 4 threads, which listen for changes, request a
response that has expired in Redis. Further lines: milliseconds from the commit of a change until
the entries that depend on it are gone, and a request counted in a lease against DRF's own throttle.
"""

import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import repeat
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from catalog.api.serializers import ProductSerializer
from catalog.models import Product
from config.api.throttling import count_request
from config.cache import RenderedResponse, ResponseCache
from config.cache.invalidation import is_listening
from tests.bench.comparison import Comparison, measure_alternately

SIZE = 50_000
MIN_RATIO = 30.0
_KEY = (
    "V1StGXR8:/api/v1/customers/6f1c1a6e-8a3b-4a55-9a53-5a6d7c0f3f3e/recommendations/"
    "?scenario=home&store=ON-014"
)
_PRODUCTS = 10
_CHANGES = 20
_REQUESTS = 300
_PROCESSES = 32
_THREADS = 4
_MAX_INVALIDATION_MILLISECONDS = 1000.0
# One process forks the others when it is ready, as servers do; each child then has its own
# connections, threads and memory.
_STAMPEDE = """
import os, sys, threading, time
import django
django.setup()
from config.cache import RenderedResponse, ResponseCache
from config.cache.invalidation import is_listening
from config.clients.redis import quick_redis
name = sys.argv[1]
processes, threads, rounds = map(int, sys.argv[2:])
cache = ResponseCache(prefix=name)
lifetime = 1.0
def compute():
    quick_redis().call(lambda client: client.incr(f"{name}:computed"))
    time.sleep(0.05)  # as long as a response takes on a busy machine
    return RenderedResponse(b"body" * 2500, "etag", frozenset(), lifetime)
def request(failed):
    try:
        cache.get_or_compute(owner="owner", field="field", compute=compute)
    except BaseException:
        failed.append(1)
        raise
for _ in range(rounds):
    cache.remove("owner")
    request([])
    time.sleep(1.1)
    quick_redis().call(lambda client: client.set(f"{name}:computed", 0))
    start_reader, start_writer = os.pipe()
    ready_reader, ready_writer = os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if not child:
            lifetime = 60.0  # what is computed now does not expire before the last request
            os.close(start_writer)
            while not is_listening():
                time.sleep(0.01)
            os.write(ready_writer, b".")
            os.read(start_reader, 1)
            failed = []
            requests = [threading.Thread(target=request, args=[failed]) for _ in range(threads)]
            for thread in requests:
                thread.start()
            for thread in requests:
                thread.join()
            os._exit(len(failed))
        children.append(child)
    os.close(start_reader)
    for _ in range(processes):
        os.read(ready_reader, 1)
    os.close(start_writer)
    if any(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children):
        raise SystemExit("a process failed")
    print(int(quick_redis().call(lambda client: client.get(f"{name}:computed"))), flush=True)
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of hits, nanoseconds, recomputations and milliseconds."""
    products = _create_products()
    rows = [dict(product) for product in ProductSerializer(products, many=True).data]
    body = JSONRenderer().render(rows)
    cache = ResponseCache(prefix="bench")
    while not is_listening():
        time.sleep(0.01)
    peer = LocMemCache("bench", {})
    peer.set("bytes", body, None)
    peer.set("objects", rows, None)
    as_objects = Comparison(
        name=f"a hit, against LocMemCache with {len(rows)} products of {len(rows[0])} fields "
        "as objects",
        limit=MIN_RATIO,
    )
    as_bytes = Comparison(
        name=f"the same, against LocMemCache with the same {len(body):,} bytes", limit=MIN_RATIO
    )
    nanoseconds = Comparison(name="a hit", unit="ns")
    counted = Comparison(name="a request counted, against DRF's throttle by Redis")
    throttle = _Throttle()
    response = RenderedResponse(body, '"etag"', frozenset(), 3600)
    for number in range(rounds):
        cache.put_local(_KEY, response, cache.generation())
        ours = partial(_get_repeatedly, cache.get_local, _KEY, size)
        for line, key in ((as_objects, "objects"), (as_bytes, "bytes")):
            mine, theirs = measure_alternately(
                number, ours, partial(_get_repeatedly, peer.get, key, size // 20)
            )
            line.ratios.append(theirs / (size // 20) / (mine / size))
        nanoseconds.ratios.append(mine / size * 1e9)
        mine, theirs = measure_alternately(
            number, partial(_spend_repeatedly, f"bench{number}"), throttle.count_requests
        )
        counted.ratios.append(theirs / mine)
        advance()
    invalidation = Comparison(
        name="ms from a change's commit until the entries that depend on it are gone",
        limit=_MAX_INVALIDATION_MILLISECONDS,
        unit="ms",
        is_ceiling=True,
    )
    invalidation.ratios = [_invalidation_milliseconds(cache, products[0]) for _ in range(_CHANGES)]
    return [as_objects, as_bytes, nanoseconds, _stampedes(rounds), invalidation, counted]


def _create_products() -> list[Product]:
    rows = [
        Product(
            id=uuid.uuid4(),
            name=f"Pink Kush {number}",
            brand="San Rafael '71",
            sku=f"SKU-{number}",
            strain_type="indica",
            thc_percentage=Decimal("21.5"),
            cbd_percentage=Decimal("0.1"),
            weight_grams=Decimal("3.5"),
            price=Decimal("34.95"),
            merge_key=f"bench:{number}",
        )
        for number in range(_PRODUCTS)
    ]
    Product.objects.bulk_create(rows)
    return list(Product.objects.filter(pk__in=[row.pk for row in rows]))


def _get_repeatedly(get: Callable[[str], Any], key: str, times: int) -> None:
    """Get a key many times. Raises AssertionError for a miss, which would be faster than a hit."""
    for _ in repeat(None, times):
        get(key)
    assert get(key), f"{key} is not cached"


class _Throttle(SimpleRateThrottle):
    """DRF's throttle, which asks Redis at every request."""

    scope = "bench"
    rate = "100000/min"

    def get_cache_key(self, _request: Any, _view: Any) -> str:
        return "bench-throttle"

    def count_requests(self) -> None:
        """Count as many requests as `_spend_repeatedly`."""
        request = Request(HttpRequest())
        view = APIView()
        for _ in range(_REQUESTS):
            assert super().allow_request(request, view)


def _spend_repeatedly(name: str) -> None:
    for _ in range(_REQUESTS):
        assert count_request(name, limit=100_000, seconds=60) is None


def _invalidation_milliseconds(cache: ResponseCache, product: Product) -> float:
    """Change a product; return the milliseconds until a response that depends on it is gone."""
    key = f"invalidation of {product.pk}"
    response = RenderedResponse(b"body", "", frozenset([str(product.pk)]), 3600)
    cache.put_local(key, response, cache.generation())
    assert cache.get_local(key), "the response was not stored"
    Product.objects.filter(pk=product.pk).update(price=Decimal("35.95"))
    committed_at = time.perf_counter()
    while cache.get_local(key):
        assert time.perf_counter() - committed_at < 30, "the response was not invalidated"
        time.sleep(0.0002)
    return (time.perf_counter() - committed_at) * 1000


def _stampedes(rounds: int) -> Comparison:
    line = Comparison(
        name=f"recomputations per expiry, {_PROCESSES} processes of {_THREADS} threads",
        limit=1,
        unit="",
        is_ceiling=True,
    )
    arguments = [f"bench-{uuid.uuid4().hex}", str(_PROCESSES), str(_THREADS), str(rounds)]
    completed = subprocess.run(
        [sys.executable, "-c", _STAMPEDE, *arguments],
        env=os.environ,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=120 + 60 * rounds,
    )
    line.ratios = [float(count) for count in completed.stdout.split()]
    assert len(line.ratios) == rounds
    assert statistics.fmean(line.ratios) >= 1
    return line
