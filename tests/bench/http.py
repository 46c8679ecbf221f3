"""REST over HTTP: requests per second and p99 of one web process, against a bare Django view.

One client, then eight at once, each with one connection; the server has one worker with eight
threads, as `bin/dev` starts it. The bare view returns the bytes of the cached recommendation
through all middleware, without key, scope and rate limit. The list of products is compared with
DRF's serializer in a plain ListAPIView. `--size` is the number of products.

Another server is measured by its command in BENCH_HTTP_SERVER, with `{port}` for the port.
"""

import http.client
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
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
_REQUESTS = 100
"""Of one client, or of all clients together, by path and round."""
_COLD_REQUESTS = 60
_CLIENTS = 8
_WARM_REQUESTS = 20
_START_SECONDS = 60
_PAGE_SIZE = 20
_CUSTOMERS = 60
_DAYS = 60
_BODY = "BENCH_HTTP_BODY"
"""File with the body of the bare view."""
_SERVER = "BENCH_HTTP_SERVER"
GUNICORN = (
    f"{sys.executable} -m gunicorn tests.bench.http_server --bind {LOOPBACK}:{{port}}"
    " --threads 8 --keep-alive 30 --no-control-socket"
)


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
    # Keys that may write are not served from the cache of products.
    writer = _create_key(scopes=["catalog:read", "catalog:write"], audience="staff")
    product = str(Product.objects.filter(merged_into=None).values_list("pk", flat=True)[0])
    page = f"/api/v1/products/?limit={_PAGE_SIZE}"
    fields = f"{page}&fields={','.join(_PlainSerializer.Meta.fields)}"
    plain = f"/bench/plain/?limit={_PAGE_SIZE}"
    recommendation = f"/api/v1/recommendations/{customers[0]}/"
    requests = {
        "product": Request(f"/api/v1/products/{product}/", header),
        "list of 20": Request(page, header),
        "list of 20, computed": Request(fields, writer),
        "search": Request(f"/api/v1/products/search/?q={quote('indica flower under 40')}", header),
        "similar": Request(f"/api/v1/products/{product}/similar/", header),
        "cached recommendation": Request(recommendation, header),
        "bare view": Request("/bench/bare/", header),
    }
    figures = {
        name: [_Figures(name), _Figures(f"{name}, {_CLIENTS} clients")]
        for name in (*requests, "cold recommendation")
    }
    cached = Comparison(name="cached recommendation: requests/s of the bare view", limit=0.75)
    lists = {
        "list of 20": Comparison(name="list of 20: faster than DRF's serializer", limit=5),
        "list of 20, computed": Comparison(name="list of 20, computed: the same"),
    }
    server = os.environ.get(_SERVER, GUNICORN)
    with body_file() as body, start_server(server) as port, Clients(port, _CLIENTS) as clients:
        body.write_bytes(clients.get(Request(recommendation, header)))
        for request in (*requests.values(), Request(plain, header)):
            clients.send([request] * _WARM_REQUESTS, clients=1)
        for number in range(rounds):
            ours, peer = measure_alternately(
                number,
                clients.repeat(requests["cached recommendation"]),
                clients.repeat(requests["bare view"]),
            )
            cached.ratios.append(peer / ours)
            for name, line in lists.items():
                ours, peer = measure_alternately(
                    number,
                    clients.repeat(requests[name]),
                    clients.repeat(Request(plain, header)),
                )
                line.ratios.append(peer / ours)
            for name, request in requests.items():
                for figure, count in zip(figures[name], (1, _CLIENTS), strict=True):
                    figure.add(*clients.send([request] * _REQUESTS, clients=count))
            sample = [
                Request(f"/api/v1/recommendations/{pk}/?limit={11 + number}", header)
                for pk in customers[1:][: _COLD_REQUESTS // rounds]
            ]
            half = len(sample) // 2
            one, many = figures["cold recommendation"]
            one.add(*clients.send(sample[:half], clients=1))
            many.add(*clients.send(sample[half:], clients=_CLIENTS))
            advance()
    all_figures = [figure for pair in figures.values() for figure in pair]
    return [cached, *lists.values(), *(line for figure in all_figures for line in figure.lines)]


@dataclass(frozen=True, slots=True)
class Request:
    """A path, and the API key that it is sent with."""

    path: str
    header: str


class _Figures:
    """Requests per second and p99 of one path, by round."""

    def __init__(self, name: str) -> None:
        self._rate = Comparison(name=name, unit="requests/s")
        self._p99 = Comparison(name=f"{name}, p99", unit="ms", is_ceiling=True)
        self.lines = (self._rate, self._p99)

    def add(self, seconds: float, times: Sequence[float]) -> None:
        """Add a round: how long all requests took, and each of them."""
        self._rate.ratios.append(len(times) / seconds)
        self._p99.ratios.append(1000 * float(np.percentile(times, 99)))


class Clients:
    """Clients of one server, with one connection each."""

    def __init__(self, port: int, count: int) -> None:
        self._connections = [
            http.client.HTTPConnection(LOOPBACK, port, timeout=30) for _ in range(count)
        ]
        self._pool = ThreadPoolExecutor(count)

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()

    def get(self, request: Request) -> bytes:
        """Return the body of a response. Raises RuntimeError for any status but 200."""
        return _get(self._connections[0], request)

    def send(self, requests: Sequence[Request], *, clients: int) -> tuple[float, list[float]]:
        """Send requests, divided among clients; return the seconds of all, and of each."""

        def send_some(number: int) -> list[float]:
            times = []
            for request in requests[number::clients]:
                started = time.perf_counter()
                _get(self._connections[number], request)
                times.append(time.perf_counter() - started)
            return times

        started = time.perf_counter()
        times = [item for some in self._pool.map(send_some, range(clients)) for item in some]
        return time.perf_counter() - started, times

    def repeat(self, request: Request) -> Callable[[], object]:
        """Return a function that sends a request repeatedly by one client."""
        return lambda: self.send([request] * _REQUESTS, clients=1)


def _get(connection: http.client.HTTPConnection, request: Request) -> bytes:
    headers = {"Authorization": request.header}
    connection.request("GET", request.path, headers=headers)
    try:
        response = connection.getresponse()
    except http.client.RemoteDisconnected:  # it was idle for too long, while others were used
        connection.close()
        connection.request("GET", request.path, headers=headers)
        response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RuntimeError(f"{request.path}: {response.status} {content[:300]!r}")
    return content


@contextmanager
def body_file() -> Iterator[Path]:
    """Yield the file with the body of the bare view, which servers read at its first request."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "body.json"
        os.environ[_BODY] = str(path)
        yield path


@contextmanager
def start_server(command: str) -> Iterator[int]:
    """Start a server by its command, with `{port}` for the port; yield its port."""
    port = free_port()
    process = subprocess.Popen(
        shlex.split(command.format(port=port)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


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
            raise RuntimeError("the server does not answer")
        time.sleep(0.2)
