"""Checks and decoding of an image file from outside, within bounds of memory and time."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from biometrics.faces.refusals import (
    FaceImageRefused,
    ImageAnimated,
    ImageTooLarge,
    ImageTooSmall,
    ImageUnreadable,
)

MAX_IMAGE_BYTES = 8_000_000
MAX_IMAGE_PIXELS = 12_500_000
MIN_SIDE = 120
# A photo of a phone is scaled to this; a face that is still too small then is too far away.
_MAX_SIDE = 1600
_FORMATS = ("JPEG", "PNG", "WEBP")
# Phones write a second picture of the same scene into a JPEG file; Pillow calls that MPO.
_MULTI_PICTURE_JPEG = "MPO"
# A progressive photo has about ten scans. Each scan passes over all pixels, so that a file of few
# bytes could take minutes.
_START_OF_SCAN = b"\xff\xda"
_MAX_SCANS = 40

Pixels = NDArray[np.uint8]
"""uint8 (height, width, 3), blue first, as OpenCV expects."""


def decode_image(data: bytes) -> Pixels:
    """
    Return the pixels of a JPEG, PNG or WebP file, upright, its longer side 1,600 at most.

    Size and number of frames are checked before pixels are decoded. Raises ImageTooLarge,
    ImageTooSmall, ImageAnimated, ImageUnreadable.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise ImageTooLarge
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_header(image, data)
            # JPEG files are decoded at the scale that is needed.
            image.draft("RGB", (_MAX_SIDE, _MAX_SIDE))
            image.thumbnail((_MAX_SIDE, _MAX_SIDE), Image.Resampling.BOX, reducing_gap=None)
            rgb = ImageOps.exif_transpose(image).convert("RGB")
            return np.ascontiguousarray(np.asarray(rgb)[:, :, ::-1])
    except FaceImageRefused:
        raise
    except Image.DecompressionBombError:
        raise ImageTooLarge from None
    # Pillow raises errors of many types for damaged files, some of them by accident.
    except Exception:
        raise ImageUnreadable from None


def _check_header(image: Image.Image, data: bytes) -> None:
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise ImageTooLarge
    if min(image.size) < MIN_SIDE:
        raise ImageTooSmall
    if getattr(image, "n_frames", 1) > 1 and image.format != _MULTI_PICTURE_JPEG:
        raise ImageAnimated
    if image.format in ("JPEG", _MULTI_PICTURE_JPEG) and data.count(_START_OF_SCAN) > _MAX_SCANS:
        raise ImageUnreadable
