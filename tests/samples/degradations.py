"""Degraded copies of photographs: small, dark, blurred, strongly compressed."""

import io
from collections.abc import Callable, Mapping

from PIL import Image, ImageEnhance, ImageFilter

Degrade = Callable[[Image.Image], Image.Image]


def _scaled_to(side: int) -> Degrade:
    def scale(image: Image.Image) -> Image.Image:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        return image

    return scale


def _darkened_to(share: float) -> Degrade:
    return lambda image: ImageEnhance.Brightness(image).enhance(share)


def _blurred_by(share: float) -> Degrade:
    return lambda image: image.filter(ImageFilter.GaussianBlur(share * max(image.size)))


def _unchanged(image: Image.Image) -> Image.Image:
    return image


# Name, change, JPEG quality.
_DEGRADATIONS: Mapping[str, tuple[Degrade, int]] = {
    "clean": (_unchanged, 95),
    "small (longer side 400 pixels)": (_scaled_to(400), 95),
    "very small (250 pixels)": (_scaled_to(250), 95),
    "dark (40 % of the brightness)": (_darkened_to(0.4), 95),
    "very dark (20 %)": (_darkened_to(0.2), 95),
    "blurred (0.3 % of the longer side)": (_blurred_by(0.003), 95),
    "very blurred (1 %)": (_blurred_by(0.01), 95),
    "JPEG quality 10": (_unchanged, 10),
}
DEGRADATIONS = tuple(_DEGRADATIONS)


def degrade(content: bytes, name: str) -> bytes:
    """Return a degraded copy of an image file as JPEG. Raises KeyError: unknown degradation."""
    change, quality = _DEGRADATIONS[name]
    output = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        change(image.convert("RGB")).save(output, "JPEG", quality=quality)
    return output.getvalue()
