"""MiniLM served by onnxruntime: no torch in the process."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from django.conf import settings

from vectors.encoders.base import Vectors
from vectors.errors import ModelMissing

NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
MOST_TOKENS = 256
_BATCH = 32


class MiniLm:
    """all-MiniLM-L6-v2 as a graph of transformer, mean pool and normalisation."""

    id = NAME
    dimension = DIMENSION

    def __init__(self, folder: Path) -> None:
        """folder: what `manage.py fetch_models` made; raises ModelMissing when a file is absent or altered."""
        import onnxruntime
        from tokenizers import Tokenizer

        manifest = _verified(folder)
        self.revision: str = manifest["weights"][:12]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, 384), unit rows; texts of like length share a batch, so that padding costs little."""
        result = np.zeros((len(texts), DIMENSION), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            tokens = self._tokenizer.encode_batch([texts[i] for i in places])
            feed = {
                "input_ids": np.array([t.ids for t in tokens], np.int64),
                "attention_mask": np.array([t.attention_mask for t in tokens], np.int64),
            }
            result[places] = self._session.run(None, feed)[0]
        return result


@cache
def text_encoder() -> MiniLm:
    """Return the encoder of this process, loaded once; raises ModelMissing."""
    return MiniLm(settings.MODELS_DIR / NAME)


def _verified(folder: Path) -> dict[str, str]:
    try:
        manifest: dict[str, str] = json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError:
        raise ModelMissing(f"{NAME} is not in {folder}: run `manage.py fetch_models`.") from None
    for name in ("model.onnx", "tokenizer.json"):
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != manifest[name]:
            raise ModelMissing(f"{folder / name} was altered: run `manage.py fetch_models --force`.")
    return manifest
