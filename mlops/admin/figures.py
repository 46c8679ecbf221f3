"""Figures of many rows on console pages: read from the cache, refreshed by a task."""

from typing import Any, TypeVar

from config.figures import REQUEST_SECONDS, Figure, Parameters, Reading, read_figure
from config.selectors import count_rows
from mlops.tasks import refresh_figure
from mlops.waiting_work import Waiting

T = TypeVar("T")


def current_figure(figure: Figure[T], **parameters: Any) -> Reading[T] | None:
    """Return a figure; None while a task computes it for the first time."""
    return read_figure(figure, parameters, request_refresh=_enqueue)


def current_waiting(figure: Figure[Waiting]) -> Waiting:
    """Return what waits; until a task has counted many rows, their estimated number."""
    reading = current_figure(figure)
    if reading is None:
        return Waiting(count=count_rows(figure.rows()), oldest_at=None)
    return reading.value


def _enqueue(name: str, parameters: Parameters) -> None:
    # A later one is enqueued by then.
    refresh_figure.apply_async(
        kwargs={"name": name, "parameters": dict(parameters)}, expires=REQUEST_SECONDS
    )
