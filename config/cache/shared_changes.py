"""
Changed rows in Redis: when each row was last changed, for the entries that processes share.

One sorted set holds hashes of row ids with the time of their last change. Time is a number of
microseconds that never goes back: the `TIME` of Redis, or one more than the last. Every process
that listens for changes records those that it receives, so no single process matters. After a gap
(a process begins to listen, Redis was unavailable or has lost changes) a change of all rows is
recorded: everything computed before is outdated.
"""

import hashlib
from collections.abc import Iterable

from config.clients.redis import RedisUnavailable, quick_redis

ChangedRows = frozenset[str] | None
"""Ids of changed rows; None means that any row may have changed."""

KEY = "cache:changes"
# Members of the set that are no hashes: the time of the last change, and of a change of all rows.
_CLOCK = "clock"
_ALL_ROWS = "*"
# Longer than any entry lives: whatever depends on an older change has expired.
_RETENTION_MICROSECONDS = 2 * 3600 * 1_000_000
# KEYS: the set. ARGV: retention, members. Returns the time at which they were recorded.
_RECORD = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('ZSCORE', KEYS[1], 'clock') or 0)
local clock = string.format('%.0f', math.max(now, last + 1))
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], clock, ARGV[i]) end
redis.call('ZADD', KEYS[1], clock, 'clock')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[1]))
return clock
"""


class _Recorded:
    """
    What this process has recorded.

    clock: time of its last change. failed_count: changes that could not be recorded. covered_count:
    those of them that a change of all rows has made up for.
    """

    clock = 0
    failed_count = 0
    covered_count = 0


def record_changes(changed: ChangedRows) -> None:
    """Record changed rows; while Redis is unavailable, remember that a change is missing there."""
    members = [_ALL_ROWS] if changed is None else hashed(changed)
    failed_count = _Recorded.failed_count
    try:
        clock = quick_redis().call(
            lambda client: client.eval(_RECORD, 1, KEY, _RETENTION_MICROSECONDS, *members)
        )
    except RedisUnavailable:
        _Recorded.failed_count += 1
        return
    _Recorded.clock = int(clock)
    if changed is None:
        _Recorded.covered_count = failed_count


def read_changes(dependencies: Iterable[str]) -> tuple[int, int]:
    """
    Return the time now and the time of the last change of these rows.

    When Redis lacks changes that this process knows of (it was unavailable, emptied, or restored
    from an older copy), a change of all rows is recorded first. Raises RedisUnavailable.
    """
    expected = _Recorded.clock  # read before: meanwhile other threads record changes
    members = [_CLOCK, _ALL_ROWS, *hashed(dependencies)]
    times = quick_redis().call(lambda client: client.zmscore(KEY, members))
    now, *changed_at = (int(time or 0) for time in times)
    if now and now >= expected and not _is_incomplete():
        return now, max(changed_at)
    record_changes(None)
    if _is_incomplete():
        raise RedisUnavailable("changes are not recorded")
    return _Recorded.clock, _Recorded.clock


def _is_incomplete() -> bool:
    return _Recorded.failed_count != _Recorded.covered_count


def hashed(row_ids: Iterable[str]) -> list[str]:
    """Return the members for row ids; hashes, because the id of a customer is personal data."""
    return [hashlib.blake2b(row_id.encode(), digest_size=12).hexdigest() for row_id in row_ids]
