"""
Metrics that processes count, with their registry (prometheus_client).

Imported only where METRICS_TOKEN is set: the library costs 0.2 s and 15 MB. Labels have few values;
none is an id, an address or a name of a person.
"""

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()

REQUEST_SECONDS = Histogram(
    "cultivar_request_duration_seconds",
    "Duration of requests by method, name of the route and class of the status (2xx)",
    ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
TASK_SECONDS = Histogram(
    "cultivar_task_duration_seconds",
    "Duration of Celery tasks by name and final state",
    ("task", "state"),
    buckets=(0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200),
    registry=REGISTRY,
)
CACHE_LOOKUPS = Counter(
    "cultivar_cache_lookups",
    "Look-ups in caches of responses by cache, level (local, shared) and result (hit, miss)",
    ("cache", "level", "result"),
    registry=REGISTRY,
)
SECURITY_EVENTS = Counter(
    "cultivar_security_events",
    "Failed and blocked logins, refused second factors, API keys and scrapes by event",
    ("event",),
    registry=REGISTRY,
)
DEGRADED_RESPONSES = Counter(
    "cultivar_degraded_responses",
    "Responses that did without a server or model, by it",
    ("component",),
    registry=REGISTRY,
)


def exposition(*collectors: Collector) -> bytes:
    """
    Return the metrics in the text format of Prometheus.

    Those of all processes that share the directory PROMETHEUS_MULTIPROC_DIR, where it is set, and
    of further collectors.
    """
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)
