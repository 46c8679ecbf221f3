"""
From an image to one face: checks of the file, detection, quality gate, embedding.

The only module that uses OpenCV is `opencv.py`, which imports it when the first image is read.
"""

from biometrics.faces.extraction import Face, extract_face
from biometrics.faces.opencv import MODEL, FaceModelsUnavailable, is_installed
from biometrics.faces.quality import ENROLMENT_LIMITS, PROBE_LIMITS, QualityLimits
from biometrics.faces.refusals import FaceImageRefused

__all__ = [
    "ENROLMENT_LIMITS",
    "MODEL",
    "PROBE_LIMITS",
    "Face",
    "FaceImageRefused",
    "FaceModelsUnavailable",
    "QualityLimits",
    "extract_face",
    "is_installed",
]
