"""Connections to Milvus: no more pings than servers accept by default, one in five minutes."""

from typing import Any

import grpc
import pytest

from config.embedded.ports import LOOPBACK, free_port
from vectors.errors import VectorsUnavailable
from vectors.store import MilvusStore

_MIN_PING_INTERVAL_MS = 300_000


def test_channel_sends_no_pings_that_servers_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[dict[str, Any]] = []
    connect = grpc.insecure_channel

    def open_channel(target: str, options: Any = None, **rest: Any) -> grpc.Channel:
        opened.append(dict(options))
        return connect(target, options, **rest)

    monkeypatch.setattr(grpc, "insecure_channel", open_channel)
    store = MilvusStore(
        uri=f"http://{LOOPBACK}:{free_port()}", token="", prefix="", timeout_seconds=0.2
    )

    with pytest.raises(VectorsUnavailable):
        store.ping()

    assert opened
    assert all(options["grpc.keepalive_time_ms"] >= _MIN_PING_INTERVAL_MS for options in opened)
    assert not any(options["grpc.keepalive_permit_without_calls"] for options in opened)
