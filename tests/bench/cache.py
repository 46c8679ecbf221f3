"""An answer that is kept near, against Django's LocMemCache (at least 30 x); and how often one that expired is made (once).

`--size` hits a round, of ten products as REST tells them: against the same bytes, and against the same products as objects.
Then 32 processes of 4 threads, which all ask in the moment after an answer has expired in Redis. Further lines: how long
after the commit of a change what rests on it is gone, and a request counted in a lease against DRF's own throttle.
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
from config.api.throttling import spend
from config.cache import Answers, Rendered
from config.cache.invalidation import is_listening
from tests.bench.comparing import Comparison, in_turn

SIZE = 50_000
LEAST_TIMES = 30.0
_KEY = "V1StGXR8:/api/v1/customers/6f1c1a6e-8a3b-4a55-9a53-5a6d7c0f3f3e/recommendations/?scenario=home&store=ON-014"
_PRODUCTS, _CHANGES, _REQUESTS = 10, 20, 300
_PROCESSES, _THREADS = 32, 4
_LATEST = 1000.0
# One process that is ready forks the others, as servers do; each then has its own connections, threads and memory.
_STAMPEDE = """
import os, sys, threading, time
import django
django.setup()
from config.cache import Answers, Rendered
from config.clients.redis import quick_redis
name, processes, threads, rounds = sys.argv[1], *map(int, sys.argv[2:])
answers = Answers(prefix=name)
def make():
    quick_redis().ask(lambda client: client.incr(f"{name}:made"))
    time.sleep(0.05)  # as long as a busy machine takes for an answer
    return Rendered(b"body" * 2500, "etag", frozenset(), "", 1.0)
def ask(failed):
    try:
        answers.get_or_make(owner="owner", field="field", make=make, is_still_so=lambda rendered: True)
    except BaseException:
        failed.append(1)
        raise
for _ in range(rounds):
    ask([])
    time.sleep(1.1)
    quick_redis().ask(lambda client: client.set(f"{name}:made", 0))
    hears, starts = os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if not child:
            os.close(starts)
            os.read(hears, 1)
            failed = []
            asking = [threading.Thread(target=ask, args=[failed]) for _ in range(threads)]
            [thread.start() for thread in asking]
            [thread.join() for thread in asking]
            os._exit(len(failed))
        children.append(child)
    os.close(hears)
    time.sleep(0.5)
    os.close(starts)
    if any(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children):
        raise SystemExit("a process failed")
    print(int(quick_redis().ask(lambda client: client.get(f"{name}:made"))), flush=True)
"""


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios of hits, nanoseconds, recomputations and milliseconds."""
    products = _products()
    told = [dict(product) for product in ProductSerializer(products, many=True).data]
    body = JSONRenderer().render(told)
    answers = Answers(prefix="bench")
    while not is_listening():
        time.sleep(0.01)
    peer = LocMemCache("bench", {})
    peer.set("bytes", body, None)
    peer.set("objects", told, None)
    what = f"{len(told)} products of {len(told[0])} fields"
    as_objects = Comparison(
        name=f"a hit, against LocMemCache with {what} as objects", limit=LEAST_TIMES
    )
    as_bytes = Comparison(
        name=f"the same, against LocMemCache with the same {len(body):,} bytes", limit=LEAST_TIMES
    )
    nanoseconds = Comparison(name="a hit", unit="ns")
    counted = Comparison(name="a request counted, against DRF's throttle by Redis")
    throttle = _Throttle()
    for number in range(rounds):
        answers.keep_near(_KEY, Rendered(body, '"etag"', frozenset(), "", 3600), answers.ticket())
        ours = partial(_calls, answers.near, _KEY, size)
        for line, key in ((as_objects, "objects"), (as_bytes, "bytes")):
            mine, theirs = in_turn(number, ours, partial(_calls, peer.get, key, size // 20))
            line.ratios.append(theirs / (size // 20) / (mine / size))
        nanoseconds.ratios.append(mine / size * 1e9)
        name = f"bench{number}"
        mine, theirs = in_turn(number, partial(_spends, name), throttle.counts)
        counted.ratios.append(theirs / mine)
        advance()
    late = Comparison(
        name="ms from a change's commit until what rests on it is gone",
        limit=_LATEST,
        unit="ms",
        is_ceiling=True,
    )
    late.ratios = [_lateness(answers, products[0]) for _ in range(_CHANGES)]
    return [as_objects, as_bytes, nanoseconds, _stampedes(rounds), late, counted]


def _products() -> list[Product]:
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


def _calls(get: Callable[[str], Any], key: str, times: int) -> None:
    """Ask so many times; raises AssertionError when there is nothing, which would be quick."""
    for _ in repeat(None, times):
        get(key)
    assert get(key), f"{key} is not kept"


class _Throttle(SimpleRateThrottle):
    scope = "bench"
    rate = "100000/min"

    def get_cache_key(self, request: Any, view: Any) -> str:
        """Return one key."""
        return "bench-throttle"

    def counts(self) -> None:
        """Count so many requests."""
        request, view = Request(HttpRequest()), APIView()
        for _ in range(_REQUESTS):
            assert super().allow_request(request, view)


def _spends(name: str) -> None:
    for _ in range(_REQUESTS):
        assert spend(name, limit=100_000, seconds=60) is None


def _lateness(answers: Answers, product: Product) -> float:
    """Return after how many milliseconds an answer is gone whose product was changed."""
    key = f"lateness of {product.pk}"
    answers.keep_near(
        key, Rendered(b"body", "", frozenset([str(product.pk)]), "", 3600), answers.ticket()
    )
    assert answers.near(key), "it is not kept"
    Product.objects.filter(pk=product.pk).update(price=Decimal("35.95"))
    committed = time.perf_counter()
    while answers.near(key):
        assert time.perf_counter() - committed < 30, "it is never gone"
        time.sleep(0.0002)
    return (time.perf_counter() - committed) * 1000


def _stampedes(rounds: int) -> Comparison:
    line = Comparison(
        name=f"recomputations per expiry, {_PROCESSES} processes of {_THREADS} threads",
        limit=1,
        unit="",
        is_ceiling=True,
    )
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            _STAMPEDE,
            f"bench-{uuid.uuid4().hex}",
            *map(str, (_PROCESSES, _THREADS, rounds)),
        ],
        env=os.environ,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=120 + 60 * rounds,
    )
    line.ratios = [float(count) for count in said.stdout.split()]
    assert len(line.ratios) == rounds
    assert statistics.fmean(line.ratios) >= 1
    return line
