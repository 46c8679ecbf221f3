"""Sentence encoders on onnxruntime, without torch in the process."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from vectors.encoders.base import Vectors
from vectors.encoders.files import revision, verified_manifest
from vectors.errors import ModelMissing

NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
MAX_TOKENS = 256
FORM = "onnx-int8-rows-1"
"""Form of the exported graph; part of the revision, since vectors depend on it."""
# Small batches pad less and stay in the CPU's caches: 500 texts of 20 to 130 tokens take 4.9 s of
# CPU time in batches of 8, and 6.0 s in batches of 32.
_BATCH_SIZE = 8
_WORKERS = os.cpu_count() or 1


class SentenceEncoder:
    """Transformer, mean pooling and normalization as one graph, with its tokenizer."""

    def __init__(self, folder: Path, *, name: str = "") -> None:
        """
        Load the model; raises ModelMissing when a file is missing or does not match its hash.

        folder: written by `manage.py fetch_models`. name: the id, if not the folder's name.
        """
        import onnxruntime
        from tokenizers import Tokenizer

        self.id: str = name or folder.name
        manifest = verified_manifest(folder, name=self.id, files=("model.onnx", "tokenizer.json"))
        if manifest.get("form") != FORM:
            raise ModelMissing(
                f"{folder} has a graph of another form than {FORM}: run `manage.py fetch_models`."
            )
        self.revision: str = revision(manifest)
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(int(manifest.get("tokens", MAX_TOKENS)))
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # One core per batch, batches in parallel: cores that share a batch wait for each other at
        # every node.
        options.intra_op_num_threads = 1
        # Without memory reserved for the largest batch so far, which a process would retain: 500
        # texts in batches of 32 leave it at 285 MB instead of 488 MB, and a query takes as long.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.dimension: int = self._run([[0]]).shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """
        Return float32 (n, d), unit rows, in the order of the texts.

        Texts of similar length share a batch, so that little is padded.
        """
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.zeros((len(tokens), self.dimension), np.float32)
        by_length = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
        batch_size = max(1, min(_BATCH_SIZE, -(-len(by_length) // _WORKERS)))
        batches = [
            by_length[start : start + batch_size] for start in range(0, len(by_length), batch_size)
        ]

        def encode_batch(batch: list[int]) -> None:
            vectors[batch] = self._run([tokens[i] for i in batch])

        if len(batches) < 2:
            for batch in batches:
                encode_batch(batch)
        else:
            # New threads for each call: those of a shared pool would not exist after a fork.
            with ThreadPoolExecutor(_WORKERS) as pool:
                list(pool.map(encode_batch, batches))
        return vectors

    def _run(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """Return the vectors (n, d) of token ids, padded to the longest text."""
        ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
        mask = np.zeros_like(ids)
        for row, row_tokens in enumerate(tokens):
            ids[row, : len(row_tokens)] = row_tokens
            mask[row, : len(row_tokens)] = 1
        rows: Vectors = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return rows


class MiniLmEncoder(SentenceEncoder):
    """all-MiniLM-L6-v2, whatever the name of its folder."""

    def __init__(self, folder: Path) -> None:
        """Load the model; raises ModelMissing."""
        super().__init__(folder, name=NAME)


@cache
def minilm_encoder() -> SentenceEncoder:
    """Return all-MiniLM-L6-v2, loaded once per process; raises ModelMissing."""
    return MiniLmEncoder(settings.MODELS_DIR / NAME)
