"""Image encoder: a tiny CLIP exported and loaded by the real code agrees with torch."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.samples.clip import export_clip, make_tiny_clip
from vectors.encoders.image import Clip, preprocess_image

pytestmark = [pytest.mark.slow, pytest.mark.torch]
TEXTS = ["pink kush", "a", "jar of green flower " * 20]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a CLIP with few layers and random weights."""
    folder = tmp_path_factory.mktemp("clip-tiny")
    make_tiny_clip(folder)
    return folder


@pytest.fixture(scope="module")
def clip(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Return the tiny CLIP, exported by the real code and loaded."""
    exported = tmp_path_factory.mktemp("exported")
    export_clip(source, exported)
    return Clip(exported)


def image_file(image: Image.Image) -> bytes:
    """Return the bytes of a PNG file."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def noise_image(width: int, height: int) -> Image.Image:
    """Return an image of noise."""
    noise = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(noise)


def test_towers_agree_with_torch(source: Path, clip: Clip) -> None:
    import torch
    from transformers import AutoTokenizer, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    model = CLIPModel.from_pretrained(source).eval()  # type: ignore[no-untyped-call,unused-ignore]
    tokens = AutoTokenizer.from_pretrained(source)(
        TEXTS, padding=True, truncation=True, max_length=24, return_tensors="pt"
    )
    images = [noise_image(70, 41), noise_image(33, 90), noise_image(32, 32)]
    pixels = CLIPImageProcessorPil.from_pretrained(source)(images, return_tensors="np")[
        "pixel_values"
    ]
    with torch.no_grad():
        text_inputs = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        text_output = model.text_model(**text_inputs).pooler_output
        text_rows = model.text_projection(text_output)
        expected_texts = torch.nn.functional.normalize(text_rows, dim=1).numpy()
        image_output = model.vision_model(
            pixel_values=torch.from_numpy(np.asarray(pixels, np.float32))
        ).pooler_output
        image_rows = model.visual_projection(image_output)
        expected_images = torch.nn.functional.normalize(image_rows, dim=1).numpy()

    text_vectors = clip.encode(TEXTS)
    image_vectors = clip.encode_images([image_file(image) for image in images])

    assert np.all(np.sum(text_vectors * expected_texts, axis=1) > 0.999)
    assert np.all(np.sum(image_vectors * expected_images, axis=1) > 0.999)


@pytest.mark.parametrize("size", [(640, 480), (31, 77), (224, 224), (301, 300)])
def test_preprocessing_agrees_with_transformers(size: tuple[int, int]) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil()
    image = noise_image(*size)
    expected = processor([image], return_tensors="np")["pixel_values"][0]
    options = {
        "edge": 224,
        "side": 224,
        "mean": processor.image_mean,
        "std": processor.image_std,
    }

    pixels = preprocess_image(image, options)

    assert np.allclose(pixels, expected, atol=1e-4)
