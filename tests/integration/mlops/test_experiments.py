"""Experiments: assignment, start and stop, guards, split, and the result in words."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.cache.invalidation import is_listening
from mlops.experiments import (
    EXPERIMENT_SUBJECTS,
    ExperimentRefused,
    Measurements,
    Metric,
    Subject,
    Summary,
    assign,
    check_experiments,
    experiment_result,
    outdate_assignments,
    start_experiment,
    stop_experiment,
)
from mlops.models import Alert, Experiment
from tests.factories.experiments import ExperimentFactory
from tests.polling import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
_SCOPE = "sample.page"
Measured = dict[str, tuple[int, float]]
"""By variant: visitors, and the share of them that clicked."""


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    """Forget the experiments of other tests, whose removal may not have been noticed yet."""
    outdate_assignments()


def _rate(units: int, mean: float) -> Summary:
    return Summary(units=units, mean=mean, variance=mean * (1 - mean))


@pytest.fixture
def measured() -> Iterator[dict[str, Any]]:
    """Register a subject that measures what the test puts here: `clicks`, `slow`, `mixed`."""
    figures: dict[str, Any] = {"clicks": {}, "slow": {}, "mixed": 0}

    def measure(_experiment: Experiment) -> Measurements:
        return Measurements(
            units={name: units for name, (units, _) in figures["clicks"].items()},
            metrics={
                "clicks": {name: _rate(*rate) for name, rate in figures["clicks"].items()},
                "slow": {name: _rate(*rate) for name, rate in figures["slow"].items()},
            },
            mixed=figures["mixed"],
        )

    subject = Subject(
        name="sample",
        title="Sample",
        placements={"page": "page"},
        metrics=(
            Metric(name="clicks", title="Click-through", scale=0.02, tolerance=0.0),
            Metric(name="slow", title="Slow", scale=0.02, is_error=True, tolerance=0.05),
        ),
        measure=measure,
        check_settings=lambda _place, settings: (
            ["color must be red."] if "color" in settings else []
        ),
    )
    EXPERIMENT_SUBJECTS.by_name()
    EXPERIMENT_SUBJECTS._registry["sample"] = subject
    yield figures
    del EXPERIMENT_SUBJECTS._registry["sample"]


@pytest.fixture
def make(measured: dict[str, Any]) -> Callable[..., Experiment]:
    """Create experiments of the sample subject."""

    def create(**fields: Any) -> Experiment:
        values = {
            "scope": _SCOPE,
            "metric": "clicks",
            "min_effect": 0.02,
            "variants": (("control", 0.5, {}), ("B", 0.5, {"size": 2})),
            **fields,
        }
        return ExperimentFactory.create(**values)

    return create


def _variants(count: int = 400) -> list[str | None]:
    found = [assign(_SCOPE, f"visitor-{index}") for index in range(count)]
    return [assignment.variant if assignment else None for assignment in found]


def _wait_for_listener() -> None:
    is_listening()
    wait_until(is_listening, 10)


# Assignment


def test_no_one_is_assigned_without_an_experiment() -> None:
    assert assign(_SCOPE, "visitor") is None


def test_draft_assigns_no_one(make: Callable[..., Experiment]) -> None:
    make()

    assert assign(_SCOPE, "visitor") is None


def test_visitors_are_split_by_the_shares(make: Callable[..., Experiment]) -> None:
    make(running=True, variants=(("control", 0.2, {}), ("B", 0.1, {"size": 2})))

    variants = _variants(4_000)

    assert variants.count("control") / 4_000 == pytest.approx(0.2, abs=0.03)
    assert variants.count("B") / 4_000 == pytest.approx(0.1, abs=0.03)


def test_assignment_carries_the_settings(make: Callable[..., Experiment]) -> None:
    experiment = make(running=True, variants=(("control", 0.001, {}), ("B", 0.999, {"size": 2})))

    assigned = [one for one in (assign(_SCOPE, f"v{index}") for index in range(20)) if one]

    variant = next(one for one in assigned if one.variant == "B")
    assert variant.settings == {"size": 2}
    assert variant.experiment_id == experiment.pk


def test_assignment_stays_the_same(make: Callable[..., Experiment]) -> None:
    make(running=True)

    assert _variants() == _variants()


def test_shares_that_sum_to_one_leave_no_one_out(make: Callable[..., Experiment]) -> None:
    thirds = 1 / 3
    make(
        running=True,
        variants=tuple(
            (name, thirds, {"size": 2} if name != "control" else {})
            for name in ("control", "B", "C")
        ),
    )

    assert None not in _variants(2_000)


def test_visitor_without_an_id_is_not_assigned(make: Callable[..., Experiment]) -> None:
    make(running=True)

    assert assign(_SCOPE, "") is None


def test_no_one_is_assigned_after_the_planned_end(make: Callable[..., Experiment]) -> None:
    experiment = make(running=True, days=7)

    assert experiment.started_at is not None
    ended = assign(_SCOPE, "visitor", now=experiment.started_at + timedelta(days=7))

    assert ended is None


def test_start_and_stop_reach_the_process(make: Callable[..., Experiment]) -> None:
    _wait_for_listener()
    experiment = make()
    assert assign(_SCOPE, "visitor") is None

    start_experiment(experiment=experiment, started_by="kim")
    wait_until(lambda: assign(_SCOPE, "visitor") is not None, 5)
    stop_experiment(experiment=experiment, reason="enough", stopped_by="kim")

    wait_until(lambda: assign(_SCOPE, "visitor") is None, 5)


def test_assignment_needs_no_query(make: Callable[..., Experiment]) -> None:
    _wait_for_listener()
    make(running=True)

    def query_count() -> int:
        with CaptureQueriesContext(connection) as queries:
            _variants(50)
        return len(queries)

    # The notice of the start may arrive after a first call.
    wait_until(lambda: query_count() == 0, 5)


# Start and stop


def test_second_experiment_of_a_scope_is_refused(make: Callable[..., Experiment]) -> None:
    make(running=True, name="first")

    with pytest.raises(ExperimentRefused, match="scope: first is running in it"):
        make(running=True)


@pytest.mark.parametrize(
    ("variants", "reason"),
    [
        ((("control", 1.0, {}),), "at least one variant"),
        ((("control", 0.6, {}), ("B", 0.5, {"size": 2})), "sum to 1.1"),
        ((("control", 0.5, {"size": 1}), ("B", 0.5, {"size": 2})), "control, .* must change"),
        ((("control", 0.5, {}), ("B", 0.5, {})), "B: the settings must change something"),
        ((("control", 0.5, {}), ("B", 0.5, {"color": 1})), "B: color must be red"),
    ],
)
def test_impossible_variants_are_refused(
    make: Callable[..., Experiment], variants: Any, reason: str
) -> None:
    experiment = make(variants=variants)

    with pytest.raises(ExperimentRefused, match=reason):
        start_experiment(experiment=experiment, started_by="kim")


def test_unknown_metric_is_refused(make: Callable[..., Experiment]) -> None:
    experiment = make(metric="joy")

    with pytest.raises(ExperimentRefused, match="metric: joy is not measured there"):
        start_experiment(experiment=experiment, started_by="kim")


def test_stopped_experiment_cannot_start_again(make: Callable[..., Experiment]) -> None:
    experiment = make(running=True)
    stop_experiment(experiment=experiment, reason="enough", stopped_by="kim")

    with pytest.raises(ExperimentRefused, match="it is stopped, not draft"):
        start_experiment(experiment=experiment, started_by="kim")


def test_stop_needs_a_reason(make: Callable[..., Experiment]) -> None:
    experiment = make(running=True)

    with pytest.raises(ExperimentRefused, match="reason: must say why"):
        stop_experiment(experiment=experiment, reason=" ", stopped_by="kim")


def test_result_outlives_the_log(make: Callable[..., Experiment], measured: dict[str, Any]) -> None:
    experiment = make(running=True)
    measured["clicks"] = {"control": (2_000, 0.1), "B": (2_000, 0.2)}
    stop_experiment(experiment=experiment, reason="enough", stopped_by="kim")

    measured["clicks"] = {}

    result = experiment_result(experiment)
    assert result.units == {"control": 2_000, "B": 2_000}
    assert result.tables[0].rows[1].verdict == "better"


# Checks


def test_experiment_ends_at_its_planned_end(make: Callable[..., Experiment]) -> None:
    experiment = make(running=True, days=7)

    counts = check_experiments(now=experiment.ends_at)

    experiment.refresh_from_db()
    assert counts["ended"] == 1
    assert experiment.status == "stopped"
    assert experiment.stop_reason == "Its planned end."


def test_harmless_experiment_goes_on(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    experiment = make(running=True)
    measured["clicks"] = {"control": (1_000, 0.1), "B": (1_000, 0.1)}

    check_experiments()

    experiment.refresh_from_db()
    assert experiment.status == "running"


def test_variant_that_breaks_a_guard_is_stopped(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    experiment = make(running=True, name="risky")
    measured["clicks"] = {"control": (1_000, 0.1), "B": (1_000, 0.1)}
    measured["slow"] = {"control": (1_000, 0.05), "B": (1_000, 0.4)}

    check_experiments()

    experiment.refresh_from_db()
    assert experiment.status == "stopped"
    assert experiment.stop_reason.startswith("B is worse than the control in Slow: +35.00 points")
    assert Alert.objects.get(code="experiment_guard_broken").subject == "risky"


def test_loss_within_the_tolerance_stops_nothing(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    experiment = make(running=True)
    measured["clicks"] = {"control": (90_000, 0.1), "B": (90_000, 0.1)}
    measured["slow"] = {"control": (90_000, 0.05), "B": (90_000, 0.07)}

    check_experiments()

    experiment.refresh_from_db()
    assert experiment.status == "running"


def test_unbalanced_split_raises_an_alert_until_it_is_balanced(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    make(running=True, name="skewed")
    measured["clicks"] = {"control": (5_300, 0.1), "B": (4_700, 0.1)}
    check_experiments()
    alert = Alert.objects.get(code="experiment_unbalanced", closed_at=None)
    assert alert.subject == "skewed"

    measured["clicks"] = {"control": (5_300, 0.1), "B": (5_250, 0.1)}
    check_experiments()

    assert not Alert.objects.filter(code="experiment_unbalanced", closed_at=None).exists()


# Results


@pytest.mark.parametrize(
    ("control", "variant", "text"),
    [
        ((50, 0.1), (60, 0.4), "Too early to say: fewer than 100 visitors"),
        ((1_000, 0.0), (1_000, 0.0), "Too early to say"),
        ((1_000, 0.1), (1_000, 0.11), "Too early to say: the true difference may be either way"),
        ((5_000, 0.1), (5_000, 0.15), "Better than the control."),
        ((5_000, 0.15), (5_000, 0.1), "Worse than the control"),
    ],
)
def test_verdict_in_words(
    make: Callable[..., Experiment],
    measured: dict[str, Any],
    control: tuple[int, float],
    variant: tuple[int, float],
    text: str,
) -> None:
    experiment = make(running=True, variants=(("control", 0.5, {}), ("B", 0.5, {"size": 2})))
    measured["clicks"] = {"control": control, "B": variant}

    result = experiment_result(experiment)

    assert result.tables[0].rows[1].text.startswith(text)


def test_unbalanced_split_takes_precedence_over_the_figures(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    experiment = make(running=True)
    measured["clicks"] = {"control": (5_300, 0.1), "B": (4_700, 0.3)}

    assert experiment_result(experiment).text.startswith("The visitors are not split as planned")


def test_end_without_a_difference_says_so(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    experiment = make(running=True)
    measured["clicks"] = {"control": (1_000, 0.1), "B": (1_000, 0.11)}
    stop_experiment(experiment=experiment, reason="enough", stopped_by="kim")

    row = experiment_result(experiment).tables[0].rows[1]

    assert row.text == "No difference was found; the true one lies in the interval."


def test_guard_without_a_difference_says_so(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    experiment = make(running=True)
    measured["clicks"] = measured["slow"] = {"control": (1_000, 0.1), "B": (1_000, 0.11)}

    guard = experiment_result(experiment).tables[1]

    assert guard.rows[1].text == "No difference beyond noise so far."
    assert not guard.has_conversions


def test_each_variant_has_a_sentence(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    experiment = make(
        running=True,
        variants=(("control", 0.3, {}), ("B", 0.3, {"size": 2}), ("C", 0.3, {"size": 3})),
    )
    measured["clicks"] = {"control": (9_000, 0.1), "B": (9_000, 0.15), "C": (9_000, 0.1)}

    better, open_end = experiment_result(experiment).sentences

    assert better.startswith("B: Better than the control. Click-through: +5.00 points (")
    assert open_end.startswith("C: Too early to say")


def test_more_variants_widen_the_interval(
    make: Callable[..., Experiment], measured: dict[str, Any]
) -> None:
    rates = {"control": (5_000, 0.1), "B": (5_000, 0.12), "C": (5_000, 0.12)}
    measured["clicks"] = rates

    def width(names: tuple[str, ...]) -> float:
        variants = tuple((name, 0.25, {"size": 2} if name != "control" else {}) for name in names)
        experiment = make(scope=_SCOPE, variants=variants)
        interval = experiment_result(experiment).tables[0].rows[1].interval
        assert interval is not None
        return interval.high - interval.low

    assert width(("control", "B", "C")) > width(("control", "B"))


def test_start_is_recorded(make: Callable[..., Experiment]) -> None:
    before = timezone.now()

    experiment = start_experiment(experiment=make(days=14), started_by="kim")

    assert experiment.started_by == "kim"
    assert experiment.started_at is not None
    assert experiment.started_at >= before
    assert experiment.ends_at == experiment.started_at + timedelta(days=14)
