"""Fixtures and settings of all tests."""

import os
import threading
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import prometheus_client  # noqa: F401  counts in memory, whether or not config.wsgi is loaded later
import pytest
from django.conf import settings
from django.test import TransactionTestCase
from django.utils import translation
from pytest_django.plugin import DjangoDbBlocker

from config.cache import invalidation
from config.embedded.stack import SERVERS, UNREACHABLE
from tests import baseline
from tests.samples.suppliers.server import SampleSupplier

LONG_TESTS = tuple(Path(__file__).parent / name for name in ("functional", "browser"))
IS_UNIT_RUN = settings.SETTINGS_MODULE == "config.settings.unit"

# Machines are shared: the duration of an example says nothing about the property.
hypothesis.settings.register_profile("cultivar", deadline=None)
# Runs of unit tests alone are for quick feedback; a run of all tests tries twice as many examples.
hypothesis.settings.register_profile("unit", deadline=None, max_examples=50)
hypothesis.settings.load_profile("unit" if IS_UNIT_RUN else "cultivar")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest: workers then end at the same time."""
    items.sort(key=lambda item: not any(folder in item.path.parents for folder in LONG_TESTS))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests of training and reference models where their libraries are not installed."""
    if item.get_closest_marker("torch") and find_spec("torch") is None:
        pytest.skip("PyTorch is not installed; bin/test without options and bin/train install it")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Name the servers that bin/test did not start in the report of a test that failed."""
    report = yield
    missing = [
        name
        for name, server in SERVERS.items()
        if os.environ.get(server.setting) == UNREACHABLE[server.setting]
    ]
    if report.failed and missing and not IS_UNIT_RUN:
        report.sections.append(
            (
                "Servers",
                f"Not started for this path: {', '.join(missing)}. If the test needs one, add it"
                " in SERVERS_BY_PATH of config/embedded/test_servers.py.",
            )
        )
    return report


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Fail tests that need the database where pytest runs with the settings of unit tests."""
    if IS_UNIT_RUN:
        pytest.fail("This test needs servers; run it with bin/test PATH.", pytrace=False)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Restore the rows of the migrations after tests that commit, where Django would flush."""
    with django_db_blocker.unblock():
        baseline.save()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", baseline.restore)
        yield
    # Its connection would keep the test database from being dropped.
    invalidation.stop()


@pytest.fixture(autouse=True)
def _default_language() -> Iterator[None]:
    """Begin each test in the default language; a request of a French client leaves its own."""
    with translation.override(settings.LANGUAGE_CODE):
        yield


@pytest.fixture
def supplier() -> Iterator[SampleSupplier]:
    """A sample supplier on a free port."""
    server = SampleSupplier(has_assortment=False)
    # The short interval of polling lets `shutdown` return at once.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
