"""Response cache: announced changes, entries in Redis, and one computation at a time."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.cache import cache as django_cache
from django.db import connection

from catalog.models import Product, Store
from config.cache import RenderedResponse, ResponseCache, invalidation
from config.cache.invalidation import is_listening, on_change
from config.clients.redis import quick_redis
from config.embedded.ports import free_port
from config.embedded.valkey import Valkey
from tests.polling import wait_until

THREADS = 12
_LISTENER_PID = """
SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()
"""
_REQUEST_FROM_THREADS = """
import sys, threading, time
import django
django.setup()
from config.cache import RenderedResponse, ResponseCache
from config.clients.redis import quick_redis
prefix, threads = sys.argv[1], int(sys.argv[2])
cache = ResponseCache(prefix=prefix)
def compute():
    quick_redis().call(lambda client: client.incr(f"{prefix}:computed"))
    time.sleep(0.2)
    return RenderedResponse(b"body", "etag", frozenset(), "", 60)
def request():
    response = cache.get_or_compute(
        owner="o", field="f", compute=compute, is_current=lambda response: True
    )
    assert response.body == b"body"
print("ready", flush=True)
sys.stdin.readline()
requests = [threading.Thread(target=request) for _ in range(threads)]
for thread in requests:
    thread.start()
for thread in requests:
    thread.join()
"""


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    invalidation.stop()
    django_cache.clear()
    yield
    invalidation.stop()


@pytest.fixture
def cache() -> ResponseCache:
    return ResponseCache(prefix=f"test-{uuid4().hex[:8]}")


def _response(
    body: str = "body", *dependencies: object, lifetime: float = 600, fingerprint: str = ""
) -> RenderedResponse:
    return RenderedResponse(
        body.encode(), '"etag"', frozenset(map(str, dependencies)), fingerprint, lifetime
    )


def _create_product() -> Product:
    return Product.objects.create(name="Pink Kush", merge_key=f"test:{uuid4()}", price=30)


def _wait_for(condition: Callable[[], object]) -> None:
    wait_until(condition, 20, every=0.005)


def _put_while_listening(cache: ResponseCache, key: str, *dependencies: object) -> None:
    """Store a local entry while changes are announced, so that it stays."""
    _wait_for(is_listening)
    cache.put_local(key, _response(key, *dependencies), cache.generation())
    assert cache.get_local(key)


def _always(_stored: RenderedResponse) -> bool:
    return True


@pytest.mark.django_db(transaction=True)
def test_change_of_a_row_removes_exactly_the_entries_that_depend_on_it(
    cache: ResponseCache,
) -> None:
    kush = _create_product()
    haze = _create_product()
    _put_while_listening(cache, "both", kush.pk, haze.pk)
    _put_while_listening(cache, "haze", haze.pk)

    Product.objects.filter(pk=kush.pk).update(price=31)
    _wait_for(lambda: not cache.get_local("both"))
    assert cache.get_local("haze")

    haze.delete()
    _wait_for(lambda: not cache.get_local("haze"))


@pytest.mark.django_db(transaction=True)
def test_change_of_a_store_removes_every_entry(cache: ResponseCache) -> None:
    _put_while_listening(cache, "anything", uuid4())

    Store.objects.update(name="Downtown")

    _wait_for(lambda: not cache.get_local("anything"))


@pytest.mark.django_db(transaction=True)
def test_response_begun_before_a_change_is_not_stored(cache: ResponseCache) -> None:
    kush = _create_product()
    haze = _create_product()
    _put_while_listening(cache, "witness", kush.pk)
    generation = cache.generation()
    Product.objects.filter(pk=kush.pk).update(price=31)
    _wait_for(lambda: not cache.get_local("witness"))

    cache.put_local("kush", _response("", kush.pk), generation)
    cache.put_local("haze", _response("", haze.pk), generation)
    assert not cache.get_local("kush")
    assert cache.get_local("haze")

    cache.put_local("kush", _response("", kush.pk), cache.generation())
    assert cache.get_local("kush")


def _listener_pid() -> int:
    """Return the process id of the PostgreSQL backend that serves the listener."""
    with connection.cursor() as cursor:
        cursor.execute(_LISTENER_PID, [invalidation.APPLICATION_NAME])
        (pid,) = cursor.fetchone()
        return int(pid)


@pytest.mark.django_db(transaction=True)
def test_lost_connection_clears_the_cache_and_is_replaced(cache: ResponseCache) -> None:
    announcements: list[tuple[object, bool]] = []
    is_recording = threading.Event()

    def record(changed: object) -> None:
        if is_recording.is_set():
            announcements.append((changed, is_listening()))

    on_change(record)
    kush = _create_product()
    _put_while_listening(cache, "kush", kush.pk)

    is_recording.set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [_listener_pid()])
    _wait_for(lambda: announcements)
    is_recording.clear()

    assert announcements[0] == (None, False)
    assert not cache.get_local("kush")
    _put_while_listening(cache, "kush", kush.pk)
    Product.objects.filter(pk=kush.pk).update(price=31)
    _wait_for(lambda: not cache.get_local("kush"))


@pytest.mark.django_db(transaction=True)
def test_frozen_server_counts_as_a_lost_connection(cache: ResponseCache) -> None:
    _put_while_listening(cache, "anything", uuid4())
    frozen = _listener_pid()

    os.kill(frozen, signal.SIGSTOP)
    try:
        _wait_for(lambda: not cache.get_local("anything"))
    finally:
        os.kill(frozen, signal.SIGCONT)


@pytest.mark.django_db(transaction=True)
def test_forked_child_starts_with_an_empty_cache_and_its_own_listener(
    cache: ResponseCache,
) -> None:
    kush = _create_product()
    _put_while_listening(cache, "kush", kush.pk)

    child = os.fork()
    if not child:
        try:
            assert not cache.get_local("kush")
            _put_while_listening(cache, "haze", "haze")
            os._exit(0)
        finally:
            os._exit(1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get_local("kush")


def test_entries_are_short_lived_while_changes_are_not_announced(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg, "connect", refuse)
    cache.put_local("key", _response(), cache.generation())

    assert not is_listening()
    assert cache.get_local("key")
    _wait_for(lambda: not cache.get_local("key"))


def test_no_entry_outlives_its_lifetime(cache: ResponseCache) -> None:
    cache.put_local("expired", _response(lifetime=0), cache.generation())
    cache.put_local("short", _response(lifetime=0.05), cache.generation())

    assert not cache.get_local("expired")
    _wait_for(lambda: not cache.get_local("short"))


@pytest.mark.django_db(transaction=True)
def test_local_cache_and_its_indexes_are_bounded() -> None:
    _wait_for(is_listening)
    few = ResponseCache(prefix="few", max_entries=40)
    small = ResponseCache(prefix="small", max_bytes=100_000)

    for number in range(400):
        few.put_local(str(number), _response("", number, "shared"), few.generation())
        small.put_local(str(number), _response("x" * 1000, number), small.generation())
    small.put_local("large", _response("x" * 50_000), small.generation())

    few_count = sum(1 for number in range(400) if few.get_local(str(number)))
    small_count = sum(1 for number in range(400) if small.get_local(str(number)))
    assert few_count in range(20, 41)
    assert small_count in range(50, 101)
    assert not small.get_local("large")
    assert len(few._local._keys_by_dependency) <= 51
    assert len(small._local._keys_by_dependency) <= 101

    few.clear_local()
    assert not few._local._keys_by_dependency
    assert not few.get_local("399")


def test_response_in_redis_is_used_while_it_is_current(cache: ResponseCache) -> None:
    computed: list[str] = []

    def compute() -> RenderedResponse:
        computed.append("")
        return _response(f"é {len(computed)}", "a", "b", fingerprint=f"f{len(computed)}")

    def request(is_current: Callable[[RenderedResponse], bool]) -> RenderedResponse:
        return cache.get_or_compute(owner="o", field="f", compute=compute, is_current=is_current)

    first = request(_always)
    second = request(lambda response: response.fingerprint == "f1")
    assert (second.body, second.etag) == (first.body, first.etag)
    assert second.dependencies == frozenset("ab")
    assert 0 < second.lifetime <= 600

    third = request(lambda response: response.fingerprint == "f2")
    assert third.body == "é 2".encode()
    assert len(computed) == 2


def test_response_expires_in_redis_with_its_lifetime(cache: ResponseCache) -> None:
    cache.get_or_compute(owner="o", field="f", compute=_response, is_current=_always)

    key = cache._shared._key("o")
    assert quick_redis().call(lambda client: client.hkeys(key)) == [b"f"]
    assert 0 < quick_redis().call(lambda client: client.ttl(key)) <= 3601
    assert 0 < quick_redis().call(lambda client: client.hpttl(key, "f"))[0] <= 600_001


def _stored(body: bytes = b"stored", **metadata: object) -> bytes:
    """Return bytes as `serialize` writes them, with other metadata or another body."""
    whole = {
        "layout": 1,
        "etag": "",
        "dependencies": [],
        "fingerprint": "",
        "created_at": time.time(),
        "lifetime": 60,
        "crc": zlib.crc32(b"stored"),
        **metadata,
    }
    return json.dumps(whole).encode() + b"\n" + body


@pytest.mark.parametrize(
    ("stored", "is_used"),
    [
        (_stored(created_at=time.time() + 5, lifetime=1e6), True),
        (b"", False),
        (b"\n", False),
        (b"\x80\x04\x95", False),
        (b"[1]\nstored", False),
        (b"{}\nstored", False),
        (_stored(b"cut"), False),
        (_stored(layout=0), False),
        (_stored(created_at=time.time() - 61), False),
        (_stored(created_at=time.time() + 1e6), False),
        (_stored(lifetime="long"), False),
        (_stored(dependencies=3), False),
        (b"[" * 100_000 + b"\n", False),
    ],
    ids=[
        "valid",
        "empty",
        "no metadata",
        "pickle",
        "metadata is a list",
        "no fields",
        "truncated body",
        "other layout",
        "expired",
        "created in the future",
        "lifetime is a word",
        "dependencies is a number",
        "nested too deeply",
    ],
)
def test_damaged_expired_or_foreign_bytes_in_redis_are_a_miss(
    cache: ResponseCache, stored: bytes, is_used: bool
) -> None:
    quick_redis().call(lambda client: client.hset(cache._shared._key("o"), "f", stored))

    response = cache.get_or_compute(
        owner="o", field="f", compute=lambda: _response("computed"), is_current=_always
    )

    assert response.body == (b"stored" if is_used else b"computed")


def test_redis_key_of_another_type_is_a_miss(cache: ResponseCache) -> None:
    quick_redis().call(lambda client: client.set(cache._shared._key("o"), "text"))

    response = cache.get_or_compute(
        owner="o", field="f", compute=lambda: _response("computed"), is_current=_always
    )

    assert response.body == b"computed"
    assert not cache.is_unavailable()


def _request_at_once(request: Callable[[], object]) -> list[object]:
    """Return what concurrent requests return, or the LookupError that each raises."""
    barrier = threading.Barrier(THREADS)

    def outcome() -> object:
        barrier.wait(10)
        try:
            return request()
        except LookupError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(outcome) for _ in range(THREADS)]
        return [future.result() for future in futures]


def test_one_of_many_threads_computes_and_the_others_share_its_result_or_error(
    cache: ResponseCache,
) -> None:
    computed: list[str] = []

    def compute() -> RenderedResponse:
        computed.append("")
        time.sleep(0.3)
        return _response()

    def fail() -> RenderedResponse:
        compute()
        raise LookupError

    def request(
        field: str, function: Callable[[], RenderedResponse]
    ) -> Callable[[], RenderedResponse]:
        return lambda: cache.get_or_compute(
            owner="o", field=field, compute=function, is_current=_always
        )

    responses = _request_at_once(request("f", compute))
    assert len(computed) == 1
    assert {response.body for response in responses if isinstance(response, RenderedResponse)} == {
        b"body"
    }

    errors = _request_at_once(request("g", fail))
    assert [type(error) for error in errors] == [LookupError] * THREADS
    assert len(computed) == 2
    assert request("g", compute)().body == b"body"


def test_request_after_a_change_does_not_get_a_response_begun_before_it(
    cache: ResponseCache,
) -> None:
    current = ["old"]
    is_begun = threading.Event()
    may_end = threading.Event()

    def compute() -> RenderedResponse:
        read = current[0]
        if read == "old":
            is_begun.set()
            may_end.wait(10)
        return _response(read, "row")

    def request() -> bytes:
        return cache.get_or_compute(
            owner="o",
            field="f",
            compute=compute,
            is_current=lambda response: response.body.decode() == current[0],
        ).body

    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(request)
        assert is_begun.wait(10)
        current[0] = "new"
        after = pool.submit(request)
        time.sleep(0.1)
        may_end.set()

        assert before.result() == b"old"
        assert after.result() == b"new"


def test_one_of_many_processes_computes(cache: ResponseCache) -> None:
    prefix = cache._shared._prefix
    command = [sys.executable, "-c", _REQUEST_FROM_THREADS, prefix, "4"]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    for process in processes:
        process.communicate("\n", timeout=60)

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert quick_redis().call(lambda client: client.get(f"{prefix}:computed")) == b"1"


def test_lock_of_a_process_that_died_delays_others_only_briefly(cache: ResponseCache) -> None:
    with cache._shared.single_flight("o", "f"):  # as a killed process leaves it
        response = cache.get_or_compute(owner="o", field="f", compute=_response, is_current=_always)

    assert response.body == b"body"


def _point_to(settings: Any, url: str) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}


def test_requests_are_answered_without_redis(cache: ResponseCache, settings: Any) -> None:
    _point_to(settings, f"redis://127.0.0.1:{free_port()}/0")

    for _ in range(3):
        response = cache.get_or_compute(owner="o", field="f", compute=_response, is_current=_always)
        assert response.body == b"body"

    assert cache.is_unavailable()
    assert not cache.remove("o")


def test_redis_is_used_again_after_an_outage(
    cache: ResponseCache, settings: Any, tmp_path: Path
) -> None:
    server = Valkey(directory=tmp_path / "valkey", logs=tmp_path / "logs", is_throwaway=True)
    computed: list[str] = []

    def compute() -> RenderedResponse:
        computed.append("")
        return _response()

    def is_unavailable_after_request() -> bool:
        cache.get_or_compute(owner="o", field="f", compute=compute, is_current=_always)
        return cache.is_unavailable()

    server.start()
    try:
        _point_to(settings, server.url)
        assert not is_unavailable_after_request()
        assert not is_unavailable_after_request()
        assert len(computed) == 1

        server.stop()
        assert is_unavailable_after_request()

        server.start()
        _wait_for(lambda: not is_unavailable_after_request())
        count = len(computed)
        assert not is_unavailable_after_request()
        assert len(computed) == count
    finally:
        server.stop()


def test_remove_drops_the_entries_of_an_owner_locally_and_in_redis(cache: ResponseCache) -> None:
    def request(
        compute: Callable[[], RenderedResponse],
        is_current: Callable[[RenderedResponse], bool] = _always,
    ) -> bytes:
        return cache.get_or_compute(
            owner="owner", field="f", compute=compute, is_current=is_current
        ).body

    request(lambda: _response("first"))
    generation = cache.generation()
    cache.put_local("key", _response("", "owner"), generation)
    assert cache.remove("owner")
    assert not cache.get_local("key")
    cache.put_local("key", _response("", "owner"), generation)
    assert not cache.get_local("key")

    def compute_while_the_owner_is_erased() -> RenderedResponse:
        cache.remove("owner")
        return _response("second", "owner")

    assert request(compute_while_the_owner_is_erased, lambda _: False) == b"second"
    assert request(lambda: _response("third")) == b"third"


def test_outdated_response_does_not_stay_in_redis_while_changes_are_not_received(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg, "connect", refuse)

    cache.get_or_compute(
        owner="erased-elsewhere",
        field="f",
        compute=lambda: _response("old", "erased-elsewhere"),
        is_current=lambda _: False,
    )

    assert cache._shared.get("erased-elsewhere", "f") is None
