"""Sentence encoders served by onnxruntime: no torch in the process."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from vectors.encoders.base import Vectors
from vectors.encoders.folder import revision, verified

NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
MOST_TOKENS = 256
_BATCH = 32


class SentenceGraph:
    """A transformer, its mean pool and normalization as one graph, with its tokenizer."""

    def __init__(self, folder: Path, *, name: str = "") -> None:
        """folder: what `manage.py fetch_models` made; raises ModelMissing when a file is absent or altered."""
        import onnxruntime
        from tokenizers import Tokenizer

        self.id: str = name or folder.name
        manifest = verified(folder, name=self.id, files=("model.onnx", "tokenizer.json"))
        self.revision: str = revision(manifest)
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(int(manifest.get("tokens", MOST_TOKENS)))
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.dimension: int = self._run(["a"]).shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, d), unit rows; texts of like length share a batch, so that padding costs little."""
        result = np.zeros((len(texts), self.dimension), np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            result[places] = self._run([texts[i] for i in places])
        return result

    def _run(self, texts: Sequence[str]) -> Vectors:
        tokens = self._tokenizer.encode_batch(list(texts))
        feed = {
            "input_ids": np.array([t.ids for t in tokens], np.int64),
            "attention_mask": np.array([t.attention_mask for t in tokens], np.int64),
        }
        rows: Vectors = self._session.run(None, feed)[0]
        return rows


class MiniLm(SentenceGraph):
    """all-MiniLM-L6-v2, wherever its folder is."""

    def __init__(self, folder: Path) -> None:
        """Load; raises ModelMissing."""
        super().__init__(folder, name=NAME)


@cache
def text_encoder() -> SentenceGraph:
    """Return all-MiniLM-L6-v2, loaded once a process; raises ModelMissing."""
    return MiniLm(settings.MODELS_DIR / NAME)
