"""CLIP encoder on onnxruntime: texts and images in one space, without torch in the process."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vectors.encoders.base import Vectors
from vectors.encoders.files import revision, verified_manifest
from vectors.errors import ImageRefused, ModelMissing

NAME = "clip-vit-base-patch32"
_TEXT_GRAPH = "text.onnx"
_IMAGE_GRAPH = "image.onnx"
FILES = (_TEXT_GRAPH, _IMAGE_GRAPH, "tokenizer.json")
MAX_IMAGE_BYTES = 20_000_000
MAX_IMAGE_PIXELS = 50_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")
_BATCH_SIZE = 16


class Clip:
    """Text and image towers of a CLIP."""

    def __init__(self, folder: Path, *, name: str = "") -> None:
        """
        Load the model; raises ModelMissing when a file is missing or does not match its hash.

        folder: written by `manage.py fetch_models --image`. name: the id, if not the folder's name.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        self.id: str = name or folder.name
        if not (folder / "manifest.json").is_file():
            raise ModelMissing(
                f"{self.id} is not in {folder}: run"
                " `manage.py fetch_models --image PATH_OR_HUB_NAME`."
            )
        manifest = verified_manifest(folder, name=self.id, files=FILES)
        if manifest.get("kind") != "clip":
            raise ModelMissing(
                f"{self.id} cannot encode images: IMAGE_ENCODER must name a CLIP model."
            )
        self.revision: str = revision(manifest)
        self.dimension: int = int(manifest["dimension"])
        self._preprocessing: dict[str, Any] = manifest["image"]
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(int(manifest["tokens"]))
        # The text tower reads the position of the end token; everything after it is masked.
        self._tokenizer.enable_padding(pad_id=int(manifest["pad"]), pad_token=manifest["pad_token"])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._text_session: Any = onnxruntime.InferenceSession(
            str(folder / _TEXT_GRAPH), options, providers=["CPUExecutionProvider"]
        )
        self._image_session: Any = onnxruntime.InferenceSession(
            str(folder / _IMAGE_GRAPH), options, providers=["CPUExecutionProvider"]
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, d), unit rows, in the order of the texts."""
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        # Texts of similar length share a batch, so that little is padded.
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(by_length), _BATCH_SIZE):
            batch = by_length[start : start + _BATCH_SIZE]
            tokens = self._tokenizer.encode_batch([texts[i] for i in batch])
            inputs = {
                "input_ids": np.array([t.ids for t in tokens], np.int64),
                "attention_mask": np.array([t.attention_mask for t in tokens], np.int64),
            }
            vectors[batch] = self._text_session.run(None, inputs)[0]
        return vectors

    def encode_images(self, images: Sequence[bytes]) -> Vectors:
        """
        Return float32 (n, d), unit rows, in the order of the images.

        images: PNG, JPEG or WebP files. Raises ImageRefused.
        """
        vectors = np.zeros((len(images), self.dimension), np.float32)
        for start in range(0, len(images), _BATCH_SIZE):
            batch = images[start : start + _BATCH_SIZE]
            pixels = np.stack(
                [preprocess_image(open_image(data), self._preprocessing) for data in batch]
            )
            rows = self._image_session.run(None, {"pixel_values": pixels})[0]
            vectors[start : start + len(batch)] = rows
        return vectors


def open_image(data: bytes) -> Image.Image:
    """
    Decode a PNG, JPEG or WebP file into an upright RGB image.

    Raises ImageRefused for another format, a broken file, and above MAX_IMAGE_BYTES or
    MAX_IMAGE_PIXELS.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise ImageRefused(f"The image is larger than {MAX_IMAGE_BYTES // 1_000_000} MB.")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            # The header contains the size, so that a large image is refused before it is decoded.
            if image.width * image.height > MAX_IMAGE_PIXELS:
                raise ImageRefused(
                    f"The image has more than {MAX_IMAGE_PIXELS // 1_000_000} million pixels."
                )
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ImageRefused("The file is not a complete PNG, JPEG or WebP image.") from error


def preprocess_image(image: Image.Image, options: dict[str, Any]) -> NDArray[np.float32]:
    """
    Return float32 (3, side, side), as the CLIP image processor of transformers computes it.

    options: edge (length of the shortest side after scaling), side (of the square cropped from the
    center), mean and std by channel. Raises ImageRefused for an extreme aspect ratio.
    """
    edge = int(options["edge"])
    side = int(options["side"])
    short, long = sorted(image.size)
    scaled = int(edge * long / short)
    size = (edge, scaled) if image.width <= image.height else (scaled, edge)
    if max(size) > MAX_IMAGE_PIXELS // edge:
        raise ImageRefused("The aspect ratio of the image is too extreme.")
    image = image.resize(size, Image.Resampling.BICUBIC)
    left = (image.width - side) // 2
    top = (image.height - side) // 2
    cropped = image.crop((left, top, left + side, top + side))
    pixels = np.asarray(cropped, np.float32) / np.float32(255)
    mean = np.array(options["mean"], np.float32)
    std = np.array(options["std"], np.float32)
    return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1), np.float32)
