"""Fixtures of biometrics: photographs, models of face recognition, empty memory."""

from collections.abc import Iterator, Mapping

import pytest

from biometrics.services.galleries import drop_galleries
from tests.samples.photos import read_photos, require_face_models


@pytest.fixture(scope="session")
def face_models() -> None:
    """Model files of face recognition; without network the test is skipped."""
    require_face_models()


@pytest.fixture(scope="session")
def photos() -> Mapping[str, bytes]:
    """Photographs of three people by file name; without network the test is skipped."""
    return read_photos()


@pytest.fixture
def _empty_memory() -> Iterator[None]:
    """No template of another test in the memory of this process."""
    drop_galleries()
    yield
    drop_galleries()
