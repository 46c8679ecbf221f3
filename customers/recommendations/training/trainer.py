"""Training of the offline recommender: baselines, candidate models, choice and artifact."""

import hashlib
import json
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from config.errors import BadInput
from customers.recommendations.training.blend import Blend, choose_weights
from customers.recommendations.training.data import Interactions, validation_split
from customers.recommendations.training.evaluation import Figure, evaluate
from customers.recommendations.training.models import (
    GF_CF,
    MAX_EASE_PRODUCTS,
    BuyAgain,
    Ease,
    ItemNeighbors,
    Model,
    Popularity,
    RandomOrder,
)
from customers.recommendations.training.search import (
    SearchResult,
    fit_spectral_filter,
    sample_customers,
    search_parameters,
)

DEFAULT_RANK = 512
MODEL_FILE = "model.npz"
RECORD_FILE = "model.json"

Fit = Callable[[Interactions], Model]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Metrics of a model on the test customers, and the seconds of its fit and of its scoring."""

    model: Model
    figures: Mapping[str, Figure]
    fit_seconds: float
    score_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """
    All models by name, the name of the chosen one, and how it was found.

    weights: share of each model in the blend, one model alone where no blend is better.
    """

    models: Mapping[str, Evaluated]
    chosen: str
    search: SearchResult
    weights: Mapping[str, float]
    search_seconds: float
    blend_seconds: float
    peak_memory_mb: int
    seed: int


def train(
    data: Interactions,
    *,
    budget_seconds: float,
    seed: int,
    rank: int = DEFAULT_RANK,
    report: Callable[[str], None] = lambda _step: None,
) -> TrainingResult:
    """
    Fit and evaluate baselines and models; the test part is used for the printed figures alone.

    budget_seconds: limit of the search for parameters, see search_parameters. Parameters, the model
    and weights of a blend are chosen by recall@20 + NDCG@20 on a validation split of the training
    part. report: called with the name of each step. Raises BadInput: the interactions are too few.
    """
    if min(data.orders.shape) < 3:
        raise BadInput("events", "has fewer than 3 customers or products")
    report("search")
    started = time.monotonic()
    validation = validation_split(data, seed=seed)
    search = search_parameters(validation, rank=rank, budget_seconds=budget_seconds, seed=seed)
    search_seconds = time.monotonic() - started
    baselines: dict[str, Fit] = {
        "random": lambda part: RandomOrder(part.orders.shape[1], seed),
        "popularity": lambda part: Popularity.fit(part.orders),
        "gf_cf": lambda part: fit_spectral_filter(part, GF_CF, seed=seed),
    }
    candidates: dict[str, Fit] = {
        "item_knn": lambda part: ItemNeighbors.fit(part.orders),
        "spectral": lambda part: fit_spectral_filter(part, search.parameters, seed=seed),
    }
    if data.can_repeat:
        candidates["buy_again"] = lambda part: BuyAgain.fit(part.orders)
    if data.orders.shape[1] <= MAX_EASE_PRODUCTS:
        candidates["ease"] = lambda part: Ease.fit(part.orders)
    report("blend")
    started = time.monotonic()
    customers = sample_customers(validation, seed=seed)
    validated = {name: fit(validation) for name, fit in candidates.items()}
    weights = choose_weights(validated, validation, customers)
    del validated
    blend_seconds = time.monotonic() - started
    models = {}
    for name, fit in (baselines | candidates).items():
        report(name)
        models[name] = _evaluate(lambda: fit(data), data, seed=seed)  # noqa: B023 - called at once
    chosen = next(iter(weights))
    if len(weights) > 1:
        chosen = "blend"
        report(chosen)
        parts = {name: models[name].model for name in weights}
        models[chosen] = _evaluate(lambda: Blend(parts, weights), data, seed=seed)
    return TrainingResult(
        models=models,
        chosen=chosen,
        search=search,
        weights=weights,
        search_seconds=search_seconds,
        blend_seconds=blend_seconds,
        peak_memory_mb=peak_memory_mb(),
        seed=seed,
    )


def save(result: TrainingResult, folder: Path, *, data: Interactions) -> None:
    """
    Write the chosen model as npz, and its record as JSON with the file's SHA-256.

    Nothing is written unless all can be: files are renamed when complete. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = result.models[result.chosen]
    partial = folder / f".{MODEL_FILE}"
    with partial.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            products=data.products.astype(str),
            **chosen.model.arrays(),
        )
    record = {
        "model": result.chosen,
        "sha256": hashlib.sha256(partial.read_bytes()).hexdigest(),
        "seed": result.seed,
        "weights": result.weights,
        "spectral_parameters": asdict(result.search.parameters),
        "search_seconds": round(result.search_seconds, 3),
        "fit_seconds": round(chosen.fit_seconds, 3),
        "peak_memory_mb": result.peak_memory_mb,
        "numpy": np.__version__,
        "figures": {
            name: {metric: asdict(figure) for metric, figure in evaluated.figures.items()}
            for name, evaluated in result.models.items()
        },
    }
    record_file = folder / f".{RECORD_FILE}"
    record_file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / MODEL_FILE)
    record_file.replace(folder / RECORD_FILE)


def peak_memory_mb() -> int:
    """Return the largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _evaluate(fit: Callable[[], Model], data: Interactions, *, seed: int) -> Evaluated:
    started = time.monotonic()
    model = fit()
    fitted = time.monotonic()
    figures = evaluate(model, data, seed=seed)
    return Evaluated(
        model=model,
        figures=figures,
        fit_seconds=fitted - started,
        score_seconds=time.monotonic() - fitted,
    )
