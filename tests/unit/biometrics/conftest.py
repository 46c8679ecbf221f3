"""Fixtures of tests that need photographs of faces and the models of face recognition."""

from collections.abc import Mapping

import pytest

from tests.samples.photos import read_photos, require_face_models


@pytest.fixture(scope="session")
def face_models() -> None:
    """Model files of face recognition; without network the test is skipped."""
    require_face_models()


@pytest.fixture(scope="session")
def photos() -> Mapping[str, bytes]:
    """Photographs of three people by file name; without network the test is skipped."""
    return read_photos()
