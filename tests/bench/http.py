"""REST over HTTP: requests per second and p99 of one gunicorn process, against a bare Django view.

One client with one connection; the server has one worker with eight threads, as `bin/dev` starts
it. The bare view returns the bytes of the cached recommendation through all middleware, without
key, scope and rate limit. The list of products is compared with DRF's serializer in a plain
ListAPIView. `--size` is the number of products.
"""

import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import numpy as np
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework.generics import ListAPIView
from rest_framework.serializers import ModelSerializer

from catalog.audiences import PRODUCT_FIELDS
from catalog.models import Product
from catalog.selectors.products import current_products
from config.api.keys import Audience
from config.api.permissions import has_scope
from config.embedded.ports import LOOPBACK, free_port
from config.embedded.stack import ROOT
from tests.bench.comparison import Comparison, measure_alternately

SIZE = 1_000
_REQUESTS = 200
_COLD_REQUESTS = 40
_START_SECONDS = 60
_PAGE_SIZE = 20
_CUSTOMERS = 60
_DAYS = 60
_BODY = "BENCH_HTTP_BODY"
"""File with the body of the bare view."""


class _PlainSerializer(ModelSerializer):
    class Meta:
        model = Product
        fields = [name for name, needed in PRODUCT_FIELDS.items() if needed <= Audience.VERIFIED]


class PlainList(ListAPIView):
    """Products by DRF alone, with our key, scope, pages and fields."""

    permission_classes = (has_scope("catalog:read"),)
    serializer_class = _PlainSerializer
    queryset = current_products()
    filter_backends = ()


def bare(_request: HttpRequest) -> HttpResponse:
    """Return the bytes of a recommendation."""
    return HttpResponse(_body(), content_type="application/json")


def _body() -> bytes:
    if _BODY not in _cached:
        with open(os.environ[_BODY], "rb") as file:
            _cached[_BODY] = file.read()
    return _cached[_BODY]


_cached: dict[str, bytes] = {}
urlpatterns = [
    path("", include("config.urls")),
    path("bench/bare/", bare),
    path("bench/plain/", PlainList.as_view()),
]


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return ratios to the bare view and to DRF, and requests per second and p99 of each path."""
    from tests.bench.api import _create_data, _create_key

    customers = _create_data(size, customers=_CUSTOMERS, days=_DAYS)
    header = _create_key(scopes=["recommendations:read", "catalog:read"])
    product = str(Product.objects.filter(merged_into=None).values_list("pk", flat=True)[0])
    recommendation = f"/api/v1/recommendations/{customers[0]}/"
    paths = {
        "product": f"/api/v1/products/{product}/",
        "list of 20": f"/api/v1/products/?limit={_PAGE_SIZE}",
        "search": f"/api/v1/products/search/?q={quote('indica flower under 40')}",
        "similar": f"/api/v1/products/{product}/similar/",
        "cached recommendation": recommendation,
    }
    figures = {name: _Figures(name) for name in (*paths, "bare view")}
    cold = _Figures("cold recommendation")
    cached = Comparison(name="cached recommendation: requests/s of the bare view", limit=0.75)
    rendering = Comparison(name="list of 20: faster than DRF's serializer", limit=5)
    os.environ[_BODY] = str(ROOT / "var" / "bench-http-body.json")
    with _server() as port:
        connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)

        def get(url: str) -> bytes:
            connection.request("GET", url, headers={"Authorization": header})
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise RuntimeError(f"{url}: {response.status} {content[:300]!r}")
            return content

        with open(os.environ[_BODY], "wb") as file:
            file.write(get(recommendation))
        for url in (*paths.values(), "/bench/bare/", f"/bench/plain/?limit={_PAGE_SIZE}"):
            for _ in range(20):
                get(url)
        for number in range(rounds):
            ours, peer = measure_alternately(
                number, _repeat(get, recommendation), _repeat(get, "/bench/bare/")
            )
            cached.ratios.append(peer / ours)
            ours, peer = measure_alternately(
                number,
                _repeat(get, paths["list of 20"]),
                _repeat(get, f"/bench/plain/?limit={_PAGE_SIZE}"),
            )
            rendering.ratios.append(peer / ours)
            for name, url in (*paths.items(), ("bare view", "/bench/bare/")):
                figures[name].add(_times(get, [url] * _REQUESTS))
            sample = customers[1 + number :: rounds][: _COLD_REQUESTS // rounds]
            cold.add(_times(get, [f"/api/v1/recommendations/{pk}/?limit=11" for pk in sample]))
            advance()
    os.unlink(os.environ[_BODY])
    return [cached, rendering, *(line for item in (*figures.values(), cold) for line in item.lines)]


class _Figures:
    """Requests per second and p99 of one path, by round."""

    def __init__(self, name: str) -> None:
        self._rate = Comparison(name=f"{name}", unit="requests/s")
        self._p99 = Comparison(name=f"{name}, p99", unit="ms", is_ceiling=True)
        self.lines = (self._rate, self._p99)

    def add(self, times: list[float]) -> None:
        """Add the seconds of the requests of a round."""
        if times:
            self._rate.ratios.append(1 / statistics.mean(times))
            self._p99.ratios.append(1000 * float(np.percentile(times, 99)))


@contextmanager
def _server() -> Iterator[int]:
    """Start gunicorn; yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "tests.bench.http_server"]
    command += ["--bind", f"{LOOPBACK}:{port}", "--threads", "8", "--keep-alive", "30"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
            connection.request("GET", "/health/live")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("gunicorn does not answer")
        time.sleep(0.2)


def _repeat(get: Callable[[str], bytes], url: str) -> Callable[[], None]:
    def run() -> None:
        for _ in range(_REQUESTS):
            get(url)

    return run


def _times(get: Callable[[str], bytes], urls: list[str]) -> list[float]:
    """Return the seconds of each request."""
    times = []
    for url in urls:
        started = time.perf_counter()
        get(url)
        times.append(time.perf_counter() - started)
    return times
