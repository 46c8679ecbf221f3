"""Declarations of what can be varied and how it is measured, registered in `experiments.py`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from django.utils.functional import Promise

from config.declarations import DeclarationRegistry
from mlops.models import Experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """
    A figure of each visitor.

    unit: of its values, shown behind them; "%" shows a rate in percent. is_error: a lower value is
    better. scale: difference that one would like to find, which tunes the sequential interval.
    tolerance: how much worse than the control a variant may be before it is stopped; None: not a
    guard.
    """

    name: str
    title: str | Promise
    scale: float
    unit: str = "%"
    is_error: bool = False
    tolerance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Number of visitors with a metric, its mean and its variance among them."""

    units: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """
    What was measured in an experiment.

    units: visitors by variant. mixed: visitors that were seen in more than one variant; they are in
    none. metrics: by name of the metric, then of the variant.
    """

    units: Mapping[str, int]
    metrics: Mapping[str, Mapping[str, Summary]]
    mixed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """
    What is varied, for example recommendations.

    placements: titles by name; a scope is "subject.placement". measure: of an experiment that has
    started. check_settings: returns what is wrong with the settings of a variant of a placement,
    empty if nothing is. settings_help: which settings there are.
    """

    name: str
    title: str | Promise
    placements: Mapping[str, Any]
    metrics: tuple[Metric, ...]
    measure: Callable[[Experiment], Measurements]
    check_settings: Callable[[str, Mapping[str, Any]], Sequence[str]]
    settings_help: str = ""

    def metric(self, name: str) -> Metric:
        """Return a metric. Raises KeyError."""
        return {metric.name: metric for metric in self.metrics}[name]


EXPERIMENT_SUBJECTS = DeclarationRegistry[str, Subject]("experiments", name_of=attrgetter("name"))
register = EXPERIMENT_SUBJECTS.register


def find_subject(scope: str) -> Subject:
    """Return the subject of a scope. Raises KeyError: no such subject or placement."""
    name, _, placement = scope.partition(".")
    subject = EXPERIMENT_SUBJECTS.get(name)
    if placement not in subject.placements:
        raise KeyError(scope)
    return subject


def scope_choices() -> list[tuple[str, str]]:
    """Return every scope with its title."""
    return [
        (f"{subject.name}.{placement}", f"{subject.title}: {title}")
        for subject in EXPERIMENT_SUBJECTS.all()
        for placement, title in subject.placements.items()
    ]
