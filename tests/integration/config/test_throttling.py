"""Throttling: all processes together admit the limit; without Redis each counts alone."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils import timezone
from rest_framework.test import APIClient

from config.api import keys
from config.api.keys import ApiClient, ApiKey, recently_authenticated
from config.api.throttling import count_request, throttle_client
from config.clients.redis import quick_redis
from config.embedded.ports import free_port
from config.errors import BadInput
from config.rate_limits import parse_rate

URL = "/api/v1/products/"
_COUNT_REQUESTS = """
import sys
import django
django.setup()
from config.api.throttling import count_request
name, limit, tries = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
print(sum(count_request(name, limit=limit, seconds=3600) is None for _ in range(tries)))
"""


@pytest.fixture
def name() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def no_redis(settings: Any) -> None:
    _make_redis_unreachable(settings)


def _make_redis_unreachable(settings: Any) -> None:
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}
    }


def _count_many(name: str, times: int, *, limit: int) -> list[float | None]:
    return [count_request(name, limit=limit, seconds=3600) for _ in range(times)]


@pytest.mark.parametrize("limit", [0, 1, 3, 49, 50, 101])
def test_exactly_the_limit_is_admitted(name: str, limit: int) -> None:
    waits = _count_many(name, limit + 3, limit=limit)

    assert waits.count(None) == limit
    assert waits[:limit] == [None] * limit
    assert all(wait is not None and 0 < wait <= 3600 for wait in waits[limit:])


def test_threads_share_one_quota(name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: count_request(name, limit=120, seconds=3600), range(400)))

    assert waits.count(None) == 120


def test_processes_together_never_admit_more_than_the_limit(name: str) -> None:
    command = [sys.executable, "-c", _COUNT_REQUESTS, name, "200", "150"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    admitted = [int(process.communicate(timeout=60)[0]) for process in processes]

    # Each process may leave three of its last lease of four unspent.
    assert sum(admitted) in range(200 - 3 * 3, 201)


def test_redis_is_asked_once_per_lease(name: str) -> None:
    key = f"quota:{name}:3600"
    assert _count_many(name, 100, limit=1000) == [None] * 100
    count, seconds_left = quick_redis().call(lambda client: (client.get(key), client.ttl(key)))
    assert int(count) == 100
    assert 0 < seconds_left <= 3600

    assert count_request(name, limit=1000, seconds=3600) is None
    assert quick_redis().call(lambda client: client.get(key)) == b"120"


def test_forked_child_does_not_spend_the_lease_of_its_parent(name: str) -> None:
    assert count_request(name, limit=100, seconds=3600) is None  # of a lease of two

    child = os.fork()
    if not child:
        os._exit(0 if count_request(name, limit=100, seconds=3600) is None else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert count_request(name, limit=100, seconds=3600) is None
    assert quick_redis().call(lambda client: client.get(f"quota:{name}:3600")) == b"4"


def test_requests_are_admitted_again_in_the_next_window(name: str) -> None:
    admitted = 0
    for _ in range(1000):
        wait = count_request(name, limit=2, seconds=1)
        admitted += wait is None
        if admitted == 4:  # two windows at least
            break
        if wait:
            assert wait <= 1
            subprocess.run(["sleep", str(wait)], check=True)

    assert admitted == 4


def test_raised_limit_is_effective_at_once(name: str) -> None:
    lower = _count_many(name, 2, limit=1)
    raised = _count_many(name, 3, limit=3)

    assert [wait is None for wait in lower] == [True, False]
    assert [wait is None for wait in raised] == [True, False, False]


@pytest.mark.usefixtures("no_redis")
def test_process_counts_alone_without_redis(name: str) -> None:
    waits = _count_many(name, 125, limit=120)

    assert waits[:120] == [None] * 120
    assert waits.count(None) == 120
    assert waits[-1]
    assert waits[-1] <= 3600


def test_outage_of_redis_within_a_window_does_not_renew_the_quota(name: str, settings: Any) -> None:
    assert _count_many(name, 50, limit=100) == [None] * 50

    _make_redis_unreachable(settings)

    assert _count_many(name, 60, limit=100).count(None) == 50


@pytest.mark.parametrize(
    ("rate", "parsed"),
    [
        ("600/min", (600, 60)),
        ("1/s", (1, 1)),
        ("5/hour", (5, 3600)),
        ("0/day", (0, 86_400)),
        ("10/m", (10, 60)),
    ],
)
def test_rate_is_parsed(rate: str, parsed: tuple[int, int]) -> None:
    assert parse_rate(rate) == parsed


@pytest.mark.parametrize(
    "rate", ["", "600", "600/", "/min", "-1/min", "six/min", "600/year", "1.5/s", "1/min "]
)
def test_invalid_rate_is_rejected(rate: str) -> None:
    with pytest.raises(BadInput, match="rate"):
        parse_rate(rate)
    with pytest.raises(ValidationError, match="requests per sec"):
        ApiKey(name="t", rate=rate).clean()


@pytest.mark.django_db
class TestKeys:
    """Throttling and authentication of API keys."""

    def _create_client(self, **fields: object) -> tuple[Any, str, APIClient]:
        """Return a new key, its Authorization header, and a client that sends it."""
        cache.clear()
        key, secret = ApiKey.objects.create_key(
            **{"name": "t", "audience": "verified", "scopes": ["catalog:read"], **fields}
        )
        client = APIClient()
        header = f"Api-Key {secret}"
        client.credentials(HTTP_AUTHORIZATION=header)
        return key, header, client

    def test_plain_view_and_rest_view_share_one_quota(self) -> None:
        key, _, client = self._create_client(rate="2/hour")

        assert throttle_client(ApiClient(key)) is None
        assert client.get(URL).status_code == 200
        throttled = client.get(URL)

        assert throttled.status_code == 429
        assert throttled.json()["type"] == "urn:cultivar:problem:throttled"
        wait = throttle_client(ApiClient(key))
        assert wait
        assert 0 < wait <= int(throttled["Retry-After"])
        assert int(throttled["Retry-After"]) <= 3601

    @pytest.mark.usefixtures("no_redis")
    def test_requests_are_answered_and_counted_without_redis(self) -> None:
        _, secret = ApiKey.objects.create_key(
            name="t", audience="verified", scopes=["catalog:read"], rate="2/hour"
        )
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")

        statuses = [client.get(URL).status_code for _ in range(3)]

        assert statuses == [200, 200, 429]

    def test_only_an_authenticated_header_is_known_and_not_stored_in_clear(self) -> None:
        key, header, client = self._create_client()
        assert recently_authenticated(header) is None

        client.get(URL)

        known = recently_authenticated(header)
        assert known
        assert known.key == key
        assert recently_authenticated(header + "x") is None
        digests = list(keys._recent_clients.keys())
        assert not [digest for digest in digests if header.encode() in digest]

    def test_header_of_an_expired_key_is_not_known(self) -> None:
        _, header, client = self._create_client(expiry_date=timezone.now() - timedelta(seconds=1))

        assert client.get(URL).status_code == 401
        assert recently_authenticated(header) is None

    def test_header_of_an_unknown_key_is_not_known(self) -> None:
        client = APIClient()
        header = "Api-Key unknown.secret"
        client.credentials(HTTP_AUTHORIZATION=header)

        assert client.get(URL).status_code == 401
        assert recently_authenticated(header) is None
