"""Redis: a client that does not keep anybody waiting; and key by key, what names something found, read and removed."""

import os
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from itertools import islice
from time import monotonic
from typing import Any, TypeVar

import redis
from django.conf import settings
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

from config.errors import ServiceUnavailable

_PAGE = 500
_TRIES, _LONGEST_WAIT = 3, 1.0
_SECONDS = 5
_QUICK_SECONDS, _LEFT_ALONE_SECONDS = 0.25, 1.0
# As many as there are threads that ask at once; one too many would be taken for silence.
_MOST_CONNECTIONS = 1000
_LARGEST_VALUE = 4 * 2**20
T = TypeVar("T")


class RedisUnavailable(ServiceUnavailable):
    """Redis does not answer, after the retries."""

    code = "redis-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("Redis", reason)


class QuickRedis:
    """
    The cache's Redis for what can be done without it: waited for a quarter of a second, asked once, safe among threads.

    Once it has not answered it is left alone for a second; then one question proves whether it is back.
    """

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=_QUICK_SECONDS,
            socket_connect_timeout=_QUICK_SECONDS,
            retry=Retry(NoBackoff(), 0),
            max_connections=_MOST_CONNECTIONS,
        )
        self._silent_until = 0.0
        self._probing = threading.Lock()

    @property
    def is_silent(self) -> bool:
        """Whether it did not answer when it was last asked."""
        return self._silent_until > 0

    def ask(self, question: Callable[[Any], T]) -> T:
        """Call the function with the client and return what it returns; raises RedisUnavailable, at once while it is silent."""
        if not self._silent_until:
            return self._ask(question)
        if monotonic() < self._silent_until or not self._probing.acquire(blocking=False):
            raise RedisUnavailable("left alone")
        try:
            return self._ask(question)
        finally:
            self._probing.release()

    def _ask(self, question: Callable[[Any], T]) -> T:
        try:
            answer = question(self._client)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            self._silent_until = monotonic() + _LEFT_ALONE_SECONDS
            raise RedisUnavailable(type(error).__name__) from error
        except redis.RedisError as error:  # it answers: this it will not do
            self._silent_until = 0.0
            raise RedisUnavailable(type(error).__name__) from error
        self._silent_until = 0.0
        return answer


_quick: dict[str, QuickRedis] = {}
os.register_at_fork(after_in_child=_quick.clear)


def quick_redis() -> QuickRedis:
    """Return the process's quick client of the cache's Redis."""
    url = settings.CACHES["default"]["LOCATION"]
    client = _quick.get(url)
    return client or _quick.setdefault(url, QuickRedis(url))


def _told(call: Callable[..., T]) -> Callable[..., T]:
    @wraps(call)
    def ask(*arguments: Any) -> T:
        try:
            return call(*arguments)
        except redis.RedisError as error:
            raise RedisUnavailable(type(error).__name__) from error

    return ask


@_told
def keys_naming(is_named: Callable[[str], bool]) -> list[tuple[str, bytes]]:
    """
    Return the keys, with their database's address, whose name or value the function recognizes.

    Reads every key of every database that the settings name, a page at a time, and of each value the first 4 MiB.
    """
    # SCAN tells keys in any order, and one of them twice when it likes.
    return sorted({(url, key) for url in _databases() for key in _naming(_client(url), is_named)})


@_told
def remove_keys(keys: list[tuple[str, bytes]], is_named: Callable[[str], bool]) -> int:
    """Remove keys that are named so; of a list, set, hash or sorted set only the parts that are. Return how many keys."""
    for url, key in keys:
        client = _client(url)
        if is_named(_text(key)):
            client.delete(key)
            continue
        for part in _parts(client, key):
            if is_named(_text(part)):
                _remove_part(client, key, part)
    return len(keys)


@_told
def read_key(url: str, key: bytes) -> list[str]:
    """Return the value of a key, part by part, as text."""
    return [_text(part) for part in _parts(_client(url), key)]


def _databases() -> list[str]:
    told = {
        settings.CACHES["default"]["LOCATION"],
        settings.CELERY_BROKER_URL,
        settings.CELERY_RESULT_BACKEND,
    }
    return sorted(url for url in told if str(url).startswith(("redis://", "rediss://", "unix://")))


_clients: dict[str, Any] = {}


def _client(url: str) -> Any:
    if url not in _clients:
        _clients[url] = redis.Redis.from_url(
            url,
            socket_timeout=_SECONDS,
            socket_connect_timeout=2,
            retry=Retry(ExponentialWithJitterBackoff(cap=_LONGEST_WAIT), _TRIES),
        )
    return _clients[url]


def _naming(client: Any, is_named: Callable[[str], bool]) -> Iterator[bytes]:
    keys = client.scan_iter(count=_PAGE)
    while page := list(islice(keys, _PAGE)):
        # One question a page for what is frequent: names, and values that are strings.
        asked = client.pipeline(transaction=False)
        for key in page:
            asked.type(key)
        kinds = dict(zip(page, asked.execute(), strict=True))
        strings = [key for key, kind in kinds.items() if kind == b"string"]
        for key in strings:
            asked.getrange(key, 0, _LARGEST_VALUE)
        values = dict(zip(strings, asked.execute(), strict=True))
        for key, kind in kinds.items():
            parts = [values[key]] if kind == b"string" else _parts(client, key)
            if is_named(_text(key)) or any(is_named(_text(part)) for part in parts):
                yield key


def _parts(client: Any, key: bytes) -> Iterator[bytes]:
    match client.type(key):
        case b"string":
            yield client.getrange(key, 0, _LARGEST_VALUE)
        case b"list":
            yield from client.lrange(key, 0, -1)
        case b"set":
            yield from client.sscan_iter(key, count=_PAGE)
        case b"zset":
            yield from (member for member, _ in client.zscan_iter(key, count=_PAGE))
        case b"hash":
            for field, value in client.hscan_iter(key, count=_PAGE):
                yield field + b"\n" + value


def _remove_part(client: Any, key: bytes, part: bytes) -> None:
    match client.type(key):
        case b"string":
            client.delete(key)
        case b"list":
            client.lrem(key, 0, part)
        case b"set":
            client.srem(key, part)
        case b"zset":
            client.zrem(key, part)
        case b"hash":
            client.hdel(key, part.split(b"\n", 1)[0])


def _text(told: Any) -> str:
    return bytes(told).decode(errors="replace")
