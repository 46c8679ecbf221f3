"""Fixtures and settings of all tests."""

import threading
from collections.abc import Iterator

import hypothesis
import pytest
from django.conf import settings

from tests.samples.suppliers.server import SampleSupplier

IS_UNIT_RUN = settings.SETTINGS_MODULE == "config.settings.unit"

# Machines are shared: the duration of an example says nothing about the property.
hypothesis.settings.register_profile("cultivar", deadline=None)
# Runs of unit tests alone are for quick feedback; a run of all tests tries twice as many examples.
hypothesis.settings.register_profile("unit", deadline=None, max_examples=50)
hypothesis.settings.load_profile("unit" if IS_UNIT_RUN else "cultivar")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Fail tests that need the database where pytest runs with the settings of unit tests."""
    if IS_UNIT_RUN:
        pytest.fail("This test needs servers; run it with bin/test PATH.", pytrace=False)


@pytest.fixture
def supplier() -> Iterator[SampleSupplier]:
    """A sample supplier on a free port."""
    server = SampleSupplier()
    # The short interval of polling lets `shutdown` return at once.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
