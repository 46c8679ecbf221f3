"""The directory in which the processes of one server (gunicorn, a Celery worker) share metrics."""

import atexit
import os
import shutil
import sys
import tempfile

from django.conf import settings

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics() -> None:
    """
    Let this process and those that it forks share metrics; call it before the first is recorded.

    The directory is new, so that nothing of an earlier start is counted, and is removed when this
    process ends. Does nothing while METRICS_TOKEN is empty, or if the directory was set, or after
    prometheus_client was imported, which then counts in memory until the process ends.
    """
    if not settings.METRICS_TOKEN or os.environ.get(_VARIABLE):
        return
    if "prometheus_client" in sys.modules:
        return
    directory = tempfile.mkdtemp(prefix="cultivar-metrics-")
    os.environ[_VARIABLE] = directory
    atexit.register(_remove, directory, owner=os.getpid())


def _remove(directory: str, *, owner: int) -> None:
    # Forked processes run this as well when they end.
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)
