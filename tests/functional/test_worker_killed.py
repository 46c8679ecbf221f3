"""A worker that is killed in the middle of a run: the next run ends where an undisturbed one would have."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection

from catalog.models import CatalogSource, Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.listings import source_checksum
from catalog.tasks import sync_source
from config.celery import app
from config.embedded.stack import ROOT
from mlops.models import RawRecord, Run
from mlops.pipelines.errors import SourceBusy
from mlops.pipelines.runner import run_source
from tests.polling import wait_until
from tests.samples.suppliers.server import SampleSupplier

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def _database_url() -> str:
    base = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    return f"{base}/{connection.settings_dict['NAME']}"


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker on the test's own database and broker, in a process group of its own."""
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "config",
            "worker",
            "-Q",
            "ingest",
            "--concurrency",
            "1",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": _database_url(),
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield worker
    finally:
        _kill(worker)


def _kill(worker: subprocess.Popen[bytes]) -> None:
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def _run_once_free(supplier: SampleSupplier) -> Run:
    """Run the source; the connection of a killed worker ends its statement before it lets the source go."""
    for _ in range(60):
        try:
            return run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
        except SourceBusy:
            time.sleep(0.5)
    raise AssertionError("the source was not let go")


def _forget_rows() -> None:
    """Leave nothing that a next run could take over or skip."""
    for model in (Product, SupplierListing, RawRecord):
        model.objects.all().delete()


@pytest.fixture
def undisturbed(supplier: SampleSupplier) -> str:
    """The checksum after a run that nothing disturbed; its rows are gone again."""
    checksum = run_source(
        SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs"
    ).checksum_out
    _forget_rows()
    CatalogSource.objects.update_or_create(
        pk="ocs",
        defaults={
            "label": "OCS",
            "is_enabled": True,
            "base_url": f"{supplier.url}/ocs",
            "requests_per_second": 1000,
        },
    )
    app.control.purge()
    return checksum


@pytest.mark.parametrize("moment", ["fetching", "refining"])
def test_rerun_after_kill_ends_as_if_undisturbed(
    supplier: SampleSupplier, undisturbed: str, moment: str
) -> None:
    gate = psycopg.connect(_database_url())
    if moment == "refining":
        # Whoever saves listings now waits in the middle of its transaction.
        gate.execute("LOCK TABLE supplier_listings IN EXCLUSIVE MODE")
    else:
        supplier.hold()
    with _worker() as worker:
        sync_source.delay(code="ocs")
        if moment == "refining":
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'supplier_listings'::regclass"
            with psycopg.connect(_database_url(), autocommit=True) as observer:
                wait_until(lambda: observer.execute(waiting).fetchone(), 60)
        else:
            wait_until(lambda: supplier.is_waited_for, 60)
        _kill(worker)
    gate.rollback()
    gate.close()
    supplier.release()
    assert source_checksum("ocs") != undisturbed
    good = Run.objects.filter(status=Run.Status.SUCCEEDED)
    before = good.count()
    with _worker():
        sync_source.delay(code="ocs")
        wait_until(lambda: good.count() > before, 60)
        wait_until(
            lambda: Run.objects.order_by("-started_at")[0].status == Run.Status.SUCCEEDED, 60
        )
    assert (
        Run.objects.order_by("-started_at")[0].checksum_out == source_checksum("ocs") == undisturbed
    )


def test_ten_kills_at_random_moments_leave_no_trace(
    supplier: SampleSupplier, undisturbed: str
) -> None:
    chance = random.Random(20261124)
    interrupted = 0
    for _ in range(10):
        asked = supplier.asked
        with _worker() as worker:
            sync_source.delay(code="ocs")
            wait_until(lambda before=asked: supplier.asked > before, 60, every=0.01)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.3))
            _kill(worker)
        if Run.objects.order_by("-started_at")[0].status in (Run.Status.RUNNING, Run.Status.LANDED):
            interrupted += 1
        else:
            _forget_rows()
        app.control.purge()
    assert interrupted >= 3
    assert _run_once_free(supplier).checksum_out == undisturbed
    assert run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs").changed == 0
