"""Services of experiments: drafts, start, stop, and the check of those that run."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.utils import timezone

from config.errors import Conflict
from mlops.experiments.assignment import outdate_assignments
from mlops.experiments.definitions import find_subject
from mlops.experiments.results import ExperimentResult, dump_measurements, experiment_result
from mlops.models import Experiment, ExperimentVariant
from mlops.quality.alerts import close_alerts, open_alert

log = structlog.get_logger(__name__)
GUARD_ALERT = "experiment_guard_broken"
BALANCE_ALERT = "experiment_unbalanced"
_ROUNDING = 1e-9
_LOCK_SCOPE = "SELECT pg_advisory_xact_lock(hashtext('experiments'), hashtext(%s))"


class ExperimentRefused(Conflict):
    """The experiment cannot be started, stopped or changed as it is."""

    code = "experiment_refused"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", [(field, reason)])


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantPlan:
    """A variant that is planned; see `ExperimentVariant`."""

    name: str
    share: float
    settings: dict[str, Any]


def plan_problems(scope: str, plans: Sequence[VariantPlan]) -> list[str]:
    """Return what is wrong with the variants of an experiment, the control first."""
    problems = []
    if len(plans) < 2:
        problems.append("A control and at least one variant are needed.")
    if len({plan.name for plan in plans}) < len(plans):
        problems.append("Each variant needs another name.")
    if (total := sum(plan.share for plan in plans)) > 1 + _ROUNDING:
        problems.append(f"The shares sum to {total:g}; together they may be 1 at most.")
    if plans and plans[0].settings:
        problems.append(f"{plans[0].name}: the control, the first variant, must change nothing.")
    problems += [
        f"{plan.name}: the settings must change something."
        for plan in plans[1:]
        if not plan.settings
    ]
    try:
        subject = find_subject(scope)
    except KeyError:
        return [*problems, f"The scope {scope} is unknown."]
    placement = scope.partition(".")[2]
    for plan in plans:
        problems += [
            f"{plan.name}: {reason}" for reason in subject.check_settings(placement, plan.settings)
        ]
    return problems


@transaction.atomic
def save_variants(
    *,
    experiment: Experiment,
    variants: Sequence[ExperimentVariant],
    removed: Collection[ExperimentVariant] = (),
) -> None:
    """Save the variants of a draft in this order. Raises ExperimentRefused: no longer a draft."""
    _lock(experiment, Experiment.Status.DRAFT)
    for variant in removed:
        variant.delete()
    count = len(variants)
    # Positions are unique: those above the new ones are free.
    for offset in (count + 100, 0):
        for position, variant in enumerate(variants):
            variant.experiment = experiment
            variant.position = offset + position
            variant.save()


def start_experiment(
    *, experiment: Experiment, started_by: str, now: datetime | None = None
) -> Experiment:
    """
    Assign visitors from now on, for the planned days. Raises ExperimentRefused.

    One experiment runs in a scope at a time.
    """
    if not started_by:
        raise ExperimentRefused("started_by", "a person must start it")
    with transaction.atomic():
        _lock(experiment, Experiment.Status.DRAFT)
        plans = [
            VariantPlan(name=variant.name, share=variant.share, settings=variant.settings)
            for variant in experiment.variants.order_by("position")
        ]
        if problems := plan_problems(experiment.scope, plans):
            raise ExperimentRefused("variants", " ".join(problems))
        if experiment.metric not in {each.name for each in find_subject(experiment.scope).metrics}:
            raise ExperimentRefused("metric", f"{experiment.metric} is not measured there")
        # Two that start in one scope at the same moment wait for each other here.
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_SCOPE, [experiment.scope])
        running = Experiment.objects.filter(
            scope=experiment.scope, status=Experiment.Status.RUNNING
        )
        if other := running.first():
            raise ExperimentRefused("scope", f"{other.name} is running in it")
        experiment.status = Experiment.Status.RUNNING
        experiment.started_at = now or timezone.now()
        experiment.ends_at = experiment.started_at + timedelta(days=experiment.days)
        experiment.started_by = started_by
        experiment.save(update_fields=["status", "started_at", "ends_at", "started_by"])
        transaction.on_commit(outdate_assignments)
    log.info("experiment.started", experiment=experiment.name, scope=experiment.scope)
    return experiment


def stop_experiment(
    *, experiment: Experiment, reason: str, stopped_by: str = "", now: datetime | None = None
) -> Experiment:
    """
    End an experiment and store what was measured. Raises ExperimentRefused.

    stopped_by: empty where its planned end or a guard decides.
    """
    if not reason.strip():
        raise ExperimentRefused("reason", "must say why it ends")
    at = now or timezone.now()
    with transaction.atomic():
        _lock(experiment, Experiment.Status.RUNNING)
        measured = find_subject(experiment.scope).measure(experiment)
        experiment.result = dump_measurements(measured)
        experiment.status = Experiment.Status.STOPPED
        experiment.ends_at = min(experiment.ends_at or at, at)
        experiment.stopped_by = stopped_by
        experiment.stop_reason = reason
        experiment.save(update_fields=["result", "status", "ends_at", "stopped_by", "stop_reason"])
        close_alerts(codes=(BALANCE_ALERT,), subject=experiment.name)
        transaction.on_commit(outdate_assignments)
    log.info("experiment.stopped", experiment=experiment.name, reason=reason)
    return experiment


def check_experiments(*, now: datetime | None = None) -> dict[str, int]:
    """
    Stop experiments whose planned end has passed or that break a guard; alert about bad splits.

    Safe to repeat.
    """
    at = now or timezone.now()
    counts = {"running": 0, "ended": 0, "stopped": 0, "unbalanced": 0}
    for experiment in Experiment.objects.filter(status=Experiment.Status.RUNNING):
        result = experiment_result(experiment)
        reason = _guard_reason(result)
        is_over = experiment.ends_at is not None and experiment.ends_at <= at
        try:
            if reason:
                stop_experiment(experiment=experiment, reason=reason, now=at)
                counts["stopped"] += 1
                message = f"{experiment.name} was stopped. {reason}"
                open_alert(code=GUARD_ALERT, subject=experiment.name, message=message)
            elif is_over:
                stop_experiment(experiment=experiment, reason="Its planned end.", now=at)
                counts["ended"] += 1
            else:
                counts["running"] += 1
                counts["unbalanced"] += _report_balance(result)
        except ExperimentRefused:  # stopped by someone since it was read
            continue
    return counts


def _report_balance(result: ExperimentResult) -> int:
    name = result.experiment.name
    if result.is_balanced:
        close_alerts(codes=(BALANCE_ALERT,), subject=name)
        return 0
    open_alert(code=BALANCE_ALERT, subject=name, message=f"{name}: {result.text}")
    return 1


def _guard_reason(result: ExperimentResult) -> str:
    return " ".join(
        f"{row.variant.name} is worse than the control in {row.metric.title}:"
        f" {row.difference_text} ({row.interval_text})."
        for row in result.broken_guards
    )


def _lock(experiment: Experiment, status: Experiment.Status) -> None:
    """Lock the row and read it again. Raises ExperimentRefused: not in this status."""
    Experiment.objects.select_for_update().get(pk=experiment.pk)
    experiment.refresh_from_db()
    if experiment.status != status:
        raise ExperimentRefused("status", f"it is {experiment.status}, not {status}")
