"""A worker killed during a run: the next run ends as an undisturbed_checksum one would have."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psutil
import psycopg
import pytest
from django.db import connection

from catalog.models import CatalogSource, Product, SupplierListing
from catalog.pipelines import SUPPLIER_PRODUCTS
from catalog.services.listings import source_checksum
from catalog.tasks import sync_source
from config.celery import app
from mlops.models import RawRecord, Run
from mlops.pipelines.errors import SourceBusy
from mlops.pipelines.runner import run_source
from tests.functional.forks import ForkServer, kill_process
from tests.polling import wait_until
from tests.samples.suppliers.server import SampleSupplier

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
_WORKER_SCRIPT = """
from config.celery import app
app.worker_main(["worker", "-Q", "ingest", "--concurrency", "1"])
"""


def _database_url() -> str:
    base = os.environ["DATABASE_URL"].rsplit("/", 1)[0]
    return f"{base}/{connection.settings_dict['NAME']}"


@pytest.fixture
def forks() -> Iterator[ForkServer]:
    """A fork server on the test's database and broker."""
    server = ForkServer(
        {
            **os.environ,
            "DATABASE_URL": _database_url(),
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
        },
        modules=("celery.bin.worker", "celery.concurrency.prefork", "catalog.tasks"),
    )
    yield server
    server.stop()


@contextmanager
def _worker(forks: ForkServer) -> Iterator[psutil.Process]:
    """Run a Celery worker."""
    worker = forks.run(_WORKER_SCRIPT)
    try:
        yield worker
    finally:
        kill_process(worker)


def _run_when_unlocked(supplier: SampleSupplier) -> Run:
    """Run the source; a killed worker's connection holds its lock until its statement ends."""
    for _ in range(60):
        try:
            return run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs")
        except SourceBusy:
            time.sleep(0.5)
    raise AssertionError("the source stayed locked")


def _has_requests(supplier: SampleSupplier, *, more_than: int) -> bool:
    return supplier.request_count > more_than


def _delete_rows() -> None:
    """Delete everything that the next run could reuse or skip."""
    for model in (Product, SupplierListing, RawRecord):
        model.objects.all().delete()


@pytest.fixture
def undisturbed_checksum(supplier: SampleSupplier) -> str:
    """Checksum of an undisturbed_checksum run, whose rows are deleted again."""
    checksum = run_source(
        SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs"
    ).checksum_out
    _delete_rows()
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


@pytest.mark.parametrize("moment", ["fetching", "processing"])
def test_rerun_after_kill_ends_as_if_undisturbed(
    supplier: SampleSupplier, forks: ForkServer, undisturbed_checksum: str, moment: str
) -> None:
    gate = psycopg.connect(_database_url())
    if moment == "processing":
        # A worker that saves listings now waits in the middle of its transaction.
        gate.execute("LOCK TABLE supplier_listings IN EXCLUSIVE MODE")
    else:
        supplier.block()
    with _worker(forks) as worker:
        sync_source.delay(code="ocs")
        if moment == "processing":
            waiting = (
                "SELECT 1 FROM pg_locks"
                " WHERE NOT granted AND relation = 'supplier_listings'::regclass"
            )
            with psycopg.connect(_database_url(), autocommit=True) as observer:
                wait_until(lambda: observer.execute(waiting).fetchone(), 60)
        else:
            wait_until(lambda: supplier.has_blocked_requests, 60)
        kill_process(worker)
    gate.rollback()
    gate.close()
    supplier.release()

    assert source_checksum("ocs") != undisturbed_checksum

    succeeded = Run.objects.filter(status=Run.Status.SUCCEEDED)
    count_before = succeeded.count()
    with _worker(forks):
        sync_source.delay(code="ocs")
        wait_until(lambda: succeeded.count() > count_before, 60)
        wait_until(lambda: _newest_run().status == Run.Status.SUCCEEDED, 60)

    assert _newest_run().checksum_out == undisturbed_checksum
    assert source_checksum("ocs") == undisturbed_checksum


def _newest_run() -> Run:
    return Run.objects.order_by("-started_at")[0]


def test_ten_kills_at_random_moments_leave_no_trace(
    supplier: SampleSupplier, forks: ForkServer, undisturbed_checksum: str
) -> None:
    rng = random.Random(20261124)
    interrupted = 0
    for _ in range(10):
        requests_before = supplier.request_count
        with _worker(forks) as worker:
            sync_source.delay(code="ocs")
            wait_until(partial(_has_requests, supplier, more_than=requests_before), 60, every=0.01)
            time.sleep(rng.uniform(0, 0.3))
            kill_process(worker)
        if _newest_run().status in (Run.Status.RUNNING, Run.Status.LANDED):
            interrupted += 1
        else:
            _delete_rows()
        app.control.purge()

    assert interrupted >= 3
    assert _run_when_unlocked(supplier).checksum_out == undisturbed_checksum
    assert run_source(SUPPLIER_PRODUCTS, code="ocs", base_url=f"{supplier.url}/ocs").changed == 0
