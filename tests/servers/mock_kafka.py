"""A broker that speaks Kafka's protocol and fails when it is told to: librdkafka's mock cluster, in memory.

It lives in this process, in a thread of the library that the confluent-kafka wheel carries. Clients: `api_version` 2.3.
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
    """One broker; see `mock_kafka`."""

    def __init__(self) -> None:
        self._library = _load()
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        self._handle = self._library.rd_kafka_new(0, None, error, _ERROR_BYTES)
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._handle, 1)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    @property
    def bootstrap(self) -> str:
        """Its address."""
        return str(self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode())

    def make_topic(self, name: str, *, partitions: int = 1) -> None:
        """Make a topic before anybody asks for it."""
        failed = self._library.rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, 1
        )
        assert not failed, f"the topic {name} was not made: {failed}"

    def fail(self, api: int, *codes: int) -> None:
        """Answer the next requests of a kind with these errors, one each."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api, len(codes), array)

    def fail_no_more(self, api: int) -> None:
        """Forget the errors that were not answered yet."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, api)

    def set_down(self) -> None:
        """Be gone."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def set_up(self) -> None:
        """Be back."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)

    def close(self) -> None:
        """End."""
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)


@contextmanager
def mock_kafka() -> Iterator[MockKafka]:
    """Run one for as long as the context lasts."""
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
        function.restype, function.argtypes = result, arguments
    return library
