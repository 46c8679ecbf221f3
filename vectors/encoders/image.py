"""CLIP served by onnxruntime: texts and images in one space, no torch in the process."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vectors.encoders.base import Vectors
from vectors.encoders.files import revision, verified
from vectors.errors import ImageRefused, ModelMissing

NAME = "clip-vit-base-patch32"
FILES = ("text.onnx", "image.onnx", "tokenizer.json")
MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")
_BATCH = 16


class Clip:
    """Both towers of a CLIP, each with unit rows."""

    def __init__(self, folder: Path, *, name: str = "") -> None:
        """folder: what `manage.py fetch_models --image` made; raises ModelMissing when a file is absent or altered."""
        import onnxruntime
        from tokenizers import Tokenizer

        self.id: str = name or folder.name
        if not (folder / "manifest.json").is_file():
            raise ModelMissing(
                f"{self.id} is not in {folder}: run `manage.py fetch_models --image PATH_OR_HUB_NAME`."
            )
        manifest = verified(folder, name=self.id, files=FILES)
        if manifest.get("kind") != "clip":
            raise ModelMissing(f"{self.id} encodes no images: IMAGE_ENCODER must name a CLIP.")
        self.revision: str = revision(manifest)
        self.dimension: int = int(manifest["dimension"])
        self._shape: dict[str, Any] = manifest["image"]
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(int(manifest["tokens"]))
        # The text tower reads where the end token is; what follows it is masked.
        self._tokenizer.enable_padding(pad_id=int(manifest["pad"]), pad_token=manifest["pad_token"])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._text: Any
        self._image: Any
        self._text, self._image = (
            onnxruntime.InferenceSession(
                str(folder / file), options, providers=["CPUExecutionProvider"]
            )
            for file in FILES[:2]
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, d), unit rows."""
        result = np.zeros((len(texts), self.dimension), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            tokens = self._tokenizer.encode_batch([texts[i] for i in places])
            feed = {
                "input_ids": np.array([t.ids for t in tokens], np.int64),
                "attention_mask": np.array([t.attention_mask for t in tokens], np.int64),
            }
            result[places] = self._text.run(None, feed)[0]
        return result

    def encode_images(self, images: Sequence[bytes]) -> Vectors:
        """Return float32 (n, d), unit rows, for files of PNG, JPEG or WebP; raises ImageRefused."""
        result = np.zeros((len(images), self.dimension), np.float32)
        for start in range(0, len(images), _BATCH):
            some = images[start : start + _BATCH]
            pixels = np.stack([prepared(opened(data), self._shape) for data in some])
            result[start : start + len(some)] = self._image.run(None, {"pixel_values": pixels})[0]
        return result


def opened(data: bytes) -> Image.Image:
    """Return the picture upright and in RGB; raises ImageRefused: not an image, broken, of another format, too large."""
    if len(data) > MOST_BYTES:
        raise ImageRefused(f"The image has more than {MOST_BYTES // 1_000_000} MB.")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            # The header tells the size before a pixel is unpacked.
            if image.width * image.height > MOST_PIXELS:
                raise ImageRefused(
                    f"The image has more than {MOST_PIXELS // 1_000_000} million pixels."
                )
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ImageRefused("The file is no whole PNG, JPEG or WebP image.") from error


def prepared(image: Image.Image, shape: dict[str, Any]) -> NDArray[np.float32]:
    """
    Return float32 (3, side, side) as the CLIP image processor of transformers makes it.

    shape: edge (shortest side after scaling), side (of the square cut out of the middle), mean and std by channel.
    """
    edge, side = int(shape["edge"]), int(shape["side"])
    short, long = sorted(image.size)
    scaled = int(edge * long / short)
    size = (edge, scaled) if image.width <= image.height else (scaled, edge)
    if max(size) > MOST_PIXELS // edge:
        raise ImageRefused("The image is too long and narrow.")
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / np.float32(
        255
    )
    mean, std = np.array(shape["mean"], np.float32), np.array(shape["std"], np.float32)
    return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1), np.float32)
