"""Training of the offline recommender: baselines, candidate models, choice and artifact."""

import hashlib
import json
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from config.errors import BadInput
from customers.recommendations.training.blend import CANDIDATES_PER_MODEL, Blend, choose_weights
from customers.recommendations.training.data import (
    Codes,
    Interactions,
    validation_split,
    with_known_order,
)
from customers.recommendations.training.evaluation import (
    MAX_RANK,
    NEW_PRODUCTS,
    Figure,
    Slice,
    evaluate_new_products,
    evaluate_slices,
    rank_products,
    score_ranking,
)
from customers.recommendations.training.models import (
    GF_CF,
    MAX_EASE_PRODUCTS,
    BuyAgain,
    Ease,
    ItemNeighbors,
    Model,
    Popularity,
    RandomOrder,
    SequenceNeighbors,
    SpectralParameters,
)
from customers.recommendations.training.search import (
    SearchResult,
    default_parameters,
    fit_spectral_filter,
    rank_for,
    sample_customers,
    search_parameters,
)
from customers.recommendations.training.two_tower import TrainingDiverged, TwoTower

DEFAULT_RANK = 512
QUICK_RANK = 256
MODEL_FILE = "model.npz"
RECORD_FILE = "model.json"

MIN_SEARCH_SECONDS = 30
"""Budget below which nothing is validated: the default parameters are fitted at QUICK_RANK."""

SEARCH_SHARE = 0.35
TWO_TOWER_SHARE = 0.15
"""Of the budget; the training of the final model takes as many epochs again."""

MIN_TWO_TOWER_SECONDS = 5
_EASE_OPERATIONS_PER_SECOND = 3e10

Fit = Callable[[Interactions], Model]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """
    Metrics of a model on the test customers, and the seconds of its fit and of its scoring.

    slices: metrics of parts of the customers, and of products without purchases, by name.
    """

    model: Model
    figures: Mapping[str, Figure]
    fit_seconds: float
    score_seconds: float
    slices: Mapping[str, Slice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """
    All models by name, the name of the chosen one, and how it was found.

    weights: share of each model in the blend, one model alone where no blend is better. skipped:
    why a model was not tried or not evaluated, by name. validation: Interactions.split_by of the
    validation split, `none` where the budget allows none. total_seconds: of the whole training;
    cpu_seconds: of all threads.
    """

    models: Mapping[str, Evaluated]
    chosen: str
    search: SearchResult
    weights: Mapping[str, float]
    search_seconds: float
    blend_seconds: float
    peak_memory_mb: int
    seed: int
    skipped: Mapping[str, str] = field(default_factory=dict)
    validation: str = "none"
    total_seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Run:
    """
    Seed, budget and progress of a training.

    seconds: the run. reserved: seconds that the end of the training still needs.
    """

    seconds: float
    seed: int
    report: Callable[[str], None]
    started: float
    reserved: float = 0.0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def allows(self, seconds: float) -> bool:
        return self.elapsed + self.reserved + seconds <= self.seconds


def train(
    data: Interactions,
    *,
    budget_seconds: float,
    seed: int,
    rank: int | None = None,
    report: Callable[[str], None] = lambda _step: None,
) -> TrainingResult:
    """
    Fit and evaluate baselines and models; the test part is used for the printed figures alone.

    Parameters, the model and weights of a blend are chosen by recall@20 + NDCG@20 on a validation
    split of the training part. budget_seconds: limit of search, fits and evaluations; what would
    exceed it is skipped with its reason. The spectral filter, or what was chosen, and the
    evaluation of random and popularity are always finished. rank: of the spectral filter, by
    default `rank_for` DEFAULT_RANK, or QUICK_RANK below MIN_SEARCH_SECONDS. report: called with the
    name of each step. Raises BadInput: the interactions are too few.
    """
    if min(data.orders.shape) < 3:
        raise BadInput("events", "has fewer than 3 customers or products")
    run = _Run(seconds=budget_seconds, seed=seed, report=report, started=time.monotonic())
    cpu_started = time.process_time()
    is_quick = budget_seconds < MIN_SEARCH_SECONDS
    rank = rank or rank_for(data, QUICK_RANK if is_quick else DEFAULT_RANK)
    report("order")
    data = with_known_order(data, seed=seed)
    validation = None if is_quick else validation_split(data, seed=seed)
    if validation is None:
        choice = _default_choice(data, rank=rank, seed=seed)
    else:
        choice = _choose(data, validation, run, rank=rank)
    models = _evaluate_all(data, choice, run)
    return TrainingResult(
        models=models,
        chosen="blend" if len(choice.weights) > 1 else next(iter(choice.weights)),
        search=choice.search,
        weights=choice.weights,
        search_seconds=choice.search_seconds,
        blend_seconds=choice.blend_seconds,
        peak_memory_mb=peak_memory_mb(),
        seed=seed,
        skipped=choice.skipped,
        validation="none" if validation is None else validation.split_by,
        total_seconds=run.elapsed,
        cpu_seconds=time.process_time() - cpu_started,
    )


@dataclass(slots=True, kw_only=True)
class _Choice:
    """Result of validation. seconds: of a fit and of scoring a customer, by candidate."""

    search: SearchResult
    candidates: dict[str, Fit]
    weights: dict[str, float]
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    search_seconds: float = 0.0
    blend_seconds: float = 0.0


def _default_choice(data: Interactions, *, rank: int, seed: int) -> _Choice:
    parameters = default_parameters(data, rank=rank)
    reason = f"a budget below {MIN_SEARCH_SECONDS} s allows no validation"
    return _Choice(
        search=SearchResult(parameters=parameters, trials=()),
        candidates={"spectral": _spectral(parameters, seed)},
        weights={"spectral": 1.0},
        skipped=dict.fromkeys(("item_knn", "sequence_knn", "ease", "two_tower"), reason),
    )


def _choose(data: Interactions, validation: Interactions, run: _Run, *, rank: int) -> _Choice:
    """Search parameters, fit the candidates to the validation split and choose their weights."""
    seed, report = run.seed, run.report
    report("search")
    search = search_parameters(
        validation, rank=rank, budget_seconds=SEARCH_SHARE * run.seconds, seed=seed
    )
    search_seconds = run.elapsed
    choice = _Choice(
        search=search,
        candidates={},
        weights={},
        search_seconds=search_seconds,
    )
    customers = sample_customers(validation, seed=seed)
    scale = len(data.test_customers)
    validated: dict[str, Model] = {}
    rankings: dict[str, Codes] = {}

    def validate(name: str, fit: Fit) -> Model:
        report(f"{name} on the validation split")
        started = time.monotonic()
        model = validated[name] = fit(validation)
        fitted = time.monotonic()
        # Threads score blocks here as they will in the evaluation.
        rankings[name] = rank_products(model, validation, customers, k=CANDIDATES_PER_MODEL)
        own = (fitted - started, (time.monotonic() - fitted) / len(customers))
        choice.candidates[name], choice.seconds[name] = fit, own
        # The final model is fitted and scored, as part of a blend a second time.
        run.reserved += own[0] + own[1] * scale
        return model

    validate("spectral", _spectral(search.parameters, seed))
    fits, choice.skipped = _other_candidates(data, search.parameters)
    for name, fit in fits.items():
        fit_seconds, seconds_per_customer = choice.seconds["spectral"]
        if name == "ease":
            fit_seconds = 2 * data.orders.shape[1] ** 3 / _EASE_OPERATIONS_PER_SECOND
        # The cost of the spectral filter is about that of the others. Each is fitted twice.
        if run.allows(2 * fit_seconds + seconds_per_customer * (scale + len(customers))):
            validate(name, fit)
        else:
            choice.skipped[name] = "the budget is used up"
    seconds = min(
        TWO_TOWER_SHARE * run.seconds,
        (run.seconds - run.elapsed - run.reserved) / 3,
    )
    if seconds < MIN_TWO_TOWER_SECONDS:
        choice.skipped["two_tower"] = (
            f"{max(seconds, 0):.1f} s of the budget are left for training, which needs"
            f" {MIN_TWO_TOWER_SECONDS}"
        )
    elif find_spec("torch") is None:
        choice.skipped["two_tower"] = "PyTorch is not installed; bin/train installs it"
    else:
        try:
            tower = validate(
                "two_tower",
                lambda part: TwoTower.fit(part, seed=seed, seconds=seconds, validate=True),
            )
        except TrainingDiverged as error:
            choice.skipped["two_tower"] = str(error)
        else:
            epochs = tower.epochs if isinstance(tower, TwoTower) else 0
            choice.candidates["two_tower"] = lambda part: TwoTower.fit(
                part, seed=seed, seconds=2 * seconds, max_epochs=max(epochs, 1)
            )
    report("blend")
    started = time.monotonic()
    choice.weights = choose_weights(validated, validation, customers, rankings)
    choice.blend_seconds = time.monotonic() - started
    return choice


def _spectral(parameters: SpectralParameters, seed: int) -> Fit:
    return lambda part: fit_spectral_filter(part, parameters, seed=seed)


def _other_candidates(
    data: Interactions, parameters: SpectralParameters
) -> tuple[dict[str, Fit], dict[str, str]]:
    """Return fits besides the spectral filter, cheap ones first, and reasons against others."""
    recency = parameters.recency
    fits: dict[str, Fit] = {}
    skipped: dict[str, str] = {}
    if data.can_repeat:
        fits["buy_again"] = lambda part: BuyAgain.fit(part.orders)
    if data.sequence is not None:
        fits["sequence_knn"] = lambda part: SequenceNeighbors.fit(part.orders, _known(part))
    else:
        skipped["sequence_knn"] = "the order of purchases is not known"
    products = data.orders.shape[1]
    if products <= MAX_EASE_PRODUCTS:
        fits["ease"] = lambda part: Ease.fit(part.orders, sequence=part.sequence, recency=recency)
    else:
        skipped["ease"] = f"{products:,} products are more than {MAX_EASE_PRODUCTS:,}"
    fits["item_knn"] = lambda part: ItemNeighbors.fit(
        part.orders, sequence=part.sequence, recency=recency
    )
    return fits, skipped


def _known(part: Interactions) -> np.ndarray:
    if part.sequence is None:
        raise ValueError("the order of purchases is not known")
    return part.sequence


def _evaluate_all(data: Interactions, choice: _Choice, run: _Run) -> dict[str, Evaluated]:
    """Fit and evaluate the chosen model first, then baselines, then others while time remains."""
    seed, report = run.seed, run.report
    models: dict[str, Evaluated] = {}

    def add(name: str, fit: Fit) -> None:
        report(name)
        models[name] = _evaluate(fit, data, seed=seed)

    weights = choice.weights
    if len(weights) > 1:
        report("blend")
        started = time.monotonic()
        parts = {name: choice.candidates[name](data) for name in weights}
        fit_seconds = time.monotonic() - started
        blended = _evaluate(lambda _part: Blend(parts, weights), data, seed=seed)
        models["blend"] = replace(blended, fit_seconds=fit_seconds)
    else:
        parts = {}
        name = next(iter(weights))
        add(name, choice.candidates[name])
    add("random", lambda part: RandomOrder(part.orders.shape[1], seed))
    add("popularity", lambda part: Popularity.fit(part.orders))
    run.reserved = 0.0
    scale = len(data.test_customers)
    others = {
        name: (lambda _part, own=parts[name]: own) if name in parts else fit
        for name, fit in choice.candidates.items()
        if name not in models
    }
    costs = {name: choice.seconds[name] for name in others}
    others["gf_cf"] = _spectral(GF_CF, seed)
    costs["gf_cf"] = choice.seconds.get("spectral", (np.inf, np.inf))
    if "spectral" in models and "spectral" not in choice.seconds:
        own = models["spectral"]
        costs["gf_cf"] = (own.fit_seconds, own.score_seconds / scale)
    for name, fit in others.items():
        fit_seconds, seconds_per_customer = costs[name]
        if run.allows((0 if name in parts else fit_seconds) + seconds_per_customer * scale):
            add(name, fit)
        else:
            choice.skipped.setdefault(name, "the budget leaves no time for its evaluation")
    order = ("random", "popularity", "gf_cf", *choice.candidates, "blend")
    return {name: models[name] for name in order if name in models}


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
        "validation": result.validation,
        "skipped": result.skipped,
        "search_seconds": round(result.search_seconds, 3),
        "fit_seconds": round(chosen.fit_seconds, 3),
        "total_seconds": round(result.total_seconds, 3),
        "cpu_seconds": round(result.cpu_seconds, 3),
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


def _evaluate(fit: Fit, data: Interactions, *, seed: int) -> Evaluated:
    started = time.monotonic()
    model = fit(data)
    fitted = time.monotonic()
    customers = data.test_customers
    ranking = rank_products(model, data, customers, k=MAX_RANK)
    scored = time.monotonic()
    slices = evaluate_slices(ranking, data, customers, seed=seed)
    new_products = evaluate_new_products(model, data, seed=seed)
    if new_products is not None:
        slices[NEW_PRODUCTS] = new_products
    return Evaluated(
        model=model,
        figures=score_ranking(ranking, data, customers, seed=seed),
        fit_seconds=fitted - started,
        score_seconds=scored - fitted,
        slices=slices,
    )
