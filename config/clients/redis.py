"""Redis: a client that fails fast, and a search through keys and values for personal data."""

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
from config.telemetry.degradation import CACHE, mark_degraded

_PAGE_SIZE = 500
_RETRIES = 3
_MAX_BACKOFF_SECONDS = 1.0
_TIMEOUT_SECONDS = 5
_QUICK_TIMEOUT_SECONDS = 0.25
_COOLDOWN_SECONDS = 1.0
# At least the number of threads that call at once: an exhausted pool would look like an outage.
_MAX_CONNECTIONS = 1000
_MAX_VALUE_BYTES = 4 * 2**20
T = TypeVar("T")


class RedisUnavailable(ServiceUnavailable):
    """Redis does not respond, after the retries."""

    code = "redis_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("Redis", reason)


class QuickRedis:
    """
    Client of the cache's Redis for optional work. Safe among threads.

    Each command waits a quarter of a second at most and is not retried. When Redis cannot be
    reached it is not called for one second; then a single call probes whether it is back.
    """

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=_QUICK_TIMEOUT_SECONDS,
            socket_connect_timeout=_QUICK_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            max_connections=_MAX_CONNECTIONS,
        )
        self._unavailable_until = 0.0
        self._probe_lock = threading.Lock()

    @property
    def is_unavailable(self) -> bool:
        """Whether Redis could not be reached when it was last called."""
        return self._unavailable_until > 0

    def call(self, operation: Callable[[Any], T]) -> T:
        """
        Return the result of the operation on the client. Raises RedisUnavailable.

        A response that does without it is announced as degraded.
        """
        try:
            return self._call_or_refuse(operation)
        except RedisUnavailable:
            mark_degraded(CACHE)
            raise

    def _call_or_refuse(self, operation: Callable[[Any], T]) -> T:
        if not self._unavailable_until:
            return self._call(operation)
        is_cooling_down = monotonic() < self._unavailable_until
        if is_cooling_down or not self._probe_lock.acquire(blocking=False):
            raise RedisUnavailable("not called after a recent failure")
        try:
            return self._call(operation)
        finally:
            self._probe_lock.release()

    def _call(self, operation: Callable[[Any], T]) -> T:
        try:
            result = operation(self._client)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            self._unavailable_until = monotonic() + _COOLDOWN_SECONDS
            raise RedisUnavailable(type(error).__name__) from error
        except redis.RedisError as error:  # Redis responds, but rejects this operation
            self._unavailable_until = 0.0
            raise RedisUnavailable(type(error).__name__) from error
        self._unavailable_until = 0.0
        return result


_quick_clients: dict[str, QuickRedis] = {}
os.register_at_fork(after_in_child=_quick_clients.clear)


def quick_redis() -> QuickRedis:
    """Return the process's fail-fast client of the cache's Redis."""
    url = settings.CACHES["default"]["LOCATION"]
    client = _quick_clients.get(url)
    return client or _quick_clients.setdefault(url, QuickRedis(url))


def _raises_unavailable(function: Callable[..., T]) -> Callable[..., T]:
    @wraps(function)
    def wrapper(*arguments: Any) -> T:
        try:
            return function(*arguments)
        except redis.RedisError as error:
            raise RedisUnavailable(type(error).__name__) from error

    return wrapper


@_raises_unavailable
def find_keys(is_match: Callable[[str], bool]) -> list[tuple[str, bytes]]:
    """
    Return (database URL, key) of the keys whose name or value matches.

    Reads every key of every database of the settings, page by page, and the first 4 MiB of each
    value. Raises RedisUnavailable.
    """
    # SCAN returns keys in any order and may return a key twice.
    keys = {(url, key) for url in _databases() for key in _matching_keys(_client(url), is_match)}
    return sorted(keys)


@_raises_unavailable
def remove_keys(keys: list[tuple[str, bytes]], is_match: Callable[[str], bool]) -> int:
    """
    Remove keys whose name matches; of other keys only the matching elements. Return the key count.

    Elements are the members of a list, set or sorted set and the fields of a hash.
    """
    for url, key in keys:
        client = _client(url)
        if is_match(_text(key)):
            client.delete(key)
            continue
        for element in _elements(client, key):
            if is_match(_text(element)):
                _remove_element(client, key, element)
    return len(keys)


@_raises_unavailable
def read_key(url: str, key: bytes) -> list[str]:
    """Return the elements of a key's value as text."""
    return [_text(element) for element in _elements(_client(url), key)]


def _databases() -> list[str]:
    urls = {
        settings.CACHES["default"]["LOCATION"],
        settings.CELERY_BROKER_URL,
        settings.CELERY_RESULT_BACKEND,
    }
    return sorted(url for url in urls if str(url).startswith(("redis://", "rediss://", "unix://")))


_clients: dict[str, Any] = {}


def _client(url: str) -> Any:
    if url not in _clients:
        _clients[url] = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=2,
            retry=Retry(ExponentialWithJitterBackoff(cap=_MAX_BACKOFF_SECONDS), _RETRIES),
        )
    return _clients[url]


def _matching_keys(client: Any, is_match: Callable[[str], bool]) -> Iterator[bytes]:
    keys = client.scan_iter(count=_PAGE_SIZE)
    while page := list(islice(keys, _PAGE_SIZE)):
        # One round trip a page for the frequent cases: types, and values that are strings.
        pipeline = client.pipeline(transaction=False)
        for key in page:
            pipeline.type(key)
        types = dict(zip(page, pipeline.execute(), strict=True))
        strings = [key for key, type_name in types.items() if type_name == b"string"]
        for key in strings:
            pipeline.getrange(key, 0, _MAX_VALUE_BYTES)
        values = dict(zip(strings, pipeline.execute(), strict=True))
        for key, type_name in types.items():
            elements = [values[key]] if type_name == b"string" else _elements(client, key)
            if is_match(_text(key)) or any(is_match(_text(element)) for element in elements):
                yield key


def _elements(client: Any, key: bytes) -> Iterator[bytes]:
    match client.type(key):
        case b"string":
            yield client.getrange(key, 0, _MAX_VALUE_BYTES)
        case b"list":
            yield from client.lrange(key, 0, -1)
        case b"set":
            yield from client.sscan_iter(key, count=_PAGE_SIZE)
        case b"zset":
            yield from (member for member, _ in client.zscan_iter(key, count=_PAGE_SIZE))
        case b"hash":
            for field, value in client.hscan_iter(key, count=_PAGE_SIZE):
                yield field + b"\n" + value


def _remove_element(client: Any, key: bytes, element: bytes) -> None:
    match client.type(key):
        case b"string":
            client.delete(key)
        case b"list":
            client.lrem(key, 0, element)
        case b"set":
            client.srem(key, element)
        case b"zset":
            client.zrem(key, element)
        case b"hash":
            client.hdel(key, element.split(b"\n", 1)[0])


def _text(value: Any) -> str:
    return bytes(value).decode(errors="replace")
