"""Search for the parameters of a spectral filter on held-out interactions, and the final fit."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from customers.recommendations.evaluation.hits import score_hits
from customers.recommendations.training.data import Codes, Interactions
from customers.recommendations.training.evaluation import (
    find_excluded,
    find_hits,
    largest,
)
from customers.recommendations.training.linear_algebra import Matrix
from customers.recommendations.training.models import (
    SpectralFilter,
    SpectralParameters,
    Spectrum,
)

MAX_VALIDATION_CUSTOMERS = 3_000
CANDIDATES = 200
K = 20

NORMALIZATIONS = ((0.35, 0.4), (0.4, 0.45), (0.3, 0.4), (0.5, 0.5), (0.2, 0.5))
"""Exponents of customers' and products' degrees to try, in this order, while time remains."""

RECENCY = 0.6
"""Exponent of recency where the order of purchases is known, before a search."""

MAX_RECENCY = 2.0
MIN_RANK = 16
ITERATIONS = 3
"""Power iterations of a trial; the final fit makes more."""


_RECENCY_STEP = 0.3
_STEPS = {
    "low_pass": 0.06,
    "power": 0.15,
    "rest": 0.2,
    "product_exponent": 0.08,
    "history_exponent": 0.06,
}
_ROUNDS = 3
_BAND_EDGES = (0, 1, 8, 32, 64, 128, 192, 256, 384, 512, 768)
_CUSTOMERS_PER_BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """
    Best parameters for a normalization and recency, and their objective.

    objective: recall@20 + NDCG@20 on held-out products. seconds: without the decomposition.
    """

    parameters: SpectralParameters
    objective: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The best parameters of a search, and all trials in their order."""

    parameters: SpectralParameters
    trials: Sequence[Trial]


def sample_customers(validation: Interactions, *, seed: int) -> Codes:
    """Return at most MAX_VALIDATION_CUSTOMERS test customers of a split, ascending."""
    customers = validation.test_customers
    if len(customers) <= MAX_VALIDATION_CUSTOMERS:
        return customers
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(customers, MAX_VALIDATION_CUSTOMERS, replace=False))


def search_parameters(
    validation: Interactions,
    *,
    rank: int,
    budget_seconds: float,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """
    Return the parameters that rank the relevant products of a validation split best.

    Normalizations are tried in their order; where the order of purchases is known, so are exponents
    of recency, as long as a step helps. budget_seconds: no further trial is begun when one as slow
    as before would exceed it; one is always made.
    """
    started = clock()
    customers = sample_customers(validation, seed=seed)
    trials: list[Trial] = []

    def is_time_left(seconds: float) -> bool:
        return not trials or clock() - started + seconds <= budget_seconds

    def attempt(spectrum: Spectrum, start: SpectralParameters) -> Trial:
        begun = clock()
        features = _Features.collect(spectrum, validation, customers, start)
        parameters, objective = _climb(features, start)
        seconds = clock() - begun
        trials.append(Trial(parameters=parameters, objective=objective, seconds=seconds))
        return trials[-1]

    start = default_parameters(validation, rank=rank)
    decomposition_seconds = 0.0
    for customer_norm, product_norm in NORMALIZATIONS:
        longest = max((trial.seconds for trial in trials), default=0.0)
        if not is_time_left(decomposition_seconds + longest):
            break
        begun = clock()
        start = replace(start, customer_norm=customer_norm, product_norm=product_norm)
        spectrum = Spectrum.fit(
            validation.orders,
            start,
            seed=seed,
            sequence=validation.sequence,
            iterations=ITERATIONS,
        )
        decomposition_seconds = clock() - begun
        best = attempt(spectrum, start)
        for step in (_RECENCY_STEP, -_RECENCY_STEP) if spectrum.ranks is not None else ():
            first = best
            while is_time_left(best.seconds):
                recency = round(best.parameters.recency + step, 3)
                if not 0 <= recency <= MAX_RECENCY:
                    break
                trial = attempt(spectrum, replace(best.parameters, recency=recency))
                if trial.objective <= best.objective:
                    break
                best = trial
            if best is not first:
                break
        # The next normalization starts with this one's recency.
        start = replace(start, recency=best.parameters.recency)
    winner = max(trials, key=lambda trial: trial.objective)
    return SearchResult(parameters=winner.parameters, trials=trials)


def rank_for(data: Interactions, rank: int) -> int:
    """Return the rank, at most a quarter of the customers or products where they are few."""
    return min(rank, max(MIN_RANK, int(min(data.orders.shape)) // 4))


def default_parameters(data: Interactions, *, rank: int) -> SpectralParameters:
    """Return the parameters of a fit without a search."""
    return SpectralParameters(rank=rank, recency=0.0 if data.sequence is None else RECENCY)


def fit_spectral_filter(
    data: Interactions, parameters: SpectralParameters, *, seed: int
) -> SpectralFilter:
    """Return the filter of the whole training part."""
    spectrum = Spectrum.fit(data.orders, parameters, seed=seed, sequence=data.sequence)
    return SpectralFilter(spectrum, parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Features:
    """
    Scores of candidates, from which any parameters follow without another product of matrices.

    bands: parts of the score by ranges of singular values, customers by candidates by bands.
    squares: mean squared singular value of each band. linear: the whole linear score.
    """

    bands: Matrix
    squares: NDArray[np.float64]
    linear: Matrix
    log_counts: Matrix
    log_history: Matrix
    is_excluded: NDArray[np.bool_]
    is_relevant: NDArray[np.bool_]
    relevant_counts: NDArray[np.int64]

    @classmethod
    def collect(
        cls,
        spectrum: Spectrum,
        data: Interactions,
        customers: Codes,
        start: SpectralParameters,
    ) -> "_Features":
        """Rank products by the parameters `start`, and compute the scores of the best."""
        rank = len(spectrum.squares)
        edges = [edge for edge in _BAND_EDGES if edge < rank]
        count = min(CANDIDATES, len(spectrum.product_counts))
        candidates = np.empty((len(customers), count), dtype=np.int64)
        bands = np.empty((*candidates.shape, len(edges)), dtype=np.float32)
        linear = np.empty(candidates.shape, dtype=np.float32)
        model = SpectralFilter(spectrum, start)
        query = spectrum.weighted_query(start.recency)

        def fill(block: slice) -> None:
            whole = model.linear(customers[block])
            scores = model.score(customers[block], linear=whole)
            if not data.can_repeat:
                history = data.orders[customers[block]]
                rows = np.repeat(np.arange(len(scores)), np.diff(history.indptr))
                scores[rows, history.indices] = -np.inf
            candidates[block] = largest(scores, count)
            linear[block] = np.take_along_axis(whole, candidates[block], axis=1)
            coordinates = query[customers[block]] @ spectrum.vectors
            for row, own in enumerate(coordinates, block.start):
                parts = spectrum.vectors[candidates[row]] * own
                bands[row] = np.add.reduceat(parts, edges, axis=1)

        starts = range(0, len(customers), _CUSTOMERS_PER_BLOCK)
        blocks = [slice(first, first + _CUSTOMERS_PER_BLOCK) for first in starts]
        with threadpool_limits(1), ThreadPoolExecutor() as executor:
            list(executor.map(fill, blocks))
        relevant = data.relevant[customers]
        log_history = np.log(spectrum.customer_counts)
        return cls(
            bands=bands,
            squares=np.array([part.mean() for part in np.split(spectrum.squares, edges[1:])]),
            linear=linear,
            log_counts=np.log(spectrum.product_counts)[candidates],
            log_history=(log_history - log_history.mean())[customers],
            is_excluded=find_excluded(candidates, data, customers),
            is_relevant=find_hits(candidates, relevant),
            relevant_counts=np.diff(relevant.indptr),
        )

    def objective(self, parameters: SpectralParameters) -> float:
        """Return recall@20 + NDCG@20 of the candidates in the order of these parameters."""
        scores = self.bands @ parameters.gains(self.squares)
        scores += np.float32(parameters.rest) * self.linear
        exponents = (
            parameters.product_exponent + parameters.history_exponent * self.log_history
        ).astype(np.float32)
        scores *= np.exp(exponents[:, None] * self.log_counts)
        scores[self.is_excluded] = -np.inf
        order = largest(scores, K)
        scored = score_hits(
            np.take_along_axis(self.is_relevant, order, axis=1), self.relevant_counts, k=K
        )
        return float(scored.recall.mean() + scored.ndcg.mean())


def _climb(features: _Features, start: SpectralParameters) -> tuple[SpectralParameters, float]:
    """Return the best parameters found by changing one at a time, with ever smaller steps."""
    best, objective = start, features.objective(start)
    for number in range(_ROUNDS):
        for name, step in _STEPS.items():
            for signed in (step * 0.5**number, -step * 0.5**number):
                while True:
                    value = getattr(best, name) + signed
                    if name in ("low_pass", "power", "rest") and value < 0:
                        break
                    tried = replace(best, **{name: round(value, 4)})
                    reached = features.objective(tried)
                    if reached <= objective:
                        break
                    best, objective = tried, reached
    return best, objective
