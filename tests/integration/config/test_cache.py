"""Rendered answers: near, dropped by what PostgreSQL tells; far, believed while it is so; each made once."""

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
from django.core.cache import cache
from django.db import connection

from catalog.models import Product, Store
from config.cache import Answers, Rendered, invalidation
from config.cache.invalidation import is_listening, on_changed
from config.clients.redis import quick_redis
from config.embedded.ports import free_port
from config.embedded.valkey import Valkey
from tests.polling import wait_until

THREADS = 12
_ASK = """
import sys, threading, time
import django
django.setup()
from config.cache import Answers, Rendered
from config.clients.redis import quick_redis
prefix, threads = sys.argv[1], int(sys.argv[2])
answers = Answers(prefix=prefix)
def make():
    quick_redis().ask(lambda client: client.incr(f"{prefix}:made"))
    time.sleep(0.2)
    return Rendered(b"body", "etag", frozenset(), "", 60)
def ask():
    got = answers.get_or_make(owner="o", field="f", make=make, is_still_so=lambda rendered: True)
    assert got.body == b"body"
print("ready", flush=True)
sys.stdin.readline()
asking = [threading.Thread(target=ask) for _ in range(threads)]
[thread.start() for thread in asking]
[thread.join() for thread in asking]
"""


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    invalidation.stop()
    cache.clear()
    yield
    invalidation.stop()


@pytest.fixture
def answers() -> Answers:
    return Answers(prefix=f"test-{uuid4().hex[:8]}")


def _rendered(
    body: str = "body", *rests_on: object, lifetime: float = 600, fingerprint: str = ""
) -> Rendered:
    return Rendered(body.encode(), '"etag"', frozenset(map(str, rests_on)), fingerprint, lifetime)


def _product() -> Product:
    return Product.objects.create(name="Pink Kush", merge_key=f"test:{uuid4()}", price=30)


def _kept(answers: Answers, key: str, *rests_on: object) -> None:
    """Keep something near, for a long time."""
    wait_until(is_listening, 20, every=0.005)
    answers.keep_near(key, _rendered(key, *rests_on), answers.ticket())
    assert answers.near(key)


def _yes(_rendered: Rendered) -> bool:
    return True


@pytest.mark.django_db(transaction=True)
def test_change_drops_exactly_what_rests_on_it(answers: Answers) -> None:
    kush, haze = _product(), _product()
    _kept(answers, "both", kush.pk, haze.pk)
    _kept(answers, "haze", haze.pk)
    Product.objects.filter(pk=kush.pk).update(price=31)
    wait_until(lambda: not answers.near("both"), 20, every=0.005)
    assert answers.near("haze")
    haze.delete()
    wait_until(lambda: not answers.near("haze"), 20, every=0.005)


@pytest.mark.django_db(transaction=True)
def test_change_of_a_rule_or_store_drops_everything(answers: Answers) -> None:
    _kept(answers, "anything", uuid4())
    Store.objects.update(name="Downtown")
    wait_until(lambda: not answers.near("anything"), 20, every=0.005)


@pytest.mark.django_db(transaction=True)
def test_answer_that_began_before_a_change_is_not_kept(answers: Answers) -> None:
    kush, haze = _product(), _product()
    _kept(answers, "witness", kush.pk)
    ticket = answers.ticket()
    Product.objects.filter(pk=kush.pk).update(price=31)
    wait_until(lambda: not answers.near("witness"), 20, every=0.005)
    answers.keep_near("kush", _rendered("", kush.pk), ticket)
    answers.keep_near("haze", _rendered("", haze.pk), ticket)
    assert not answers.near("kush")
    assert answers.near("haze")
    answers.keep_near("kush", _rendered("", kush.pk), answers.ticket())
    assert answers.near("kush")


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()",
            [invalidation.APPLICATION],
        )
        (pid,) = cursor.fetchone()
        return int(pid)


@pytest.mark.django_db(transaction=True)
def test_lost_connection_drops_everything_and_is_made_again(answers: Answers) -> None:
    told: list[tuple[object, bool]] = []
    is_watching = threading.Event()
    on_changed(
        lambda changed: told.append((changed, is_listening())) if is_watching.is_set() else None
    )
    kush = _product()
    _kept(answers, "kush", kush.pk)
    is_watching.set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [_backend()])
    wait_until(lambda: told, 20, every=0.005)
    is_watching.clear()
    assert told[0] == (None, False)
    assert not answers.near("kush")
    _kept(answers, "kush", kush.pk)
    Product.objects.filter(pk=kush.pk).update(price=31)
    wait_until(lambda: not answers.near("kush"), 20, every=0.005)


@pytest.mark.django_db(transaction=True)
def test_server_that_says_nothing_is_not_believed(answers: Answers) -> None:
    _kept(answers, "anything", uuid4())
    frozen = _backend()
    os.kill(frozen, signal.SIGSTOP)
    try:
        wait_until(lambda: not answers.near("anything"), 20, every=0.005)
    finally:
        os.kill(frozen, signal.SIGCONT)


@pytest.mark.django_db(transaction=True)
def test_child_keeps_nothing_of_its_parent_and_listens_itself(answers: Answers) -> None:
    kush = _product()
    _kept(answers, "kush", kush.pk)
    child = os.fork()
    if not child:
        try:
            assert not answers.near("kush")
            _kept(answers, "haze", "haze")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert answers.near("kush")


def test_while_nobody_listens_nothing_is_kept_for_long(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg, "connect", refuse)
    answers.keep_near("key", _rendered(), answers.ticket())
    assert not is_listening()
    assert answers.near("key")
    wait_until(lambda: not answers.near("key"), 20, every=0.005)


def test_nothing_outlives_its_lifetime(answers: Answers) -> None:
    answers.keep_near("over", _rendered(lifetime=0), answers.ticket())
    answers.keep_near("short", _rendered(lifetime=0.05), answers.ticket())
    assert not answers.near("over")
    wait_until(lambda: not answers.near("short"), 20, every=0.005)


@pytest.mark.django_db(transaction=True)
def test_what_is_near_is_bounded_with_all_that_belongs_to_it() -> None:
    wait_until(is_listening, 20, every=0.005)
    few = Answers(prefix="few", most=40)
    small = Answers(prefix="small", most_bytes=100_000)
    for number in range(400):
        few.keep_near(str(number), _rendered("", number, "shared"), few.ticket())
        small.keep_near(str(number), _rendered("x" * 1000, number), small.ticket())
    small.keep_near("large", _rendered("x" * 50_000), small.ticket())
    assert 20 <= sum(1 for number in range(400) if few.near(str(number))) <= 40
    assert 50 <= sum(1 for number in range(400) if small.near(str(number))) <= 100
    assert not small.near("large")
    assert len(few._near._resting) <= 51
    assert len(small._near._resting) <= 101
    few.forget()
    assert not few._near._resting
    assert not few.near("399")


def test_answer_in_redis_is_believed_while_it_is_so(answers: Answers) -> None:
    made: list[str] = []

    def make() -> Rendered:
        made.append("")
        return _rendered(f"é {len(made)}", "a", "b", fingerprint=f"f{len(made)}")

    def ask(is_still_so: Callable[[Rendered], bool]) -> Rendered:
        return answers.get_or_make(owner="o", field="f", make=make, is_still_so=is_still_so)

    first = ask(_yes)
    again = ask(lambda rendered: rendered.fingerprint == "f1")
    assert (again.body, again.etag, again.rests_on) == (first.body, first.etag, frozenset("ab"))
    assert 0 < again.lifetime <= 600
    assert ask(lambda rendered: rendered.fingerprint == "f2").body == "é 2".encode()
    assert len(made) == 2
    name = answers._far._name("o")
    assert quick_redis().ask(lambda client: client.hkeys(name)) == [b"f"]
    assert 0 < quick_redis().ask(lambda client: client.ttl(name)) <= 3601
    assert 0 < quick_redis().ask(lambda client: client.hpttl(name, "f"))[0] <= 600_001


def _written(body: bytes = b"kept", **other: object) -> bytes:
    header = {
        "layout": 1,
        "etag": "",
        "rests_on": [],
        "fingerprint": "",
        "made_at": time.time(),
        "lifetime": 60,
        "crc": zlib.crc32(b"kept"),
        **other,
    }
    return json.dumps(header).encode() + b"\n" + body


@pytest.mark.parametrize(
    ("kept", "is_used"),
    [
        (_written(made_at=time.time() + 5, lifetime=1e6), True),
        (b"", False),
        (b"\n", False),
        (b"\x80\x04\x95", False),
        (b"[1]\nkept", False),
        (b"{}\nkept", False),
        (_written(b"cut"), False),
        (_written(layout=0), False),
        (_written(made_at=time.time() - 61), False),
        (_written(made_at=time.time() + 1e6), False),
        (_written(lifetime="long"), False),
        (_written(rests_on=3), False),
        (b"[" * 100_000 + b"\n", False),
    ],
    ids=[
        "whole",
        "nothing",
        "no header",
        "pickle",
        "a list",
        "no fields",
        "another body",
        "another layout",
        "too old",
        "of the future",
        "a lifetime of words",
        "a number of rows",
        "too deep",
    ],
)
def test_damaged_old_or_foreign_bytes_are_no_answer(
    answers: Answers, kept: bytes, is_used: bool
) -> None:
    quick_redis().ask(lambda client: client.hset(answers._far._name("o"), "f", kept))
    got = answers.get_or_make(
        owner="o", field="f", make=lambda: _rendered("made"), is_still_so=_yes
    )
    assert got.body == (b"kept" if is_used else b"made")


def test_key_of_another_kind_is_no_answer(answers: Answers) -> None:
    quick_redis().ask(lambda client: client.set(answers._far._name("o"), "text"))
    assert (
        answers.get_or_make(
            owner="o", field="f", make=lambda: _rendered("made"), is_still_so=_yes
        ).body
        == b"made"
    )
    assert not answers.is_silent()


def _ask_at_once(ask: Callable[[], object]) -> list[object]:
    barrier = threading.Barrier(THREADS)

    def asked() -> object:
        barrier.wait(10)
        try:
            return ask()
        except LookupError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result() for future in [pool.submit(asked) for _ in range(THREADS)]]


def test_of_many_threads_one_makes_it_and_the_others_have_it_or_its_error(answers: Answers) -> None:
    made: list[str] = []

    def make() -> Rendered:
        made.append("")
        time.sleep(0.3)
        return _rendered()

    def fail() -> Rendered:
        make()
        raise LookupError

    got = _ask_at_once(
        lambda: answers.get_or_make(owner="o", field="f", make=make, is_still_so=_yes)
    )
    assert len(made) == 1
    assert {rendered.body for rendered in got if isinstance(rendered, Rendered)} == {b"body"}
    failed = _ask_at_once(
        lambda: answers.get_or_make(owner="o", field="g", make=fail, is_still_so=_yes)
    )
    assert [type(error) for error in failed] == [LookupError] * THREADS
    assert len(made) == 2
    assert answers.get_or_make(owner="o", field="g", make=make, is_still_so=_yes).body == b"body"


def test_who_asks_after_a_change_is_not_given_what_began_before_it(answers: Answers) -> None:
    now, is_made, may_end = ["old"], threading.Event(), threading.Event()

    def make() -> Rendered:
        read = now[0]
        if read == "old":
            is_made.set()
            may_end.wait(10)
        return _rendered(read, "row")

    def ask() -> bytes:
        return answers.get_or_make(
            owner="o",
            field="f",
            make=make,
            is_still_so=lambda rendered: rendered.body.decode() == now[0],
        ).body

    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(ask)
        assert is_made.wait(10)
        now[0] = "new"
        after = pool.submit(ask)
        time.sleep(0.1)
        may_end.set()
        assert before.result() == b"old"
        assert after.result() == b"new"


def test_of_many_processes_one_makes_it(answers: Answers) -> None:
    prefix = answers._far._prefix
    command = [sys.executable, "-c", _ASK, prefix, "4"]
    asking = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in asking:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in asking:
        process.communicate("\n", timeout=60)
    assert [process.returncode for process in asking] == [0, 0, 0]
    assert quick_redis().ask(lambda client: client.get(f"{prefix}:made")) == b"1"


def test_process_that_died_while_it_made_it_holds_nobody_up_for_good(answers: Answers) -> None:
    with answers._far.making("o", "f"):  # and never comes back: as long as the lock lives
        assert (
            answers.get_or_make(owner="o", field="f", make=_rendered, is_still_so=_yes).body
            == b"body"
        )


def _point_to(settings: Any, url: str) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}


def test_without_redis_answers_go_on(answers: Answers, settings: Any) -> None:
    _point_to(settings, f"redis://127.0.0.1:{free_port()}/0")
    for _ in range(3):
        assert (
            answers.get_or_make(owner="o", field="f", make=_rendered, is_still_so=_yes).body
            == b"body"
        )
    assert answers.is_silent()
    assert not answers.drop("o")


def test_redis_that_dies_and_comes_back_is_used_again(
    answers: Answers, settings: Any, tmp_path: Path
) -> None:
    server = Valkey(directory=tmp_path / "valkey", logs=tmp_path / "logs", is_throwaway=True)
    made: list[str] = []

    def make() -> Rendered:
        made.append("")
        return _rendered()

    def ask() -> bool:
        answers.get_or_make(owner="o", field="f", make=make, is_still_so=_yes)
        return answers.is_silent()

    server.start()
    try:
        _point_to(settings, server.url)
        assert [ask(), ask(), len(made)] == [False, False, 1]
        server.stop()
        assert ask()
        server.start()
        wait_until(lambda: not ask(), 20, every=0.005)
        before = len(made)
        assert not ask()
        assert len(made) == before
    finally:
        server.stop()


def test_what_an_owner_has_is_dropped_near_and_far(answers: Answers) -> None:
    def ask(make: Callable[[], Rendered], is_still_so: Callable[[Rendered], bool] = _yes) -> bytes:
        return answers.get_or_make(
            owner="owner", field="f", make=make, is_still_so=is_still_so
        ).body

    ask(lambda: _rendered("first"))
    ticket = answers.ticket()
    answers.keep_near("key", _rendered("", "owner"), ticket)
    assert answers.drop("owner")
    assert not answers.near("key")
    answers.keep_near("key", _rendered("", "owner"), ticket)
    assert not answers.near("key")

    def make() -> Rendered:
        answers.drop("owner")  # they are erased while it is made
        return _rendered("second", "owner")

    assert ask(make, lambda _: False) == b"second"
    assert ask(lambda: _rendered("third")) == b"third"
