"""Web servers: requests per second of granian and uvicorn against gunicorn.

All run the same WSGI application with one worker and eight threads, at the same time; the requests
are sent to them in turn, by one client and by eight. `BENCH_WEB_SERVERS` is the folder in which
granian and uvicorn are installed, which the product does not need:
`pip install --target FOLDER granian 'uvicorn[standard]' a2wsgi`.
"""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from catalog.models import Product
from config.embedded.ports import LOOPBACK
from tests.bench.comparison import Comparison, measure_alternately
from tests.bench.http import GUNICORN, Clients, Request, body_file, start_server

SIZE = 1_000
_REQUESTS = 100
_CLIENTS = (1, 8)
_WARM_REQUESTS = 20
_FOLDER = "BENCH_WEB_SERVERS"
_APPLICATION = f"tests.bench.http_server:application --host {LOOPBACK} --port {{port}}"
_PEERS = {
    "granian": f"-m granian --interface wsgi --workers 1 --blocking-threads 8 {_APPLICATION}",
    "uvicorn": f"-m uvicorn --interface wsgi --workers 1 --no-access-log {_APPLICATION}",
}


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return how many times the requests per second of gunicorn each peer answers."""
    from tests.bench.api import _create_data, _create_key

    folder = os.environ.get(_FOLDER, "")
    if not folder:
        raise SystemExit(f"{_FOLDER} must name the folder in which the other servers are installed")
    customers = _create_data(size, customers=20, days=30)
    header = _create_key(scopes=["recommendations:read", "catalog:read"])
    # Keys that may write are not served from the cache of products.
    writer = _create_key(scopes=["catalog:read", "catalog:write"], audience="staff")
    product = str(Product.objects.filter(merged_into=None).values_list("pk", flat=True)[0])
    recommendation = Request(f"/api/v1/recommendations/{customers[0]}/", header)
    requests = {
        "bare view": Request("/bench/bare/", header),
        "cached recommendation": recommendation,
        "list of 20, computed": Request("/api/v1/products/?limit=20", writer),
        "similar": Request(f"/api/v1/products/{product}/similar/", header),
    }
    lines = {
        (peer, name, count): Comparison(
            name=f"{peer}: {name}, {'one client' if count == 1 else f'{count} clients'}"
        )
        for peer in _PEERS
        for name in requests
        for count in _CLIENTS
    }
    with ExitStack() as stack:
        path = stack.enter_context(body_file())
        servers = {"gunicorn": GUNICORN} | {
            peer: f"env PYTHONPATH=.:{folder} {sys.executable} {command}"
            for peer, command in _PEERS.items()
        }
        clients = {
            name: stack.enter_context(
                Clients(stack.enter_context(start_server(command)), max(_CLIENTS))
            )
            for name, command in servers.items()
        }
        path.write_bytes(clients["gunicorn"].get(recommendation))
        for each in clients.values():
            for request in requests.values():
                each.send([request] * _WARM_REQUESTS, clients=1)
        for number in range(rounds):
            for (peer, name, count), line in lines.items():
                sample = [requests[name]] * _REQUESTS
                ours, theirs = measure_alternately(
                    number,
                    partial(clients["gunicorn"].send, sample, clients=count),
                    partial(clients[peer].send, sample, clients=count),
                )
                line.ratios.append(ours / theirs)
            advance()
    return list(lines.values())
