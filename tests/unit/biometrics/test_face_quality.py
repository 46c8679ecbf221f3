"""Quality gate of a detected face: geometry, exposure and score."""

from dataclasses import replace

import numpy as np
import pytest

from biometrics.faces.quality import (
    ENROLMENT_LIMITS,
    PROBE_LIMITS,
    DetectedFace,
    Exposure,
    check_exposure,
    check_geometry,
    quality_score,
)
from biometrics.faces.refusals import (
    FaceBlurred,
    FaceCutOff,
    FaceImageRefused,
    FaceTooBright,
    FaceTooDark,
    FaceTooSmall,
    FaceTurned,
)

FRONTAL = DetectedFace(
    width=600,
    height=600,
    box=(200, 200, 120, 160),
    landmarks=np.array(
        [(230.0, 260.0), (290.0, 260.0), (260.0, 290.0), (238.0, 320.0), (282.0, 320.0)]
    ),
    score=0.95,
)
GOOD = Exposure(brightness=120, sharpness=0.2)


def _moved(landmark: int, *, right: float = 0, down: float = 0) -> DetectedFace:
    landmarks = FRONTAL.landmarks.copy()
    landmarks[landmark] += (right, down)
    return replace(FRONTAL, landmarks=landmarks)


def _rotated(degrees: float) -> DetectedFace:
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    center = FRONTAL.landmarks.mean(axis=0)
    return replace(FRONTAL, landmarks=(FRONTAL.landmarks - center) @ matrix.T + center)


def _scaled(factor: float) -> DetectedFace:
    return replace(FRONTAL, landmarks=FRONTAL.landmarks * factor)


@pytest.mark.parametrize("limits", [ENROLMENT_LIMITS, PROBE_LIMITS])
def test_frontal_face_of_good_exposure_passes(limits: object) -> None:
    check_geometry(FRONTAL, limits)  # type: ignore[arg-type]
    check_exposure(GOOD, limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("face", "refusal"),
    [
        (replace(FRONTAL, box=(-20, 200, 120, 160)), FaceCutOff),
        (replace(FRONTAL, box=(500, 200, 120, 160)), FaceCutOff),
        (replace(FRONTAL, box=(200, -30, 120, 160)), FaceCutOff),
        (replace(FRONTAL, box=(200, 460, 120, 160)), FaceCutOff),
        (_scaled(0.35), FaceTooSmall),
        (_moved(2, right=30), FaceTurned),
        (_moved(2, right=-30), FaceTurned),
        (_moved(2, down=25), FaceTurned),
        (_moved(2, down=-25), FaceTurned),
        (_rotated(35), FaceTurned),
        (_rotated(-35), FaceTurned),
    ],
)
def test_face_beyond_the_geometry_is_refused(
    face: DetectedFace, refusal: type[FaceImageRefused]
) -> None:
    with pytest.raises(refusal):
        check_geometry(face, PROBE_LIMITS)


@pytest.mark.parametrize(
    ("exposure", "refusal"),
    [
        (Exposure(brightness=20, sharpness=0.2), FaceTooDark),
        (Exposure(brightness=240, sharpness=0.2), FaceTooBright),
        (Exposure(brightness=120, sharpness=0.004), FaceBlurred),
    ],
)
def test_face_beyond_the_exposure_is_refused(
    exposure: Exposure, refusal: type[FaceImageRefused]
) -> None:
    with pytest.raises(refusal):
        check_exposure(exposure, PROBE_LIMITS)


@pytest.mark.parametrize("degrees", [-25, -10, 0, 10, 25])
def test_yaw_and_pitch_do_not_depend_on_the_roll(degrees: float) -> None:
    face = _rotated(degrees)

    assert face.roll_degrees == pytest.approx(degrees)
    assert face.yaw == pytest.approx(FRONTAL.yaw, abs=1e-6)
    assert face.pitch == pytest.approx(FRONTAL.pitch, abs=1e-6)


def test_an_enrolment_must_be_better_than_a_probe() -> None:
    far_away = _scaled(0.5)
    dim = Exposure(brightness=40, sharpness=0.2)

    check_geometry(far_away, PROBE_LIMITS)
    check_exposure(dim, PROBE_LIMITS)
    with pytest.raises(FaceTooSmall):
        check_geometry(far_away, ENROLMENT_LIMITS)
    with pytest.raises(FaceTooDark):
        check_exposure(dim, ENROLMENT_LIMITS)


def test_face_at_the_very_edge_is_not_enrolled() -> None:
    at_the_edge = replace(FRONTAL, box=(0, 200, 120, 160))

    check_geometry(at_the_edge, PROBE_LIMITS)
    with pytest.raises(FaceCutOff):
        check_geometry(at_the_edge, ENROLMENT_LIMITS)


def test_quality_is_that_of_the_worst_property() -> None:
    assert quality_score(FRONTAL, GOOD) == pytest.approx(FRONTAL.score)
    assert quality_score(FRONTAL, replace(GOOD, sharpness=0.01)) == pytest.approx(0.2)
    assert quality_score(FRONTAL, replace(GOOD, brightness=255)) == 0


def test_degenerate_landmarks_are_refused_and_not_divided_by_zero() -> None:
    point = replace(FRONTAL, landmarks=np.full((5, 2), 300.0))

    with pytest.raises(FaceTooSmall):
        check_geometry(point, PROBE_LIMITS)
