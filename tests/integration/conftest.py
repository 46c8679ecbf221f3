"""What integration tests may ask for."""

import pytest

from catalog.models import CatalogSource


@pytest.fixture(autouse=True)
def _unpaced(request: pytest.FixtureRequest) -> None:
    """Ask the sample supplier as fast as it answers."""
    if "supplier" in request.fixturenames and request.node.get_closest_marker("django_db"):
        request.getfixturevalue("transactional_db")
        CatalogSource.objects.update(requests_per_second=1000)
