"""Response cache: announced changes, entries in Redis, and one computation at a time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.cache import cache as django_cache
from django.db import connection

from catalog.models import Product, Store
from config.cache import (
    RenderedResponse,
    ResponseCache,
    invalidation,
    responses,
    shared,
    shared_changes,
)
from config.cache.invalidation import is_listening, on_change
from config.cache.shared_changes import record_changes
from config.clients.redis import RedisUnavailable, quick_redis
from config.embedded.ports import free_port
from config.embedded.valkey import Valkey
from tests.factories.catalog import ProductFactory
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
from config.cache.invalidation import is_listening
from config.clients.redis import quick_redis
prefix, threads = sys.argv[1], int(sys.argv[2])
cache = ResponseCache(prefix=prefix)
def compute():
    quick_redis().call(lambda client: client.incr(f"{prefix}:computed"))
    time.sleep(0.2)
    return RenderedResponse(b"body", "etag", frozenset(), 60)
def request():
    response = cache.get_or_compute(owner="o", field="f", compute=compute)
    assert response.body == b"body"
while not is_listening():
    time.sleep(0.01)
print("ready", flush=True)
sys.stdin.readline()
requests = [threading.Thread(target=request) for _ in range(threads)]
for thread in requests:
    thread.start()
for thread in requests:
    thread.join()
"""

_CACHE_UNTIL_CHANGED = """
import sys, time
import django
django.setup()
from config.cache import RenderedResponse, ResponseCache
from config.cache.invalidation import is_listening
cache = ResponseCache(prefix="until-changed")
while not is_listening():
    time.sleep(0.01)
cache.put_local("key", RenderedResponse(b"", "", frozenset(sys.argv[1:]), 60), cache.generation())
assert cache.get_local("key")
print("cached", flush=True)
while cache.get_local("key"):
    time.sleep(0.001)
print(time.time())
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


def _response(body: str = "body", *dependencies: object, lifetime: float = 600) -> RenderedResponse:
    return RenderedResponse(body.encode(), '"etag"', frozenset(map(str, dependencies)), lifetime)


def _wait_for(condition: Callable[[], object]) -> None:
    wait_until(condition, 20, every=0.005)


def _put_while_listening(cache: ResponseCache, key: str, *dependencies: object) -> None:
    """Store a local entry while changes are announced, so that it stays."""
    _wait_for(is_listening)
    cache.put_local(key, _response(key, *dependencies), cache.generation())
    assert cache.get_local(key)


@pytest.mark.django_db(transaction=True)
def test_change_of_a_row_removes_exactly_the_entries_that_depend_on_it(
    cache: ResponseCache,
) -> None:
    kush = ProductFactory.create()
    haze = ProductFactory.create()
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
    kush = ProductFactory.create()
    haze = ProductFactory.create()
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
    kush = ProductFactory.create()
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
    kush = ProductFactory.create()
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


def _refuse(**_: object) -> None:
    raise psycopg.OperationalError


def test_entries_are_short_lived_while_changes_are_not_announced(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg, "connect", _refuse)
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


def _same_in_another_process(cache: ResponseCache) -> ResponseCache:
    """Return a cache of the same responses in Redis with an empty local cache."""
    return ResponseCache(prefix=cache._shared._prefix)


def _request(cache: ResponseCache, body: str, *dependencies: object) -> bytes:
    """Return the shared response of one owner and field; computed with this body on a miss."""
    response = cache.get_or_compute(
        owner="o", field="f", compute=lambda: _response(body, *dependencies)
    )
    return response.body


@pytest.mark.django_db(transaction=True)
def test_response_in_redis_serves_other_processes_unaltered(cache: ResponseCache) -> None:
    _wait_for(is_listening)
    _request(cache, "é", "a", "b")

    response, _ = _same_in_another_process(cache)._shared.get("o", "f")

    assert response
    assert (response.body, response.etag) == ("é".encode(), '"etag"')
    assert response.dependencies == frozenset("ab")
    assert 599 < response.lifetime <= 600


@pytest.mark.django_db(transaction=True)
def test_response_in_redis_is_outdated_by_a_change_of_a_dependency_alone(
    cache: ResponseCache,
) -> None:
    kush = ProductFactory.create()
    haze = ProductFactory.create()
    _put_while_listening(cache, "witness", haze.pk, kush.pk)
    _request(cache, "first", kush.pk)

    Product.objects.filter(pk=haze.pk).update(price=31)
    _wait_for(lambda: not cache.get_local("witness"))
    assert _request(cache, "second", kush.pk) == b"first"

    _put_while_listening(cache, "witness", kush.pk)
    Product.objects.filter(pk=kush.pk).update(price=31)
    _wait_for(lambda: not cache.get_local("witness"))
    assert _request(cache, "third", kush.pk) == b"third"


@pytest.mark.django_db(transaction=True)
def test_response_begun_before_a_change_is_not_stored_in_redis(cache: ResponseCache) -> None:
    kush = ProductFactory.create()
    _put_while_listening(cache, "witness", kush.pk)

    def compute_from_old_data() -> RenderedResponse:
        Product.objects.filter(pk=kush.pk).update(price=31)  # committed after the data was read
        _wait_for(lambda: not cache.get_local("witness"))
        return _response("old", kush.pk)

    cache.get_or_compute(owner="o", field="f", compute=compute_from_old_data)

    assert not quick_redis().call(lambda client: client.hkeys(cache._shared._key("o")))
    assert _request(cache, "new", kush.pk) == b"new"


@pytest.mark.django_db(transaction=True)
def test_change_recorded_after_a_response_was_stored_late_outdates_it(
    cache: ResponseCache,
) -> None:
    """The data is read, the change commits, the response is stored, then the change arrives."""
    _wait_for(is_listening)
    _, begun_at = cache._shared.get("o", "f")

    cache._shared.put("o", "f", _response("old", "row"), begun_at)
    record_changes(frozenset({"row"}))

    assert _request(cache, "new", "row") == b"new"


@pytest.mark.django_db(transaction=True)
def test_responses_computed_before_a_process_listens_are_outdated(cache: ResponseCache) -> None:
    _wait_for(is_listening)
    _request(cache, "before", "row")

    invalidation.stop()  # changes are lost from here
    _wait_for(is_listening)

    assert _request(cache, "after", "row") == b"after"


@pytest.mark.django_db(transaction=True)
def test_responses_in_redis_are_not_used_while_changes_are_not_received(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    _wait_for(is_listening)
    _request(cache, "first")

    invalidation.stop()
    monkeypatch.setattr(psycopg, "connect", _refuse)

    assert _request(cache, "second") == b"second"


@pytest.mark.usefixtures("_receives_changes")
def test_response_expires_in_redis_with_its_lifetime(cache: ResponseCache) -> None:
    cache.get_or_compute(owner="o", field="f", compute=_response)

    key = cache._shared._key("o")
    assert quick_redis().call(lambda client: client.hkeys(key)) == [b"f"]
    assert 0 < quick_redis().call(lambda client: client.ttl(key)) <= 3601
    assert 0 < quick_redis().call(lambda client: client.hpttl(key, "f"))[0] <= 600_001


def _stored(body: bytes = b"stored", **metadata: object) -> bytes:
    """Return bytes as `serialize` writes them, with other metadata or another body."""
    whole = {
        "layout": 3,
        "etag": "",
        "dependencies": [],
        "begun_at": 0,
        "created_at": time.time(),
        "lifetime": 60,
        "headers": {},
        "crc": zlib.crc32(b"stored"),
        **metadata,
    }
    return json.dumps(whole).encode() + b"\n" + body


@pytest.mark.usefixtures("_receives_changes")
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
        (_stored(begun_at="now"), False),
        (_stored(begun_at=2**60), False),
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
        "beginning is a word",
        "begun in the future",
        "dependencies is a number",
        "nested too deeply",
    ],
)
def test_damaged_expired_or_foreign_bytes_in_redis_are_a_miss(
    cache: ResponseCache, stored: bytes, is_used: bool
) -> None:
    _, now = cache._shared.get("o", "f")
    stored = stored.replace(b'"begun_at": 0', b'"begun_at": %d' % now)
    quick_redis().call(lambda client: client.hset(cache._shared._key("o"), "f", stored))

    response = cache.get_or_compute(owner="o", field="f", compute=lambda: _response("computed"))

    assert response.body == (b"stored" if is_used else b"computed")


@pytest.mark.usefixtures("_receives_changes")
def test_redis_key_of_another_type_is_a_miss(cache: ResponseCache) -> None:
    quick_redis().call(lambda client: client.set(cache._shared._key("o"), "text"))

    response = cache.get_or_compute(owner="o", field="f", compute=lambda: _response("computed"))

    assert response.body == b"computed"
    assert not shared.is_shared_cache_unavailable()


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


@pytest.mark.usefixtures("_receives_changes")
def test_one_of_many_threads_computes_and_the_others_share_its_result_or_error(
    cache: ResponseCache,
) -> None:
    computed: list[str] = []
    requested: list[str] = []

    def compute() -> RenderedResponse:
        computed.append("")
        _wait_for(lambda: len(requested) >= THREADS)
        time.sleep(0.3)  # for the last thread, which has begun but may not wait yet
        return _response()

    def fail() -> RenderedResponse:
        compute()
        raise LookupError

    def request(
        field: str, function: Callable[[], RenderedResponse]
    ) -> Callable[[], RenderedResponse]:
        def get() -> RenderedResponse:
            requested.append(field)
            return cache.get_or_compute(owner="o", field=field, compute=function)

        return get

    responses = _request_at_once(request("f", compute))
    assert len(computed) == 1
    assert {response.body for response in responses if isinstance(response, RenderedResponse)} == {
        b"body"
    }

    requested.clear()
    errors = _request_at_once(request("g", fail))
    assert [type(error) for error in errors] == [LookupError] * THREADS
    assert len(computed) == 2
    assert request("g", compute)().body == b"body"


@pytest.mark.django_db(transaction=True)
def test_request_after_a_change_does_not_get_a_response_begun_before_it(
    cache: ResponseCache,
) -> None:
    kush = ProductFactory.create()
    _put_while_listening(cache, "witness", kush.pk)
    current = ["old"]
    is_begun = threading.Event()
    may_end = threading.Event()

    def compute() -> RenderedResponse:
        read = current[0]
        if read == "old":
            is_begun.set()
            may_end.wait(10)
        return _response(read, kush.pk)

    def request() -> bytes:
        return cache.get_or_compute(owner="o", field="f", compute=compute).body

    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(request)
        assert is_begun.wait(10)
        current[0] = "new"
        Product.objects.filter(pk=kush.pk).update(price=31)
        _wait_for(lambda: not cache.get_local("witness"))
        after = pool.submit(request)
        time.sleep(0.1)
        may_end.set()

        assert before.result() == b"old"
        assert after.result() == b"new"


@pytest.mark.django_db(transaction=True)
def test_one_of_many_processes_computes(cache: ResponseCache) -> None:
    prefix = cache._shared._prefix
    processes = [_start(_REQUEST_FROM_THREADS, prefix, "4") for _ in range(3)]
    for process in processes:
        _expect(process, "ready")

    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert quick_redis().call(lambda client: client.get(f"{prefix}:computed")) == b"1"


def _start(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python program that uses the test database."""
    name = connection.settings_dict["NAME"]
    url = f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{name}"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DATABASE_URL": url},
    )


def _expect(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout
    assert process.stdout.readline() == f"{line}\n"


@pytest.mark.usefixtures("_receives_changes")
def test_lock_of_a_process_that_died_delays_others_only_briefly(cache: ResponseCache) -> None:
    with cache._shared.single_flight("o", "f"):  # as a killed process leaves it
        response = cache.get_or_compute(owner="o", field="f", compute=_response)

    assert response.body == b"body"


def _point_to(settings: Any, url: str) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}


def test_requests_are_answered_without_redis(cache: ResponseCache, settings: Any) -> None:
    _point_to(settings, f"redis://127.0.0.1:{free_port()}/0")

    for _ in range(3):
        response = cache.get_or_compute(owner="o", field="f", compute=_response)
        assert response.body == b"body"

    assert shared.is_shared_cache_unavailable()
    assert not cache.remove("o")


@pytest.mark.usefixtures("_receives_changes")
def test_redis_is_used_again_after_an_outage(
    cache: ResponseCache, settings: Any, tmp_path: Path
) -> None:
    server = Valkey(directory=tmp_path / "valkey", logs=tmp_path / "logs", is_throwaway=True)
    computed: list[str] = []

    def compute() -> RenderedResponse:
        computed.append("")
        return _response()

    def is_unavailable_after_request() -> bool:
        cache.get_or_compute(owner="o", field="f", compute=compute)
        return shared.is_shared_cache_unavailable()

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


def test_remove_drops_the_local_entries_of_an_owner(cache: ResponseCache) -> None:
    generation = cache.generation()
    cache.put_local("key", _response("", "owner"), generation)

    assert cache.remove("owner")
    assert not cache.get_local("key")

    cache.put_local("key", _response("", "owner"), generation)  # begun before the removal
    assert not cache.get_local("key")


@pytest.mark.usefixtures("_receives_changes")
def test_remove_drops_the_responses_of_an_owner_in_redis(cache: ResponseCache) -> None:
    def request(body: str) -> bytes:
        return cache.get_or_compute(
            owner="owner", field="f", compute=lambda: _response(body, "owner")
        ).body

    request("first")
    assert cache.remove("owner")
    assert request("second") == b"second"


@pytest.mark.usefixtures("_receives_changes")
def test_response_being_computed_during_the_removal_of_its_owner_is_not_stored(
    cache: ResponseCache,
) -> None:
    def compute_while_the_owner_is_erased() -> RenderedResponse:
        cache.remove("owner")
        return _response("second", "owner")

    cache.get_or_compute(owner="owner", field="f", compute=compute_while_the_owner_is_erased)

    assert not quick_redis().call(lambda client: client.hkeys(cache._shared._key("owner")))


def test_recorded_changes_name_no_customer() -> None:
    customer = str(uuid4())

    record_changes(frozenset({customer}))

    members = quick_redis().call(lambda client: client.zrange(shared_changes.KEY, 0, -1))
    assert len(members) >= 2
    assert not any(customer.encode() in member for member in members)


@pytest.fixture
def valkey(tmp_path: Path, settings: Any) -> Iterator[Valkey]:
    """A separate Redis that the test may stop, empty and restore."""
    server = Valkey(directory=tmp_path / "valkey", logs=tmp_path / "logs", is_throwaway=True)
    server.start()
    _point_to(settings, server.url)
    yield server
    server.stop()


@pytest.fixture
def _receives_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has listened all the time."""
    monkeypatch.setattr(shared, "is_listening", lambda: True)
    monkeypatch.setattr(responses, "is_listening", lambda: True)


def _restart(server: Valkey, *, copy: Path | None = None, restored: Path | None = None) -> None:
    """Restart the server; copy its data or replace it meanwhile."""
    server.stop()
    if copy:
        shutil.copytree(server.data, copy)
    if restored:
        shutil.rmtree(server.data)
        shutil.copytree(restored, server.data)
    server.start()
    _wait_for(lambda: not _is_redis_unavailable())


def _is_redis_unavailable() -> bool:
    """Call Redis and return whether it failed."""
    with suppress(RedisUnavailable):
        quick_redis().call(lambda client: client.ping())
    return quick_redis().is_unavailable


@pytest.mark.usefixtures("_receives_changes")
def test_responses_survive_a_restart_of_redis(cache: ResponseCache, valkey: Valkey) -> None:
    _request(cache, "first", "row")

    _restart(valkey)

    assert _request(cache, "second", "row") == b"first"


@pytest.mark.usefixtures("_receives_changes")
def test_redis_restored_from_a_copy_without_a_change_outdates_responses(
    cache: ResponseCache, valkey: Valkey, tmp_path: Path
) -> None:
    _request(cache, "old", "row")
    _restart(valkey, copy=tmp_path / "copy")
    record_changes(frozenset({"row"}))

    _restart(valkey, restored=tmp_path / "copy")

    assert _request(cache, "new", "row") == b"new"


@pytest.mark.usefixtures("_receives_changes", "valkey")
def test_redis_that_lost_only_the_recorded_changes_outdates_responses(
    cache: ResponseCache,
) -> None:
    _request(cache, "old", "row")
    record_changes(frozenset({"row"}))

    quick_redis().call(lambda client: client.delete(shared_changes.KEY))

    assert _request(cache, "new", "row") == b"new"


@pytest.mark.usefixtures("_receives_changes")
def test_change_during_an_outage_of_redis_outdates_responses(
    cache: ResponseCache, valkey: Valkey
) -> None:
    _request(cache, "old", "row")

    valkey.stop()
    record_changes(frozenset({"row"}))
    valkey.start()
    _wait_for(lambda: not _is_redis_unavailable())

    assert _request(cache, "new", "row") == b"new"


@pytest.mark.django_db(transaction=True)
def test_every_process_drops_what_depends_on_a_changed_row_within_a_second() -> None:
    kush = ProductFactory.create()
    processes = [_start(_CACHE_UNTIL_CHANGED, str(kush.pk)) for _ in range(3)]
    for process in processes:
        _expect(process, "cached")

    Product.objects.filter(pk=kush.pk).update(price=31)
    committed_at = time.time()

    dropped_at = [float(process.communicate(timeout=30)[0]) for process in processes]
    assert max(dropped_at) - committed_at < 1
