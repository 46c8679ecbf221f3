"""Requests for training before the next scheduled one: for drift, or for new data."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from mlops.models import RetrainRequest, TrainingRun
from mlops.registry.definitions import Trainer
from mlops.registry.deployments import lock_model

# A little less than a day: a daily task does not start at the same second every day.
MIN_INTERVAL = timedelta(hours=23)


def request_retrain(
    *, model: str, trigger: TrainingRun.Trigger, reason: str, now: datetime
) -> RetrainRequest | None:
    """
    Record that a model should be trained again; None if it was within the last day.

    At most one request a day, also from several processes; a run that began within the day, for
    whatever reason, answers it already.
    """
    since = now - MIN_INTERVAL
    with transaction.atomic():
        lock_model(model)
        is_requested = RetrainRequest.objects.filter(model=model, requested_at__gt=since).exists()
        is_trained = TrainingRun.objects.filter(model=model, started_at__gt=since).exists()
        if is_requested or is_trained:
            return None
        return RetrainRequest.objects.create(
            model=model, trigger=trigger, reason=reason, requested_at=now
        )


def request_retrain_for_new_data(trainer: Trainer, *, now: datetime) -> RetrainRequest | None:
    """Request training if enough rows have arrived since the last run that succeeded."""
    if trainer.new_data is None:
        return None
    runs = TrainingRun.objects.filter(
        model=trainer.name, status=TrainingRun.Status.SUCCEEDED, row_count__gt=0
    )
    last = runs.order_by("-as_of").first()
    if last is None or last.row_count is None:
        return None
    params = {**trainer.new_data.params, "since": last.as_of}
    with connection.cursor() as cursor:
        cursor.execute(trainer.new_data.sql, params)
        (new_rows,) = cursor.fetchone()
    if new_rows < trainer.new_data.min_share * last.row_count:
        return None
    reason = f"{new_rows} rows since {last.as_of:%Y-%m-%d}; {last.row_count} were used then"
    return request_retrain(
        model=trainer.name, trigger=TrainingRun.Trigger.NEW_DATA, reason=reason, now=now
    )


def answer_requests(run: TrainingRun) -> None:
    """Link the open requests of a model to the run that answers them."""
    RetrainRequest.objects.filter(model=run.model, run=None).update(run=run)
