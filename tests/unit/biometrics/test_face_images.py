"""Image files of faces: format, size, frames, orientation, bombs and damage."""

import io
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from django.utils import translation
from PIL import Image

from biometrics.faces.images import MAX_IMAGE_PIXELS, decode_image
from biometrics.faces.refusals import (
    REFUSALS,
    FaceImageRefused,
    ImageAnimated,
    ImageTooLarge,
    ImageTooSmall,
    ImageUnreadable,
)
from config.embedded.stack import ROOT
from tests.samples.hostile_images import hostile_images

_MAX_GROWTH_MEGABYTES = 300
_MAX_SECONDS = 2
# Reads every file in a separate process that has loaded the models, and measures each.
_MEASURE = """
import json, pickle, resource, sys, time
import django
django.setup()
from biometrics.faces import PROBE_LIMITS, FaceImageRefused, extract_face
from biometrics.faces.opencv import face_models

def peak_megabytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

files = pickle.load(sys.stdin.buffer)
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
face_models()
results = {}
for name, content in files.items():
    open("/proc/self/clear_refs", "w").write("5")
    before, started = peak_megabytes(), time.process_time()
    try:
        extract_face(content, limits=PROBE_LIMITS)
        code = "accepted"
    except FaceImageRefused as error:
        code = error.code
    results[name] = (code, time.process_time() - started, peak_megabytes() - before)
json.dump(results, sys.stdout)
"""


def _encode(image: Image.Image, name: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, name, **options)
    return output.getvalue()


@pytest.fixture(scope="module")
def two_colors() -> Image.Image:
    """An image whose left half is red and whose right half is blue."""
    image = Image.new("RGB", (400, 200), "blue")
    image.paste("red", (0, 0, 200, 200))
    return image


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_image_is_decoded_with_blue_first(two_colors: Image.Image, name: str) -> None:
    pixels = decode_image(_encode(two_colors, name))

    assert pixels.shape == (200, 400, 3)
    assert pixels.dtype == np.uint8
    assert np.argmax(pixels[100, 50]) == 2
    assert np.argmax(pixels[100, 350]) == 0


def test_image_is_turned_upright_by_its_exif_orientation(two_colors: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated clockwise

    pixels = decode_image(_encode(two_colors, "JPEG", exif=exif))

    assert pixels.shape == (400, 200, 3)
    assert np.argmax(pixels[50, 100]) == 2
    assert np.argmax(pixels[350, 100]) == 0


def test_jpeg_with_a_second_picture_of_a_phone_is_no_animation(two_colors: Image.Image) -> None:
    content = _encode(two_colors, "MPO", save_all=True, append_images=[two_colors])

    assert decode_image(content).shape == (200, 400, 3)


def test_large_photo_is_scaled_down() -> None:
    content = _encode(Image.new("RGB", (4000, 3000)), "JPEG")

    assert decode_image(content).shape == (1200, 1600, 3)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (_encode(Image.new("1", (MAX_IMAGE_PIXELS // 1000 + 1, 1000)), "PNG"), ImageTooLarge),
        (bytes(8_000_001), ImageTooLarge),
        (_encode(Image.new("RGB", (119, 500)), "JPEG"), ImageTooSmall),
        (_encode(Image.new("RGB", (200, 200)), "GIF"), ImageUnreadable),
        (_encode(Image.new("RGB", (200, 200)), "JPEG")[:-200], ImageUnreadable),
        (
            _encode(
                Image.new("RGB", (200, 200)),
                "WEBP",
                save_all=True,
                append_images=[Image.new("RGB", (200, 200), "red")],
            ),
            ImageAnimated,
        ),
    ],
)
def test_unusable_file_is_refused_with_its_reason(
    content: bytes, refusal: type[FaceImageRefused]
) -> None:
    with pytest.raises(refusal):
        decode_image(content)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.usefixtures("face_models")
def test_hostile_files_are_refused_within_bounds_of_time_and_memory() -> None:
    import pickle

    files = hostile_images()

    completed = subprocess.run(
        [sys.executable, "-c", _MEASURE],
        input=pickle.dumps(files),
        capture_output=True,
        check=True,
        cwd=ROOT,
        timeout=300,
    )

    results = json.loads(completed.stdout)
    codes = {refusal.code for refusal in REFUSALS}
    assert len(results) == len(files) >= 60
    for name, (code, seconds, megabytes) in results.items():
        assert code in codes, name
        assert seconds < _MAX_SECONDS, f"{name}: {seconds:.2f} s"
        assert megabytes < _MAX_GROWTH_MEGABYTES, f"{name}: {megabytes:.0f} MB"
    assert completed.stderr == b""


def test_each_refusal_has_a_unique_code_and_both_languages() -> None:
    codes = [refusal.code for refusal in REFUSALS]
    texts = []
    for language in ("en", "fr"):
        with translation.override(language):
            texts += [refusal().reason for refusal in REFUSALS]

    assert len(set(codes)) == len(codes)
    assert len(set(texts)) == len(texts)
    # After the colon: what the person should do.
    assert all(":" in text for text in texts)
