"""Image encoder: refused images, upright rotation, missing model."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vectors.encoders.image import MAX_IMAGE_BYTES, Clip, open_image
from vectors.errors import ImageRefused, ModelMissing


def image_file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise_image(width: int, height: int) -> Image.Image:
    """Return an image of noise."""
    noise = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(noise)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        image_file(noise_image(60, 60))[:900],
        image_file(noise_image(60, 60), "GIF"),
        b"\0" * (MAX_IMAGE_BYTES + 1),
    ],
    ids=["empty", "text", "truncated", "another format", "too large"],
)
def test_files_that_are_not_complete_images_are_refused(data: bytes) -> None:
    with pytest.raises(ImageRefused):
        open_image(data)


def test_decompression_bombs_are_refused() -> None:
    with pytest.raises(ImageRefused, match="pixels"):
        open_image(image_file(Image.new("1", (9000, 9000))))


def test_images_are_rotated_upright() -> None:
    image = Image.new("RGB", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees

    assert open_image(image_file(image, "JPEG", exif=exif)).size == (20, 40)


def test_missing_clip_is_refused_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"fetch_models --image"):
        Clip(tmp_path / "none")
