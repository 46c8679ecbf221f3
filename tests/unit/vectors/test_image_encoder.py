"""A tiny CLIP through the real export and load: agreement with torch, images refused, pictures upright."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.samples.clip import export_clip, make_tiny_clip
from vectors.encoders.image import MOST_BYTES, Clip, opened, prepared
from vectors.errors import ImageRefused, ModelMissing

TEXTS = ["pink kush", "a", "jar of green flower " * 20]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a CLIP with few layers and random weights."""
    folder = tmp_path_factory.mktemp("clip-tiny")
    make_tiny_clip(folder)
    return folder


@pytest.fixture(scope="module")
def clip(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Return it exported by the real code and loaded."""
    made = tmp_path_factory.mktemp("made")
    export_clip(source, made)
    return Clip(made)


def file_of(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def picture(width: int, height: int) -> Image.Image:
    """Return a picture of noise."""
    noise = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(noise)


def test_towers_agree_with_torch(source: Path, clip: Clip) -> None:
    import torch
    from transformers import AutoTokenizer, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    model = CLIPModel.from_pretrained(source).eval()  # type: ignore[no-untyped-call]
    tokens = AutoTokenizer.from_pretrained(source)(
        TEXTS, padding=True, truncation=True, max_length=24, return_tensors="pt"
    )
    images = [picture(70, 41), picture(33, 90), picture(32, 32)]
    pixels = CLIPImageProcessorPil.from_pretrained(source)(images, return_tensors="np")[
        "pixel_values"
    ]
    with torch.no_grad():
        masked = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        pooled = model.text_model(**masked).pooler_output
        texts = torch.nn.functional.normalize(model.text_projection(pooled), dim=1).numpy()
        seen = model.vision_model(
            pixel_values=torch.from_numpy(np.asarray(pixels, np.float32))
        ).pooler_output
        pictures = torch.nn.functional.normalize(model.visual_projection(seen), dim=1).numpy()
    assert np.all(np.sum(clip.encode(TEXTS) * texts, axis=1) > 0.999)
    assert np.all(
        np.sum(clip.encode_images([file_of(i) for i in images]) * pictures, axis=1) > 0.999
    )


@pytest.mark.parametrize("size", [(640, 480), (31, 77), (224, 224), (301, 300)])
def test_pictures_are_prepared_as_transformers_does(size: tuple[int, int]) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor, image = CLIPImageProcessorPil(), picture(*size)
    theirs = processor([image], return_tensors="np")["pixel_values"][0]
    shape = {"edge": 224, "side": 224, "mean": processor.image_mean, "std": processor.image_std}
    assert np.allclose(prepared(image, shape), theirs, atol=1e-4)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no image",
        file_of(picture(60, 60))[:900],
        file_of(picture(60, 60), "GIF"),
        b"\0" * (MOST_BYTES + 1),
    ],
    ids=["empty", "text", "truncated", "another format", "too heavy"],
)
def test_what_is_no_whole_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageRefused):
        opened(data)


def test_bombs_are_refused() -> None:
    with pytest.raises(ImageRefused, match="pixels"):
        opened(file_of(Image.new("1", (9000, 9000))))


def test_pictures_stand_upright() -> None:
    image = Image.new("RGB", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    assert opened(file_of(image, "JPEG", exif=exif)).size == (20, 40)


def test_absent_clip_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"fetch_models --image"):
        Clip(tmp_path / "none")
