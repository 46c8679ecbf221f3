"""
A mix of searches, recommendations, events and console pages on the processes of production.

`--size` is the duration in seconds, 600 by default. Eight clients send one request after the other
to gunicorn with two processes of eight threads: four of ten are searches, three recommendations,
two batches of ten events, one a page of the console. No limits: another machine has other figures.
"""

import itertools
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import psutil
import requests
from django.conf import settings
from django.test import Client

from config.embedded.ports import LOOPBACK, free_port
from config.embedded.stack import ROOT
from tests.bench.api import _create_data, _create_key
from tests.bench.comparison import Comparison
from tests.bench.search_quality import QUERIES, read_judgments

SIZE = 600
_CLIENTS = 8
_PRODUCTS = 1_000
_CUSTOMERS = 60
_DAYS = 30
_SEED = 20261129
_EVENTS = 10
_START_SECONDS = 120
_WARM_UP_SHARE = 0.1
# Caches that fill grow in the first parts, a leak in each.
_PARTS = 5
_SAMPLE_SECONDS = 2
_KINDS = ("search", "recommendations", "events", "console")
_SHARES = (4, 3, 2, 1)
_PAGES = ("catalog/product/", "mlops/run/", "customers/customerprofile/", "mlops/inboxevent/")
_MEGABYTE = 1_000_000


def measure(*, rounds: int, size: int, advance: Callable[[], None]) -> list[Comparison]:
    """Return rates, times, errors, growth of memory and shares of the processors."""
    from django.contrib.auth.models import User

    customers = _create_data(_PRODUCTS, customers=_CUSTOMERS, days=_DAYS)
    console = Client(HTTP_HOST="localhost")
    console.force_login(User.objects.create_superuser("bench"))
    lines: dict[str, Comparison] = {}

    def add(name: str, unit: str, value: float) -> None:
        lines.setdefault(name, Comparison(name=name, unit=unit)).ratios.append(value)

    with _web() as (port, web):
        mix = _Mix(
            address=f"http://{LOOPBACK}:{port}",
            keys=(
                _create_key(["recommendations:read", "catalog:read"]),
                _create_key(["events:write"]),
            ),
            session=console.cookies[settings.SESSION_COOKIE_NAME].value,
            customers=customers,
        )
        groups = {"web": web, "clients": os.getpid(), **_server_processes()}
        for _ in range(rounds):
            mix.run(size * _WARM_UP_SHARE)
            before, mix.times, mix.errors = _memory(web), defaultdict(list), Counter()
            memory = [before]
            with _sampled(groups) as shares:
                for _ in range(_PARTS):
                    mix.run(size / _PARTS)
                    memory.append(_memory(web))
            for kind in _KINDS:
                times = mix.times[kind]
                add(f"{kind}, requests", "/s", len(times) / size)
                add(f"{kind}, p50", "ms", 1000 * float(np.percentile(times, 50)))
                add(f"{kind}, p99", "ms", 1000 * float(np.percentile(times, 99)))
            add("errors", "", mix.errors.total())
            count = sum(map(len, mix.times.values()))
            add("requests", "", count)
            add("memory of the web processes", "MB", before / _MEGABYTE)
            for part, (start, end) in enumerate(itertools.pairwise(memory), start=1):
                add(f"its growth in part {part} of {_PARTS}", "MB", (end - start) / _MEGABYTE)
            for name, share in shares.items():
                add(f"processor of {name}", "cores", share)
            advance()
        for error, count in mix.errors.most_common(5):
            sys.stderr.write(f"{count} x {error}\n")
    return list(lines.values())


class _Mix:
    """
    Clients that send requests.

    times: seconds of the requests by kind. errors: number of failed ones by kind and status.
    """

    def __init__(
        self, *, address: str, keys: tuple[str, str], session: str, customers: Sequence[str]
    ) -> None:
        self._address = address
        self._reading, self._sending = ({"Authorization": key} for key in keys)
        self._cookies = {settings.SESSION_COOKIE_NAME: session}
        self._customers = customers
        self._queries = [judged.q for judged in read_judgments(QUERIES)]
        self._seeds = itertools.count(_SEED)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()

    def run(self, seconds: float) -> None:
        """Send requests for a time."""
        ends_at = time.monotonic() + seconds
        clients = [
            threading.Thread(target=self._run_client, args=(ends_at, random.Random(seed)))
            for seed in itertools.islice(self._seeds, _CLIENTS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def _run_client(self, ends_at: float, rng: random.Random) -> None:
        send = {
            "search": self._search,
            "recommendations": self._recommend,
            "events": self._send_events,
            "console": self._open_page,
        }
        with requests.Session() as session:
            while time.monotonic() < ends_at:
                (kind,) = rng.choices(_KINDS, _SHARES)
                started = time.perf_counter()
                try:
                    status = send[kind](session, rng).status_code
                except requests.RequestException as error:
                    self.errors[f"{kind} {type(error).__name__}"] += 1
                    continue
                self.times[kind].append(time.perf_counter() - started)
                if status != 200:
                    self.errors[f"{kind} {status}"] += 1

    def _search(self, session: requests.Session, rng: random.Random) -> requests.Response:
        path = f"/api/v1/products/search/?q={quote(rng.choice(self._queries))}"
        return session.get(self._address + path, headers=self._reading, timeout=60)

    def _recommend(self, session: requests.Session, rng: random.Random) -> requests.Response:
        path = f"/api/v1/recommendations/{rng.choice(self._customers)}/"
        return session.get(self._address + path, headers=self._reading, timeout=60)

    def _send_events(self, session: requests.Session, rng: random.Random) -> requests.Response:
        events = [_event(rng) for _ in range(_EVENTS)]
        return session.post(
            f"{self._address}/api/v1/events/",
            json={"events": events},
            headers=self._sending,
            timeout=60,
        )

    def _open_page(self, session: requests.Session, rng: random.Random) -> requests.Response:
        return session.get(
            f"{self._address}/console/{rng.choice(_PAGES)}",
            cookies=self._cookies,
            timeout=60,
            allow_redirects=False,
        )


def _event(rng: random.Random) -> dict[str, Any]:
    return {
        "topic": "system_metrics",
        "id": str(uuid.UUID(int=rng.getrandbits(128))),
        "type": "metric",
        "version": 1,
        "occurred_at": datetime.now(UTC).isoformat(),
        "data": {"source": "bench", "name": "load", "value": rng.random()},
    }


@contextmanager
def _web() -> Iterator[tuple[int, int]]:
    """Start gunicorn as in production; yield its port and process id."""
    port = free_port()
    command = f"gunicorn config.wsgi --bind {LOOPBACK}:{port} --workers 2 --threads 8"
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split(), "--no-control-socket", "--log-level", "error"],
        cwd=ROOT,
    )
    try:
        _wait(f"http://{LOOPBACK}:{port}/health/live")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(requests.RequestException):
            if requests.get(url, timeout=5).ok:
                return
        time.sleep(0.2)
    raise RuntimeError("gunicorn does not answer")


def _server_processes() -> dict[str, int]:
    """Return the process ids of the embedded servers."""
    files = Path(os.environ["STATE_DIR"]).glob("*/pid")
    return {file.parent.name: int(file.read_text()) for file in files}


def _tree(process_id: int) -> list[psutil.Process]:
    process = psutil.Process(process_id)
    return [process, *process.children(recursive=True)]


def _memory(process_id: int) -> float:
    """Return the memory of a process and its children, shared pages once."""
    total = 0.0
    for process in _tree(process_id):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total


@contextmanager
def _sampled(groups: dict[str, int]) -> Iterator[dict[str, float]]:
    """Measure how many cores each group of processes uses, and all processes of the machine."""
    shares: dict[str, float] = {}
    own = {os.getpid()}
    is_over = threading.Event()
    used: dict[tuple[str, int], tuple[float, float]] = {}

    def sample() -> None:
        for name, process_id in groups.items():
            processes = [psutil.Process(process_id)] if process_id in own else _tree(process_id)
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    key = (name, process.pid)
                    first, _ = used.get(key, (times.user + times.system, 0.0))
                    used[key] = (first, times.user + times.system)

    def watch() -> None:
        while not is_over.wait(_SAMPLE_SECONDS):
            sample()

    sample()
    started, whole = time.monotonic(), psutil.cpu_times()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield shares
    is_over.set()
    watcher.join()
    sample()
    seconds = time.monotonic() - started
    for name in groups:
        spent = sum(last - first for (group, _), (first, last) in used.items() if group == name)
        shares[name] = spent / seconds
    busy = sum(psutil.cpu_times()[:3]) - sum(whole[:3])
    shares["other programs of this machine"] = max(0.0, busy / seconds - sum(shares.values()))
