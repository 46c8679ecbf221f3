"""Fixtures and settings of all tests."""

import threading
from collections.abc import Iterator

import hypothesis
import pytest

from tests.samples.suppliers.server import SampleSupplier

# Machines are shared: the duration of an example says nothing about the property.
hypothesis.settings.register_profile("cultivar", deadline=None)
hypothesis.settings.load_profile("cultivar")


@pytest.fixture
def supplier() -> Iterator[SampleSupplier]:
    """A sample supplier on a free port."""
    server = SampleSupplier()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
