"""The Celery application: `celery -A config worker`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init

from config.telemetry.request_ids import carry_request_ids

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
# Celery would run the system checks in each worker and beat, which import every page of the console
# and the REST API: 0.5 s and 40 MB. `manage.py check` and `migrate` run them at a deployment.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
app = Celery("cultivar")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
carry_request_ids()


@setup_logging.connect
def _keep_logging(**_signal: Any) -> None:
    """Leave the logs as Django configures them; Celery would replace handlers and formats."""


@worker_init.connect
def _watch_worker(sender: Any, **_signal: Any) -> None:
    """Watch workers, and record their tasks; other processes need neither."""
    from config.observability.task_metrics import record_tasks
    from config.observability.worker_watch import WorkerWatch

    record_tasks()
    sender.app.steps["worker"].add(WorkerWatch)
