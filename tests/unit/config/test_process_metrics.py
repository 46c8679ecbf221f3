"""Metrics of processes: shared by those that are forked, served by workers, off without a token."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from celery import signals
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpResponse
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from config.celery import app
from config.embedded.stack import ROOT
from config.middleware import RequestMetricsMiddleware
from config.observability.exporter import serve_process_metrics
from config.observability.task_metrics import record_tasks
from config.telemetry.metrics import REGISTRY
from config.telemetry.recording import record_cache_lookup
from config.telemetry.sharing import share_metrics

_FORK = """
import django, os, sys
django.setup()
from config.telemetry.sharing import share_metrics
share_metrics()
from config.telemetry.recording import record_cache_lookup
def record():
    record_cache_lookup(cache="forked", level="local", is_hit=True)
record()
for _ in range(2):
    if os.fork() == 0:
        record()
        sys.exit()
    os.wait()
from config.telemetry.metrics import exposition
print(os.environ["PROMETHEUS_MULTIPROC_DIR"])
print(exposition().decode())
"""


def _values(text: str, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_processes_that_are_forked_count_together_and_leave_no_files() -> None:
    completed = subprocess.run(
        [sys.executable, "-c", _FORK],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.unit"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    directory, _, text = completed.stdout.partition("\n")
    assert _values(text, "cultivar_cache_lookups_total") == {("forked", "local", "hit"): 3}
    assert not Path(directory).exists()


@pytest.fixture
def address() -> object:
    server = serve_process_metrics(0)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_worker_serves_what_it_counts(address: str) -> None:
    record_cache_lookup(cache="served", level="shared", is_hit=False)
    headers = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}

    with urlopen(Request(f"{address}/metrics", headers=headers), timeout=10) as response:
        text = response.read().decode()

    lookups = _values(text, "cultivar_cache_lookups_total")
    assert lookups["served", "shared", "miss"] == 1


@pytest.mark.parametrize(("path", "status"), [("/metrics", 401), ("/", 404)])
def test_worker_serves_nothing_without_the_token(address: str, path: str, status: int) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{address}{path}", timeout=10)

    assert refused.value.code == status
    assert b"cultivar" not in refused.value.read()


@pytest.fixture
def _recorded_tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    record_tasks()
    yield
    for signal, name in (
        (signals.task_prerun, "start"),
        (signals.task_postrun, "record"),
        (signals.worker_ready, "serve"),
    ):
        signal.disconnect(dispatch_uid=f"metrics.{name}")


@pytest.mark.usefixtures("_recorded_tasks")
@pytest.mark.parametrize(("error", "state"), [(None, "success"), (ValueError("x"), "failure")])
def test_task_is_recorded_by_name_and_state(error: Exception | None, state: str) -> None:
    @app.task(name=f"tests.recorded_{state}", bind=True)
    def recorded(_task: object) -> None:
        if error is not None:
            raise error

    recorded.apply()

    labels = {"task": f"tests.recorded_{state}", "state": state}
    assert REGISTRY.get_sample_value("cultivar_task_duration_seconds_count", labels) == 1
    app.tasks.unregister(f"tests.recorded_{state}")


def test_without_a_token_nothing_is_recorded(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""

    record_cache_lookup(cache="off", level="local", is_hit=True)

    labels = {"cache": "off", "level": "local", "result": "hit"}
    assert REGISTRY.get_sample_value("cultivar_cache_lookups_total", labels) is None


def test_without_a_token_requests_pass_no_metrics_middleware(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""

    with pytest.raises(MiddlewareNotUsed):
        RequestMetricsMiddleware(lambda _request: HttpResponse())


def test_without_a_token_no_directory_is_created(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    settings.METRICS_TOKEN = ""

    share_metrics()

    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_directory_is_not_set_where_metrics_are_counted_in_memory_already(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Otherwise the page would read an empty directory.
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    settings.METRICS_TOKEN = "secret-of-the-test"

    share_metrics()

    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_web_process_without_a_token_does_not_load_the_library() -> None:
    completed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import config.wsgi, sys; print('prometheus_client' in sys.modules)",
        ],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.dev", "METRICS_TOKEN": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert completed.stdout.split() == ["False"]
