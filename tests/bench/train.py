"""Seconds, memory and quality of the offline recommender's fit, relative to ALS of `implicit`.

Each round fits both to the same matrix, in processes of their own, and ranks all products for the
same customers. `--data FILE.parquet`: customer and product, of which a fifth of each customer's
rows, the last, is predicted. Without data: `--size` generated customers of groups with products of
their own. ALS has 64 factors, 15 iterations, regularization 0.05 and weight 20 of a purchase; our
fit is the spectral filter with default parameters. Quality is recall@20.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.bench.comparison import Comparison

SIZE = 20_000
_GROUPS = 40
_PURCHASES = 30
_TEST_SHARE = 0.2
_FACTORS, _ITERATIONS, _REGULARIZATION, _ALPHA = 64, 15, 0.05, 20.0
_RANK = 256
_CUSTOMERS = 2_000
_SEED = 20261129
_THREADS = str(os.cpu_count() or 1)
_NAMES = ("spectral", "als")


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], data: Path | None = None
) -> list[Comparison]:
    """Return ratios and plain figures by round. Raises ValueError: the data are not usable."""
    with tempfile.TemporaryDirectory() as directory:
        events, split = _files(data, size, Path(directory))
        figures: dict[str, list[dict[str, float]]] = {name: [] for name in _NAMES}
        for number in range(rounds):
            # The order alternates, as both share caches of files and the processor's heat.
            for name in _NAMES if number % 2 else reversed(_NAMES):
                figures[name].append(_run(name, events, split, seed=number))
            advance()
    return [
        _ratio("CPU seconds of the fit, ALS / ours", figures, "cpu_seconds"),
        _ratio("seconds of the fit, ALS / ours", figures, "seconds"),
        _ratio("peak memory, ALS / ours", figures, "memory_mb"),
        Comparison(
            name="recall@20, ours / ALS",
            ratios=[
                ours["recall"] / max(als["recall"], 1e-9)
                for ours, als in zip(figures["spectral"], figures["als"], strict=True)
            ],
        ),
        *(
            Comparison(
                name=f"{title}, {name}", unit=unit, ratios=[own[key] for own in figures[name]]
            )
            for name in _NAMES
            for title, key, unit in (
                ("CPU seconds of the fit", "cpu_seconds", "s"),
                ("peak memory", "memory_mb", "MB"),
                ("recall@20", "recall", ""),
                ("recall@20 per CPU second", "recall_per_second", "1/s"),
            )
        ),
    ]


def fit_once(name: str, events: Path, split: Path, seed: int) -> dict[str, float]:
    """Fit one model and return seconds, peak memory above that of the data, and recall@20."""
    import time

    from customers.recommendations.training.data import read_split_by_file
    from customers.recommendations.training.evaluation import evaluate
    from customers.recommendations.training.models import SpectralParameters
    from customers.recommendations.training.search import fit_spectral_filter, rank_for
    from mlops.registry.memory import peak_memory_bytes, reset_peak_memory

    data = read_split_by_file(events, split)
    rng = np.random.default_rng(_SEED)
    customers = data.test_customers
    if len(customers) > _CUSTOMERS:
        customers = np.sort(rng.choice(customers, _CUSTOMERS, replace=False))
    if name == "als":
        # Imported before the measurement, as numpy and scipy are for the other.
        import implicit.als  # noqa: F401
    # Reading the files takes more than a small model: without this, the fit would show nothing.
    _return_unused_memory()
    reset_peak_memory()
    before = peak_memory_bytes()
    started, cpu_started = time.perf_counter(), time.process_time()
    if name == "als":
        model: Any = _Als(data.orders, seed)
    else:
        parameters = SpectralParameters(rank=rank_for(data, _RANK))
        model = fit_spectral_filter(data, parameters, seed=seed)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    memory = peak_memory_bytes() - before
    recall = evaluate(model, data, seed=0, customers=customers)["recall@20"].value
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "memory_mb": memory / 2**20,
        "recall": recall,
        "recall_per_second": recall / cpu_seconds,
    }


def _return_unused_memory() -> None:
    """Return what the reader freed to the system, or the fit would use it unseen."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


class _Als:
    """ALS of `implicit` as a model of the evaluation."""

    def __init__(self, orders: Any, seed: int) -> None:
        from implicit.als import AlternatingLeastSquares
        from scipy import sparse

        self._model = AlternatingLeastSquares(
            factors=_FACTORS,
            iterations=_ITERATIONS,
            regularization=_REGULARIZATION,
            random_state=seed,
        )
        self._model.fit(sparse.csr_matrix(orders) * _ALPHA, show_progress=False)

    def score(self, customers: np.ndarray) -> np.ndarray:
        """Return the products of factors."""
        factors = self._model.user_factors[customers] @ self._model.item_factors.T
        return np.asarray(factors, dtype=np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return nothing: the model is not stored."""
        return {}


def _run(name: str, events: Path, split: Path, *, seed: int) -> dict[str, float]:
    """Fit in a separate process, whose peak memory is that of one model."""
    code = (
        "import django, json, sys; django.setup();"
        "from pathlib import Path; from tests.bench.train import fit_once;"
        "print(json.dumps(fit_once("
        "sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1" if name == "als" else _THREADS}
    finished = subprocess.run(
        [sys.executable, "-c", code, name, str(events), str(split), str(seed)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if finished.returncode:
        lines = finished.stderr.strip().splitlines()
        raise ValueError(lines[-1] if lines else f"{name} ended with {finished.returncode}")
    figures: dict[str, float] = json.loads(finished.stdout.splitlines()[-1])
    return figures


def _files(data: Path | None, size: int, directory: Path) -> tuple[Path, Path]:
    frame = _generated(size) if data is None else _given(data)
    is_test = _is_last(frame)
    events, split = directory / "events.parquet", directory / "split.parquet"
    frame[~is_test].to_parquet(events)
    frame[is_test].to_parquet(split)
    return events, split


def _given(path: Path) -> pd.DataFrame:
    frame = pd.read_parquet(path)
    missing = {"customer", "product"} - set(frame)
    if missing:
        raise ValueError(f"lacks the column {', '.join(sorted(missing))}")
    if "occurred_at" in frame:
        frame = frame.sort_values("occurred_at", kind="stable")
    return frame[["customer", "product"]].drop_duplicates(ignore_index=True)


def _is_last(frame: pd.DataFrame) -> pd.Series:
    customers = frame.groupby("customer")["product"]
    following = customers.cumcount(ascending=False)
    return following < (customers.transform("size") * _TEST_SHARE).round().clip(lower=1)


def _generated(size: int) -> pd.DataFrame:
    """Return customers of groups, whose products have a long tail of popularity."""
    rng = np.random.default_rng(_SEED)
    product_count = max(size // 2, 10 * _GROUPS)
    own_count = product_count // _GROUPS
    customers = np.repeat(np.arange(size), _PURCHASES)
    groups = (rng.random(len(customers)) < 0.2) * rng.integers(0, _GROUPS, len(customers))
    groups = (customers + groups) % _GROUPS
    ranks = np.minimum((own_count * rng.random(len(customers)) ** 2.5).astype(int), own_count - 1)
    frame = pd.DataFrame({"customer": customers, "product": groups * own_count + ranks})
    return frame.drop_duplicates(ignore_index=True)


def _ratio(name: str, figures: dict[str, list[dict[str, float]]], key: str) -> Comparison:
    ratios = [
        als[key] / max(ours[key], 1e-9)
        for ours, als in zip(figures["spectral"], figures["als"], strict=True)
    ]
    return Comparison(name=name, ratios=ratios)
