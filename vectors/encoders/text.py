"""Sentence encoders served by onnxruntime: no torch in the process."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from vectors.encoders.base import Vectors
from vectors.encoders.files import revision, verified
from vectors.errors import ModelMissing

NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
MOST_TOKENS = 256
FORM = "onnx-int8-rows-1"
_BATCH = 32
_WORKERS = os.cpu_count() or 1


class SentenceGraph:
    """A transformer, its mean pool and normalization as one graph, with its tokenizer."""

    def __init__(self, folder: Path, *, name: str = "") -> None:
        """folder: what `manage.py fetch_models` made; raises ModelMissing when a file is absent or altered."""
        import onnxruntime
        from tokenizers import Tokenizer

        self.id: str = name or folder.name
        manifest = verified(folder, name=self.id, files=("model.onnx", "tokenizer.json"))
        if manifest.get("form") != FORM:
            raise ModelMissing(
                f"{folder} has a graph of another form: run `manage.py fetch_models`."
            )
        self.revision: str = revision(manifest)
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(int(manifest.get("tokens", MOST_TOKENS)))
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # One core a batch and a batch a core: cores that share one wait for each other at every node.
        options.intra_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.dimension: int = self._run([[0]]).shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, d), unit rows; texts of like length share a batch, so that padding costs little."""
        tokens = [found.ids for found in self._tokenizer.encode_batch(list(texts))]
        result = np.zeros((len(tokens), self.dimension), np.float32)
        order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
        size = max(1, min(_BATCH, -(-len(order) // _WORKERS)))
        batches = [order[start : start + size] for start in range(0, len(order), size)]

        def fill(places: list[int]) -> None:
            result[places] = self._run([tokens[i] for i in places])

        if len(batches) < 2:
            for places in batches:
                fill(places)
        else:
            # Threads of its own for each call: a pool kept would be dead after a fork.
            with ThreadPoolExecutor(_WORKERS) as pool:
                list(pool.map(fill, batches))
        return result

    def _run(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
        mask = np.zeros_like(ids)
        for row, some in enumerate(tokens):
            ids[row, : len(some)] = some
            mask[row, : len(some)] = 1
        rows: Vectors = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
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
