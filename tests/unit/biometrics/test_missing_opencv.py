"""Face recognition where OpenCV is not installed: only one set of requirements has it."""

import sys

import pytest

from biometrics.faces import is_installed
from biometrics.faces.opencv import FaceModels, FaceModelsUnavailable


def test_installed_opencv_is_found() -> None:
    assert is_installed()


def test_missing_opencv_is_reported_with_the_set_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)

    with pytest.raises(FaceModelsUnavailable, match=r"requirements/biometrics\.txt"):
        FaceModels()

    assert not is_installed()
