"""
Gauges: figures that are read when Prometheus asks, mostly from the database.

Applications register in `gauges.py`. Each process reads them at most every METRICS_SECONDS.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic

import structlog
from django.conf import settings

from config.declarations import DeclarationRegistry

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """Name, description and names of the labels of a gauge."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Value of a gauge; `labels` are values in the order of the gauge's names."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


ReadGauges = Callable[[], Iterable[Sample]]


@dataclass(frozen=True, slots=True)
class GaugeReader:
    """Gauges that are read together. name: of the group; read: returns their samples."""

    name: str
    gauges: tuple[Gauge, ...]
    read: ReadGauges


GAUGES = DeclarationRegistry[str, GaugeReader]("gauges", name_of=lambda reader: reader.name)
FAILED_READERS = Gauge(
    name="cultivar_gauge_readers_failed",
    help="1: the gauges of this group could not be read",
    labels=("reader",),
)


def register(*gauges: Gauge) -> Callable[[ReadGauges], ReadGauges]:
    """Register the function that returns the samples of these gauges; a decorator."""

    def decorate(function: ReadGauges) -> ReadGauges:
        application = function.__module__.partition(".")[0]
        GAUGES.register(GaugeReader(f"{application}.{function.__name__}", gauges, function))
        return function

    return decorate


def all_gauges() -> Iterator[Gauge]:
    """Yield every gauge."""
    for reader in GAUGES.all():
        yield from reader.gauges
    yield FAILED_READERS


class Snapshot:
    """The newest samples of all gauges, read again after METRICS_SECONDS. Safe among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._samples: list[Sample] = []

    def samples(self) -> list[Sample]:
        """Return the samples; of several threads one reads, the others wait for it."""
        with self._lock:
            is_due = (
                self._read_at is None or monotonic() - self._read_at >= settings.METRICS_SECONDS
            )
            if is_due:
                self._samples = list(_read_all())
                self._read_at = monotonic()
            return self._samples


def _read_all() -> Iterator[Sample]:
    """Yield the samples of every reader; one that fails does not hide the others."""
    for reader in GAUGES.all():
        try:
            samples = list(reader.read())
        except Exception as error:  # metrics are needed most when something has failed
            log.warning(
                "metrics.gauges_failed", reader=reader.name, error_type=type(error).__name__
            )
            yield Sample(FAILED_READERS.name, 1, (reader.name,))
        else:
            yield from samples
            yield Sample(FAILED_READERS.name, 0, (reader.name,))
