"""Search for the parameters of a spectral filter on held-out interactions, and the final fit."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from customers.recommendations.evaluation.hits import score_hits
from customers.recommendations.training.data import Codes, Interactions
from customers.recommendations.training.evaluation import (
    find_excluded,
    find_hits,
    largest,
    rank_products,
)
from customers.recommendations.training.linear_algebra import Matrix
from customers.recommendations.training.models import (
    SpectralFilter,
    SpectralParameters,
    Spectrum,
)

MAX_VALIDATION_CUSTOMERS = 4_000
CANDIDATES = 300
K = 20

NORMALIZATIONS = ((0.35, 0.4), (0.4, 0.45), (0.3, 0.4), (0.5, 0.5), (0.2, 0.5))
"""Exponents of customers' and products' degrees to try, in this order, while time remains."""

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
    """Best parameters for a normalization, and their recall@20 + NDCG@20 on held-out products."""

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

    budget_seconds: no further normalization is
    tried when the slowest trial so far would exceed it; one is always tried.
    """
    started = clock()
    customers = sample_customers(validation, seed=seed)
    trials: list[Trial] = []
    for customer_norm, product_norm in NORMALIZATIONS:
        longest = max((trial.seconds for trial in trials), default=0.0)
        if trials and clock() - started + longest > budget_seconds:
            break
        begun = clock()
        start = SpectralParameters(
            customer_norm=customer_norm,
            product_norm=product_norm,
            rank=rank,
        )
        spectrum = Spectrum.compute(
            validation.orders,
            rank=rank,
            customer_norm=customer_norm,
            product_norm=product_norm,
            seed=seed,
        )
        # Candidates of another normalization would filter the ranking of this one.
        candidates = rank_products(
            SpectralFilter(spectrum, start), validation, customers, k=CANDIDATES
        )
        features = _Features.collect(spectrum, validation, customers, candidates)
        parameters, objective = _climb(features, start)
        trials.append(Trial(parameters=parameters, objective=objective, seconds=clock() - begun))
    best = max(trials, key=lambda trial: trial.objective)
    return SearchResult(parameters=best.parameters, trials=trials)


def fit_spectral_filter(
    data: Interactions, parameters: SpectralParameters, *, seed: int
) -> SpectralFilter:
    """Return the filter of the whole training part."""
    spectrum = Spectrum.compute(
        data.orders,
        rank=parameters.rank,
        customer_norm=parameters.customer_norm,
        product_norm=parameters.product_norm,
        seed=seed,
    )
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
        cls, spectrum: Spectrum, data: Interactions, customers: Codes, candidates: Codes
    ) -> "_Features":
        """Compute the scores of the candidates of each customer."""
        rank = len(spectrum.squares)
        edges = [edge for edge in _BAND_EDGES if edge < rank]
        bands = np.empty((*candidates.shape, len(edges)), dtype=np.float32)
        linear = np.empty(candidates.shape, dtype=np.float32)
        transposed = spectrum.normalized.T.tocsr()
        for start in range(0, len(customers), _CUSTOMERS_PER_BLOCK):
            block = slice(start, start + _CUSTOMERS_PER_BLOCK)
            query = spectrum.query[customers[block]]
            whole = ((query @ transposed) @ spectrum.normalized).toarray()
            linear[block] = np.take_along_axis(whole, candidates[block], axis=1)
            coordinates = query @ spectrum.vectors
            for row, own in enumerate(coordinates, start):
                parts = spectrum.vectors[candidates[row]] * own
                bands[row] = np.add.reduceat(parts, edges, axis=1)
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
