"""Adapter of OpenCV: YuNet detects faces, SFace embeds them. Loaded once per process."""

from __future__ import annotations

import os
import threading
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from biometrics.faces.images import Pixels
from biometrics.faces.quality import DetectedFace, Exposure
from biometrics.model_files import SFACE, YUNET
from config.errors import ServiceUnavailable
from vectors.errors import ModelMissing

MODEL = f"sface-{SFACE.sha256[:12]}"
"""Id of the model that computes embeddings; embeddings of different models are not comparable."""
# A face is 112 pixels wide for the embedding; web processes share the cores among themselves.
_THREADS = 1
_REQUIREMENTS = "requirements/biometrics.txt"
_DETECTION_SIDE = 640
_MIN_SCORE = 0.6
_MAX_OVERLAP = 0.3
_MAX_CANDIDATES = 500
# Distance of the eyes in an aligned face is 38 pixels. Larger faces are first scaled down to this
# distance, since the alignment samples single pixels.
_SCALED_EYE_DISTANCE = 57.0
_NO_CONFIG = np.empty(0, np.uint8)


class FaceModelsUnavailable(ServiceUnavailable):
    """The model files or OpenCV are not installed."""

    code = "face_models_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("Face recognition", reason)


class FaceModels:
    """
    Detector and embedder of this process.

    Not safe among threads.
    """

    def __init__(self) -> None:
        """Load and verify both models. Raises FaceModelsUnavailable."""
        self._cv2 = _import_opencv()
        try:
            detector = np.frombuffer(YUNET.read_verified(), np.uint8)
            embedder = np.frombuffer(SFACE.read_verified(), np.uint8)
        except ModelMissing as error:
            raise FaceModelsUnavailable(str(error)) from None
        self._detector: Any = self._cv2.FaceDetectorYN.create(
            "onnx", detector, _NO_CONFIG, (0, 0), _MIN_SCORE, _MAX_OVERLAP, _MAX_CANDIDATES
        )
        self._embedder: Any = self._cv2.FaceRecognizerSF.create("onnx", embedder, _NO_CONFIG)

    def detect(self, pixels: Pixels) -> list[DetectedFace]:
        """Return the faces of an image, in no order."""
        height, width = pixels.shape[:2]
        scale = min(1.0, _DETECTION_SIDE / max(height, width))
        scaled = self._resize(pixels, scale)
        self._detector.setInputSize((scaled.shape[1], scaled.shape[0]))
        _, rows = self._detector.detect(scaled)
        if rows is None:
            return []
        return [_read_face(row, scale, width=width, height=height) for row in rows]

    def align(self, pixels: Pixels, face: DetectedFace) -> Pixels:
        """Return the face as uint8 (112, 112, 3): upright, eyes and mouth in standard positions."""
        scale = min(1.0, _SCALED_EYE_DISTANCE / max(face.eye_distance, 1.0))
        region, offset = _crop_around(pixels, face)
        scaled = self._resize(region, scale)
        row = np.zeros((1, 15), np.float32)
        row[0, 4:14] = ((face.landmarks - offset) * scale).ravel()
        aligned: Pixels = self._embedder.alignCrop(scaled, row)
        return aligned

    def measure_exposure(self, aligned: Pixels) -> Exposure:
        """Return brightness and sharpness of an aligned face."""
        gray = self._cv2.cvtColor(aligned, self._cv2.COLOR_BGR2GRAY).astype(np.float32)
        edges = self._cv2.Laplacian(gray, self._cv2.CV_32F)
        return Exposure(
            brightness=float(gray.mean()),
            sharpness=float(edges.var() / max(float(gray.var()), 1.0)),
        )

    def embed(self, aligned: Pixels) -> NDArray[np.float32]:
        """Return the embedding of an aligned face: float32 (128,), unit length."""
        row = np.asarray(self._embedder.feature(aligned), np.float32).ravel()
        unit: NDArray[np.float32] = row / np.linalg.norm(row)
        return unit

    def _resize(self, pixels: Pixels, scale: float) -> Pixels:
        if scale >= 1:
            return pixels
        resized: Pixels = self._cv2.resize(
            pixels, None, fx=scale, fy=scale, interpolation=self._cv2.INTER_AREA
        )
        return resized


_models: FaceModels | None = None
_load_lock = threading.Lock()


def is_installed() -> bool:
    """Return whether OpenCV is installed: of all sets of requirements, biometrics has it."""
    return find_spec("cv2") is not None


def face_models() -> FaceModels:
    """Return the models of this process, loaded at the first call. Raises FaceModelsUnavailable."""
    global _models  # noqa: PLW0603  # one per process
    with _load_lock:
        if _models is None:
            _models = FaceModels()
        return _models


def _import_opencv() -> Any:
    try:
        import cv2
    except ModuleNotFoundError:
        raise FaceModelsUnavailable(f"OpenCV is not installed; see {_REQUIREMENTS}") from None

    cv2.setNumThreads(_THREADS)
    # Its warnings about back ends would be written to stderr past the structured log.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    return cv2


def _read_face(row: NDArray[np.float32], scale: float, *, width: int, height: int) -> DetectedFace:
    # The detector's landmarks: right eye of the person (left in the image), left eye, nose, corners
    # of the mouth.
    left, top, box_width, box_height = (float(value) / scale for value in row[:4])
    return DetectedFace(
        width=width,
        height=height,
        box=(left, top, box_width, box_height),
        landmarks=row[4:14].reshape(5, 2).astype(np.float64) / scale,
        score=float(row[14]),
    )


def _crop_around(pixels: Pixels, face: DetectedFace) -> tuple[Pixels, NDArray[np.float64]]:
    """Return the part of an image that the alignment reads, and its left upper corner."""
    margin = 2.5 * face.eye_distance
    low = np.maximum(np.floor(face.landmarks.min(axis=0) - margin), 0).astype(int)
    high = np.ceil(face.landmarks.max(axis=0) + margin).astype(int)
    region = pixels[low[1] : max(high[1], low[1] + 1), low[0] : max(high[0], low[0] + 1)]
    return np.ascontiguousarray(region), low.astype(np.float64)


def _reset_after_fork() -> None:
    # Another thread of the parent may have been using the models.
    global _models, _load_lock  # state of the parent
    _models, _load_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_reset_after_fork)
