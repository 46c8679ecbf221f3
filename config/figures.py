"""Figures that are computed from many rows: by a task, then read from the cache."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Generic, TypeVar

from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone

from config.declarations import DeclarationRegistry
from config.selectors import is_large

T = TypeVar("T")
Parameters = Mapping[str, Any]
_MAX_AGE = timedelta(minutes=15)
_STORED_SECONDS = 86_400
REQUEST_SECONDS = 600
"""A refresh that was requested and has not happened after this time is requested again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Generic[T]):
    """
    A value that is computed from rows.

    rows: what it is computed from. Up to 20,000 of them it is computed when it is read, of more by
    a task. compute: its parameters must be JSON. version: is raised when the type of the value
    changes, since values are stored for a day. usual: parameters that are refreshed every hour.
    """

    name: str
    rows: Callable[[], QuerySet]
    compute: Callable[..., T]
    version: int = 1
    usual: tuple[Parameters, ...] = ({},)


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A value of a figure and when it was computed."""

    value: T
    computed_at: datetime


FIGURES: DeclarationRegistry[str, Figure[Any]] = DeclarationRegistry(
    "figures", name_of=lambda figure: figure.name
)


def read_figure(
    figure: Figure[T], parameters: Parameters, *, request_refresh: Callable[[str, Parameters], None]
) -> Reading[T] | None:
    """
    Return a figure; None while it is computed from many rows for the first time.

    request_refresh: called with name and parameters when there is no value or the value is more
    than 15 minutes old, once in ten minutes.
    """
    key = _key(figure, parameters)
    stored: Reading[T] | None = cache.get(key)
    if stored is None and not is_large(figure.rows()):
        return Reading(figure.compute(**parameters), timezone.now())
    is_due = stored is None or timezone.now() - stored.computed_at > _MAX_AGE
    if is_due and cache.add(_request_key(key), True, REQUEST_SECONDS):
        request_refresh(figure.name, parameters)
    return stored


def refresh_figure(name: str, parameters: Parameters) -> None:
    """Compute and store a figure. Raises KeyError: unknown name."""
    figure = FIGURES.get(name)
    key = _key(figure, parameters)
    cache.set(key, Reading(figure.compute(**parameters), timezone.now()), _STORED_SECONDS)
    cache.delete(_request_key(key))


def refresh_usual_figures() -> int:
    """Refresh the figures of many rows with their usual parameters; return their number."""
    due = [
        (figure.name, parameters)
        for figure in FIGURES.all()
        if is_large(figure.rows())
        for parameters in figure.usual
    ]
    for name, parameters in due:
        refresh_figure(name, parameters)
    return len(due)


def _key(figure: Figure[Any], parameters: Parameters) -> str:
    digest = sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    return f"figure:{figure.name}:{figure.version}:{digest}"


def _request_key(key: str) -> str:
    return f"{key}:requested"
