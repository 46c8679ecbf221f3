"""
Metrics in the text format of Prometheus, and the server that workers publish theirs with.

Imported only where METRICS_TOKEN is set.
"""

import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from config.observability.metrics_page import REFUSAL, is_authorized
from config.telemetry.gauges import Snapshot, all_gauges
from config.telemetry.metrics import exposition
from config.telemetry.recording import record_security_event

_snapshot = Snapshot()
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_CLIENT_SECONDS = 10


class GaugeCollector(Collector):
    """The gauges that applications have registered."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every gauge with its samples; one without samples has its description alone."""
        families = {
            gauge.name: GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            for gauge in all_gauges()
        }
        for sample in _snapshot.samples():
            families[sample.name].add_metric(sample.labels, sample.value)
        yield from families.values()


def metrics_with_gauges() -> bytes:
    """Return what this process and those beside it count, and all gauges."""
    return exposition(GaugeCollector())


def serve_process_metrics(port: int) -> WSGIServer:
    """
    Serve `/metrics` with what this process and its children count, from a separate thread.

    Raises OSError: the port is in use.
    """
    server = make_server(
        "", port, _process_metrics, server_class=_ThreadingServer, handler_class=_SilentHandler
    )
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server


def _process_metrics(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    if environ.get("PATH_INFO") != "/metrics":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Not found.\n"]
    if not is_authorized(environ.get("HTTP_AUTHORIZATION", "")):
        record_security_event("metrics_refused")
        headers = [("Content-Type", "text/plain"), ("WWW-Authenticate", "Bearer")]
        start_response("401 Unauthorized", headers)
        return [REFUSAL.encode()]
    start_response("200 OK", [("Content-Type", CONTENT_TYPE)])
    return [exposition()]


class _ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):
    """Answers each client in a thread, so that a slow one keeps no other waiting."""

    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    """Writes no line for a request, and gives up on a client that sends none."""

    timeout = _CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing."""
