"""A withdrawal while eight processes serve: none recognizes the customer after a second."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from biometrics.faces import MODEL
from biometrics.models import CustomerBiometric
from catalog.models import Store
from config.embedded.stack import ROOT
from customers.services.consents import withdraw_consent
from tests.factories.biometrics import (
    IDENTIFICATION,
    create_face_customer,
    enable_biometrics,
    enroll_customer,
)
from tests.factories.catalog import StoreFactory
from tests.polling import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
_PROCESSES = 8
# Compares with the memory of the process alone, as fast as it can, and writes when it last matched.
_SERVE = """
import sys, time
import django
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from biometrics.matching import GalleryScope
from biometrics.services import galleries
from biometrics.services.templates import rotate
from tests.factories.biometrics import random_embedding

scope, probe = GalleryScope("ON", sys.argv[2]), rotate(random_embedding(1))
out, stop = open(sys.argv[3], "w"), sys.argv[4]
import os
while not os.path.exists(stop):
    found = galleries.gallery_of(scope, by="key:test").find(probe) is not None
    loaded = galleries._galleries.loaded.values()
    in_memory = any(len(one.gallery) for one in list(loaded))
    out.write(f"{time.time()} {int(found)} {int(in_memory)}\\n")
    out.flush()
    time.sleep(0.02)
"""


@pytest.fixture
def store() -> Store:
    enable_biometrics()
    return StoreFactory.create(code="queen-west")


@pytest.fixture
def outputs(store: Store, tmp_path: Path) -> Iterator[list[Path]]:
    """Files in which eight processes write what they find; they run until the test ends."""
    paths = [tmp_path / f"process-{number}" for number in range(_PROCESSES)]
    stop = tmp_path / "stop"
    name = settings.DATABASES["default"]["NAME"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SERVE, name, store.code, str(path), str(stop)],
            cwd=ROOT,
            env=os.environ,
        )
        for path in paths
    ]
    yield paths
    stop.touch()
    for process in processes:
        assert process.wait(60) == 0


def _read(path: Path) -> list[tuple[float, bool, bool]]:
    if not path.exists():
        return []
    lines = [line.split() for line in path.read_text().splitlines()]
    complete = [line for line in lines if len(line) == 3]
    return [(float(at), found == "1", kept == "1") for at, found, kept in complete]


def test_no_process_recognizes_a_customer_a_second_after_the_withdrawal(
    store: Store, outputs: list[Path]
) -> None:
    customer = create_face_customer(store)
    enroll_customer(customer, seed=1, model=MODEL)
    wait_until(lambda: all(lines and lines[-1][1] for lines in map(_read, outputs)), 120)

    withdraw_consent(customer=customer, purpose=IDENTIFICATION, by="key:test")
    withdrawn_at = time.time()
    wait_until(lambda: all(_read(path)[-1][0] > withdrawn_at + 2 for path in outputs), 60)

    assert not CustomerBiometric.objects.exists()
    for path in outputs:
        late = [line for line in _read(path) if line[0] > withdrawn_at + 1]
        assert late
        assert not any(found or is_in_memory for _, found, is_in_memory in late)
