"""One face of an image, or the reason why there is none that can be used."""

import os
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from biometrics.faces.images import decode_image
from biometrics.faces.opencv import MODEL, face_models
from biometrics.faces.quality import (
    QualityLimits,
    check_exposure,
    check_geometry,
    quality_score,
)
from biometrics.faces.refusals import FaceNotFound, SeveralFaces

_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Face:
    """
    The embedding of the only face of an image.

    embedding: float32 (128,), unit length. quality: 0 to 1. model: which embeddings it is
    comparable with.
    """

    embedding: NDArray[np.float32]
    quality: float
    model: str = MODEL


def extract_face(data: bytes, *, limits: QualityLimits) -> Face:
    """
    Return the face of an image file that has exactly one, of sufficient quality.

    Nothing is stored. One image at a time is processed, which bounds the memory of the process.
    Raises a subclass of FaceImageRefused for the first check that fails, and
    FaceModelsUnavailable.
    """
    with _one_at_a_time:
        return _extract_face(data, limits)


def _extract_face(data: bytes, limits: QualityLimits) -> Face:
    pixels = decode_image(data)
    models = face_models()
    faces = models.detect(pixels)
    if not faces:
        raise FaceNotFound
    if len(faces) > 1:
        raise SeveralFaces
    face = faces[0]
    check_geometry(face, limits)
    aligned = models.align(pixels, face)
    exposure = models.measure_exposure(aligned)
    check_exposure(exposure, limits)
    return Face(embedding=models.embed(aligned), quality=quality_score(face, exposure))


def _reset_after_fork() -> None:
    # Another thread of the parent may have been processing an image.
    global _one_at_a_time  # noqa: PLW0603  # state of the parent
    _one_at_a_time = threading.Lock()


os.register_at_fork(after_in_child=_reset_after_fork)
