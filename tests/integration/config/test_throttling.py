"""Quotas: never more than the limit in a window, whoever hands them out; and without Redis each process for itself."""

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
from config.api.keys import ApiClient, ApiKey, parse_rate, recently_authenticated
from config.api.throttling import count_request, throttle_client
from config.clients.redis import quick_redis
from config.embedded.ports import free_port
from config.errors import BadInput

ADDRESS = "/api/v1/products/"
_SPEND = """
import sys
import django
django.setup()
from config.api.keys import parse_rate
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
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}
    }


@pytest.mark.parametrize("limit", [0, 1, 3, 49, 50, 101])
def test_exactly_as_many_are_admitted(name: str, limit: int) -> None:
    answers = [count_request(name, limit=limit, seconds=3600) for _ in range(limit + 3)]
    assert answers.count(None) == limit
    assert answers[:limit] == [None] * limit
    assert all(answer is not None and 0 < answer <= 3600 for answer in answers[limit:])


def test_threads_share_one_quota(name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: count_request(name, limit=120, seconds=3600), range(400)))
    assert answers.count(None) == 120


def test_processes_together_never_get_more_than_the_limit(name: str) -> None:
    command = [sys.executable, "-c", _SPEND, name, "200", "150"]
    spending = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in spending:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in spending:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    admitted = [int(process.communicate(timeout=60)[0]) for process in spending]
    assert 200 - 3 * 3 <= sum(admitted) <= 200  # of its last four each may leave three


def test_most_requests_ask_nobody(name: str) -> None:
    for _ in range(100):
        assert count_request(name, limit=1000, seconds=3600) is None
    counted = quick_redis().call(
        lambda client: (client.get(f"quota:{name}:3600"), client.ttl(f"quota:{name}:3600"))
    )
    assert int(counted[0]) == 100
    assert 0 < counted[1] <= 3600
    assert count_request(name, limit=1000, seconds=3600) is None
    assert quick_redis().call(lambda client: client.get(f"quota:{name}:3600")) == b"120"


def test_child_does_not_spend_what_its_parent_was_given(name: str) -> None:
    assert count_request(name, limit=100, seconds=3600) is None  # of two that were given
    child = os.fork()
    if not child:
        os._exit(0 if count_request(name, limit=100, seconds=3600) is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert count_request(name, limit=100, seconds=3600) is None
    assert quick_redis().call(lambda client: client.get(f"quota:{name}:3600")) == b"4"


def test_window_ends(name: str) -> None:
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


def test_a_limit_that_is_raised_holds_at_once(name: str) -> None:
    assert [count_request(name, limit=1, seconds=3600) is None for _ in range(2)] == [True, False]
    assert [count_request(name, limit=3, seconds=3600) is None for _ in range(3)] == [
        True,
        False,
        False,
    ]


@pytest.mark.usefixtures("no_redis")
def test_without_redis_a_process_counts_for_itself(name: str) -> None:
    answers = [count_request(name, limit=120, seconds=3600) for _ in range(125)]
    assert answers.count(None) == 120
    assert answers[:120] == [None] * 120
    assert answers[-1]
    assert answers[-1] <= 3600


def test_redis_that_falls_silent_in_a_window_doubles_nothing(name: str, settings: Any) -> None:
    assert [count_request(name, limit=100, seconds=3600) for _ in range(50)] == [None] * 50
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}
    }
    assert [count_request(name, limit=100, seconds=3600) for _ in range(60)].count(None) == 50


@pytest.mark.parametrize(
    ("rate", "read"),
    [
        ("600/min", (600, 60)),
        ("1/s", (1, 1)),
        ("5/hour", (5, 3600)),
        ("0/day", (0, 86_400)),
        ("10/m", (10, 60)),
    ],
)
def test_rates_are_read(rate: str, read: tuple[int, int]) -> None:
    assert parse_rate(rate) == read


@pytest.mark.parametrize(
    "rate", ["", "600", "600/", "/min", "-1/min", "six/min", "600/year", "1.5/s", "1/min "]
)
def test_what_is_no_rate_is_refused(rate: str) -> None:
    with pytest.raises(BadInput, match="rate"):
        parse_rate(rate)
    with pytest.raises(ValidationError, match="requests per sec"):
        ApiKey(name="t", rate=rate).clean()


@pytest.mark.django_db
class TestKeys:
    """What clients see of it."""

    def _client(self, **facts: object) -> tuple[Any, str, APIClient]:
        cache.clear()
        key, secret = ApiKey.objects.create_key(
            **{"name": "t", "audience": "verified", "scopes": ["catalog:read"], **facts}
        )
        client = APIClient()
        header = f"Api-Key {secret}"
        client.credentials(HTTP_AUTHORIZATION=header)
        return key, header, client

    def test_a_plain_view_counts_in_the_same_quota(self) -> None:
        key, _, client = self._client(rate="2/hour")
        assert throttle_client(ApiClient(key)) is None
        assert client.get(ADDRESS).status_code == 200
        refused = client.get(ADDRESS)
        assert refused.status_code == 429
        assert refused.json()["type"] == "urn:cultivar:problem:throttled"
        wait = throttle_client(ApiClient(key))
        assert wait
        assert 0 < wait <= int(refused["Retry-After"]) <= 3601

    @pytest.mark.usefixtures("no_redis")
    def test_without_redis_requests_are_answered_and_counted(self) -> None:
        _, secret = ApiKey.objects.create_key(
            name="t", audience="verified", scopes=["catalog:read"], rate="2/hour"
        )
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
        assert [client.get(ADDRESS).status_code for _ in range(3)] == [200, 200, 429]

    def test_client_is_at_hand_only_once_it_was_authenticated(self) -> None:
        key, header, client = self._client()
        assert recently_authenticated(header) is None
        client.get(ADDRESS)
        found = recently_authenticated(header)
        assert found
        assert found.key == key
        assert recently_authenticated(header + "x") is None
        assert not [kept for kept in keys._at_hand.keys() if header.encode() in kept]  # noqa: SIM118

    def test_refused_keys_are_not_at_hand(self) -> None:
        _, late, client = self._client(expiry_date=timezone.now() - timedelta(seconds=1))
        assert client.get(ADDRESS).status_code == 401
        assert recently_authenticated(late) is None
        unknown = "Api-Key nobody.nothing"
        client.credentials(HTTP_AUTHORIZATION=unknown)
        assert client.get(ADDRESS).status_code == 401
        assert recently_authenticated(unknown) is None
