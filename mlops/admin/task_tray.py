"""Runs, training runs and erasures in the task tray."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from config.admin.task_tray import MAX_TASKS, TrayTask, register
from mlops.background_work import recent_erasures, recent_runs, recent_training_runs
from mlops.models import Erasure, Run, TrainingRun


@register("mlops.view_run")
def runs(_user: Any, since: datetime) -> Iterator[TrayTask]:
    """Yield imports from sources, crawls, and dry runs."""
    for run in recent_runs(since=since, limit=MAX_TASKS):
        title = _("Dry run: %(source)s") if run.is_dry_run else _("Run: %(source)s")
        yield TrayTask(
            title=title % {"source": run.source},
            state=_run_state(run),
            url=reverse("admin:mlops_run_change", args=[run.pk]),
            started_at=run.started_at,
            finished_at=run.finished_at,
            has_failed=run.status in (Run.Status.FAILED, Run.Status.INTERRUPTED),
            done=run.read,
        )


def _run_state(run: Run) -> str:
    states = {
        Run.Status.RUNNING: _("fetching"),
        Run.Status.LANDED: _("processing, %(count)s records read") % {"count": f"{run.read:,}"},
        Run.Status.SUCCEEDED: _("succeeded"),
        Run.Status.FAILED: _("failed"),
        Run.Status.INTERRUPTED: _("interrupted"),
    }
    return states[Run.Status(run.status)]


@register("mlops.view_trainingrun")
def training_runs(_user: Any, since: datetime) -> Iterator[TrayTask]:
    """Yield training runs with the share of steps that are done."""
    states = {
        TrainingRun.Status.RUNNING: _("training"),
        TrainingRun.Status.SUCCEEDED: _("succeeded"),
    }
    for run in recent_training_runs(since=since, limit=MAX_TASKS):
        status = TrainingRun.Status(run.status)
        yield TrayTask(
            title=_("Training: %(model)s") % {"model": run.model},
            state=states.get(status) or _("failed"),
            url=reverse("admin:mlops_trainingrun_change", args=[run.pk]),
            started_at=run.started_at,
            finished_at=run.finished_at,
            has_failed=status not in states,
            done=round(100 * run.progress),
            total=100,
        )


@register("mlops.view_erasure")
def erasures(_user: Any, since: datetime) -> Iterator[TrayTask]:
    """Yield erasures, without saying whose."""
    states = {
        Erasure.Status.RUNNING: _("running"),
        Erasure.Status.DONE: _("done"),
        Erasure.Status.INCOMPLETE: _("incomplete"),
        Erasure.Status.REFUSED: _("refused"),
    }
    for erasure in recent_erasures(since=since, limit=MAX_TASKS):
        status = Erasure.Status(erasure.status)
        yield TrayTask(
            title=_("Erasure of a customer"),
            state=states[status],
            url=reverse("admin:mlops_erasure_change", args=[erasure.pk]),
            started_at=erasure.started_at,
            finished_at=erasure.finished_at,
            has_failed=status in (Erasure.Status.INCOMPLETE, Erasure.Status.REFUSED),
        )
