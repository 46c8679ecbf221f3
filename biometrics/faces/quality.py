"""Quality gate: whether a detected face is good enough to be compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biometrics.faces.refusals import (
    FaceBlurred,
    FaceCutOff,
    FaceImageRefused,
    FaceTooBright,
    FaceTooDark,
    FaceTooSmall,
    FaceTurned,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedFace:
    """
    A face in an image of `width` × `height` pixels.

    box: left, top, width, height. landmarks: float (5, 2): the eye on the left of the image, the
    eye on the right, tip of the nose, left and right corner of the mouth. score: of the detector,
    0 to 1.
    """

    width: int
    height: int
    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float64]
    score: float

    @property
    def eye_distance(self) -> float:
        """Distance of the eyes in pixels."""
        return float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))

    @property
    def roll_degrees(self) -> float:
        """Angle of the line between the eyes; 0: level."""
        across = self.landmarks[1] - self.landmarks[0]
        return float(np.degrees(np.arctan2(across[1], across[0])))

    @property
    def yaw(self) -> float:
        """Distance of the nose from the middle of the eyes, in eye distances; 0: frontal."""
        return float(self._from_eyes(self.landmarks[2])[0])

    @property
    def pitch(self) -> float:
        """Height of the nose between mouth (0) and eyes (1), about 0.5 when looking straight."""
        mouth = self._from_eyes(self.landmarks[3:5].mean(axis=0))[1]
        nose = self._from_eyes(self.landmarks[2])[1]
        return float(1 - nose / mouth) if mouth > 0 else 0.0

    @property
    def outside_share(self) -> float:
        """
        Share of the box beyond an edge of the image, along the worse axis.

        Negative: the box is inside, at this distance from the nearest edge.
        """
        left, top, width, height = self.box
        across = max(-left, left + width - self.width) / max(width, 1e-6)
        down = max(-top, top + height - self.height) / max(height, 1e-6)
        return max(across, down)

    def _from_eyes(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a point in eye distances from the middle of the eyes: to the right, and down."""
        across = (self.landmarks[1] - self.landmarks[0]) / max(self.eye_distance, 1e-6)
        down = np.array([-across[1], across[0]])
        offset = (point - self.landmarks[:2].mean(axis=0)) / max(self.eye_distance, 1e-6)
        return np.array([offset @ across, offset @ down])


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """
    Brightness and sharpness of an aligned face of 112 × 112 pixels.

    brightness: mean, 0 to 255. sharpness: variance of the Laplacian by variance of the pixels,
    which does not depend on contrast.
    """

    brightness: float
    sharpness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLimits:
    """Bounds of a face; eye distance in pixels, yaw in eye distances."""

    min_eye_distance: float
    min_brightness: float
    max_brightness: float
    min_sharpness: float
    max_yaw: float
    max_roll_degrees: float
    min_pitch: float
    max_pitch: float
    max_outside_share: float


# Measured on photographs, see docs/biometrics.md. A template is compared for a year: what is
# enrolled must be better than what is compared with it.
ENROLMENT_LIMITS = QualityLimits(
    min_eye_distance=36,
    min_brightness=50,
    max_brightness=215,
    min_sharpness=0.02,
    max_yaw=0.3,
    max_roll_degrees=20,
    min_pitch=0.25,
    max_pitch=0.65,
    max_outside_share=-0.01,
)
PROBE_LIMITS = QualityLimits(
    min_eye_distance=24,
    min_brightness=25,
    max_brightness=230,
    min_sharpness=0.008,
    max_yaw=0.4,
    max_roll_degrees=30,
    min_pitch=0.2,
    max_pitch=0.7,
    max_outside_share=0.05,
)


def check_geometry(face: DetectedFace, limits: QualityLimits) -> None:
    """Raise FaceCutOff, FaceTooSmall or FaceTurned for a face beyond the limits."""
    is_turned = (
        abs(face.yaw) > limits.max_yaw
        or abs(face.roll_degrees) > limits.max_roll_degrees
        or not limits.min_pitch <= face.pitch <= limits.max_pitch
    )
    failures: tuple[tuple[bool, type[FaceImageRefused]], ...] = (
        (face.outside_share > limits.max_outside_share, FaceCutOff),
        (face.eye_distance < limits.min_eye_distance, FaceTooSmall),
        (is_turned, FaceTurned),
    )
    _raise_first(failures)


def check_exposure(exposure: Exposure, limits: QualityLimits) -> None:
    """Raise FaceTooDark, FaceTooBright or FaceBlurred for a face beyond the limits."""
    failures: tuple[tuple[bool, type[FaceImageRefused]], ...] = (
        (exposure.brightness < limits.min_brightness, FaceTooDark),
        (exposure.brightness > limits.max_brightness, FaceTooBright),
        (exposure.sharpness < limits.min_sharpness, FaceBlurred),
    )
    _raise_first(failures)


def quality_score(face: DetectedFace, exposure: Exposure) -> float:
    """
    Return the quality of a face, 0 to 1: the worst of its properties, each 1 when ideal.

    Ideal are eyes 60 pixels apart, a frontal view and a sharp picture of medium brightness.
    """
    properties = (
        face.score,
        face.eye_distance / 60,
        1 - abs(face.yaw),
        exposure.sharpness / 0.05,
        exposure.brightness / 80,
        (255 - exposure.brightness) / 60,
    )
    return min(max(min(properties), 0.0), 1.0)


def _raise_first(failures: tuple[tuple[bool, type[FaceImageRefused]], ...]) -> None:
    for has_failed, refusal in failures:
        if has_failed:
            raise refusal
