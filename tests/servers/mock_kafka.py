"""
A Kafka broker in memory that fails on request: librdkafka's mock cluster.

It runs in a thread of this process, in the library of the confluent-kafka wheel. Clients use
`api_version` 2.3.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from typing import Any

import confluent_kafka

API_VERSION = "2.3"
PRODUCE, OFFSET_COMMIT = 0, 8
MESSAGE_TOO_LARGE, REBALANCE_IN_PROGRESS, NOT_LEADER = 10, 27, 6
_ERROR_BYTES = 512


class MockKafka:
    """A broker; started by `mock_kafka`."""

    def __init__(self) -> None:
        self._library = _load()
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        self._handle = self._library.rd_kafka_new(0, None, error, _ERROR_BYTES)
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, 1)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    @property
    def bootstrap(self) -> str:
        """Address of the broker."""
        return str(self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode())

    def create_topic(self, name: str, *, partitions: int = 1) -> None:
        """Create a topic, so that its number of partitions is known."""
        failed = self._library.rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, 1
        )
        assert not failed, f"the topic {name} was not created: {failed}"

    def fail_requests(self, api: int, *codes: int) -> None:
        """Answer the next requests of an API with these error codes, one each."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api, len(codes), array)

    def clear_failures(self, api: int) -> None:
        """Discard error codes that were not sent yet."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, api)

    def set_down(self) -> None:
        """Make the broker unavailable."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def set_up(self) -> None:
        """Make the broker available again."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)

    def close(self) -> None:
        """Destroy the cluster."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)


@contextmanager
def mock_kafka() -> Iterator[MockKafka]:
    """Run a broker within the context."""
    mock = MockKafka()
    try:
        yield mock
    finally:
        mock.close()


def _load() -> Any:
    folder = os.path.join(os.path.dirname(confluent_kafka.__file__), "..", "confluent_kafka.libs")
    library = ctypes.CDLL(glob(os.path.join(folder, "librdkafka-*.so*"))[0])
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, number]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
        ("rd_kafka_mock_topic_create", number, [pointer, text, number, number]),
        ("rd_kafka_mock_clear_request_errors", None, [pointer, ctypes.c_int16]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_down", number, [pointer, ctypes.c_int32]),
        ("rd_kafka_mock_broker_set_up", number, [pointer, ctypes.c_int32]),
        (
            "rd_kafka_mock_push_request_errors_array",
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)],
        ),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
