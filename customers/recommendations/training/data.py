"""Interactions of a file as sparse matrices, and the pairs that a model has to predict."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray
from scipy import sparse

from config.errors import BadInput
from customers.recommendations.evaluation.splits import read_events
from customers.recommendations.training.features import product_features
from customers.recommendations.training.order import is_ordered

Codes = NDArray[np.int64]

VALIDATION_CUSTOMER_SHARE = 0.2
NEWEST_CUSTOMER_SHARE = 1.0
"""Of all, or the newest purchases of some customers would predict those of others."""

VALIDATION_ITEM_SHARE = 0.2
MIN_INTERACTIONS_TO_HOLD_OUT = 5
"""Customers with fewer products are not used for validation, unless none has as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """
    Training matrix and relevant products of customers, by code.

    orders: number of purchases, customers by products. relevant: 1 for each product to predict,
    same shape. can_repeat: products of the training part may be recommended and are relevant where
    they are bought again (a split by time); otherwise they are excluded from the ranking.
    customers, products: the names that the codes stand for. sequence: for each entry of orders, a
    number that grows with the time of the last purchase; None: the order is not known. features:
    products by features, see `features`. stores: code of the store of each customer's purchases, -1
    where it is unknown, and store_names. split_by: how relevant was chosen: `file`, `time`, the
    `newest` products of each customer or `random` ones. earlier: the same split of the training
    part by time, for validation.
    """

    orders: sparse.csr_array
    relevant: sparse.csr_array
    can_repeat: bool
    customers: NDArray[Any]
    products: NDArray[Any]
    sequence: NDArray[np.float64] | None = None
    features: NDArray[np.float32] | None = None
    stores: Codes | None = None
    store_names: NDArray[Any] | None = None
    split_by: str = "file"
    earlier: "Interactions | None" = None

    @property
    def test_customers(self) -> Codes:
        """Codes of the customers with history and relevant products, ascending."""
        has_history = np.diff(self.orders.indptr) > 0
        has_relevant = np.diff(self.relevant.indptr) > 0
        return np.flatnonzero(has_history & has_relevant)

    @property
    def new_products(self) -> NDArray[np.bool_]:
        """Whether each product has no purchase in the training part."""
        counts = np.bincount(self.orders.indices, minlength=self.orders.shape[1])
        is_new: NDArray[np.bool_] = counts == 0
        return is_new


def read_split_by_file(events: Path, split: Path, items: Path | None = None) -> Interactions:
    """
    Return the interactions of a file and the pairs of another as the ones to predict.

    events: Parquet with customer and product, and optionally occurred_at; without it, the order of
    the rows. split: Parquet with the same columns, or text with a customer and its products on each
    line, separated by spaces. items: Parquet with product, the products that can be recommended
    besides, and their features. Pairs of the split never enter training. Raises BadInput.
    """
    has_time = _has_column(events, "occurred_at")
    frame = _purchases(read_events(events, needs_time=has_time))
    pairs = _read_pairs(split, like=frame)
    if pairs.empty:
        raise BadInput("split", "names no product of any customer")
    names = [frame["product"], pairs["product"]]
    more = None if items is None else _read_columns(items, ["product"], field="items")
    if more is not None:
        names.append(more["product"])
    _require_same_kind(names)
    products, product_codes = _factorize(names)
    customers, customer_codes = _factorize([frame["customer"], pairs["customer"]])
    shape = (len(customers), len(products))
    orders = _count(customer_codes[: len(frame)], product_codes[: len(frame)], shape)
    relevant = _count(
        customer_codes[len(frame) :], product_codes[len(frame) : len(frame) + len(pairs)], shape
    )
    relevant.data[:] = 1
    orders = _without(orders, relevant)
    rows, columns = customer_codes[: len(frame)], product_codes[: len(frame)]
    stores, store_names = _stores(frame, rows, len(customers))
    interactions = Interactions(
        orders=orders,
        relevant=relevant,
        can_repeat=False,
        customers=customers,
        products=products,
        sequence=_sequence(orders, rows, columns, _times(frame)),
        features=None if more is None else product_features(more, products),
        stores=stores,
        store_names=store_names,
    )
    _require_test_customers(interactions, "split")
    return interactions


def read_split_by_time(events: Path, *, test_days: int, items: Path | None = None) -> Interactions:
    """
    Return the purchases of a file before its last days; those of the last days are to be predicted.

    events: Parquet with customer, product and occurred_at. Only known customers and products, as
    in `evaluation.split_events`. Raises BadInput.
    """
    frame = _purchases(read_events(events))
    more = None if items is None else _read_columns(items, ["product"], field="items")
    until = frame["occurred_at"].max()
    cut = until - pd.Timedelta(days=test_days)
    if not (frame["occurred_at"] <= cut).any():
        raise BadInput("test_days", f"no purchases before the last {test_days} days")
    interactions = _split_at(frame, cut, more)
    _require_test_customers(interactions, "test_days")
    before = frame[frame["occurred_at"] <= cut]
    earlier_cut = cut - pd.Timedelta(days=test_days)
    if not (before["occurred_at"] <= earlier_cut).any():
        raise BadInput("test_days", f"no purchases before the last {2 * test_days} days")
    earlier = _split_at(before, earlier_cut, more)
    _require_test_customers(earlier, "test_days")
    return replace(interactions, earlier=earlier)


def _split_at(
    frame: pd.DataFrame, cut: pd.Timestamp, more_products: pd.DataFrame | None
) -> Interactions:
    is_before = (frame["occurred_at"] <= cut).to_numpy()
    names = [frame["product"][is_before]]
    if more_products is not None:
        names.append(more_products["product"])
    _require_same_kind(names)
    products, _ = _factorize(names)
    customers, _ = _factorize([frame["customer"][is_before]])
    customer_codes = pd.Index(customers).get_indexer(frame["customer"])
    product_codes = pd.Index(products).get_indexer(frame["product"])
    is_after = ~is_before & (customer_codes >= 0) & (product_codes >= 0)
    shape = (len(customers), len(products))
    # A product counts once for each time of purchase.
    visits = frame.assign(customer=customer_codes, product=product_codes)[is_before]
    visits = visits.drop_duplicates(["customer", "product", "occurred_at"])
    relevant = _count(customer_codes[is_after], product_codes[is_after], shape)
    relevant.data[:] = 1
    rows, columns = visits["customer"].to_numpy(), visits["product"].to_numpy()
    orders = _count(rows, columns, shape)
    stores, store_names = _stores(visits, rows, len(customers))
    return Interactions(
        orders=orders,
        relevant=relevant,
        can_repeat=True,
        customers=customers,
        products=products,
        split_by="time",
        sequence=_sequence(orders, rows, columns, _times(visits)),
        features=None if more_products is None else product_features(more_products, products),
        stores=stores,
        store_names=store_names,
    )


def with_known_order(data: Interactions, *, seed: int) -> Interactions:
    """Return the interactions without their sequence where it is not an order in time."""
    if data.split_by == "time" or data.sequence is None:
        return data
    is_known = is_ordered(data.orders, data.sequence, seed=seed)
    return data if is_known else replace(data, sequence=None)


def validation_split(data: Interactions, *, seed: int) -> Interactions:
    """
    Return a split of the training part alone: the earlier one of a split by time, else a share.

    The share is the newest products of each customer where the order is known, else random ones.
    Raises BadInput: no customer has two products.
    """
    if data.earlier is not None:
        return data.earlier
    is_newest = data.sequence is not None
    return hold_out(
        data,
        customer_share=NEWEST_CUSTOMER_SHARE if is_newest else VALIDATION_CUSTOMER_SHARE,
        item_share=VALIDATION_ITEM_SHARE,
        seed=seed,
        newest=is_newest,
    )


def hold_out(
    interactions: Interactions,
    *,
    customer_share: float,
    item_share: float,
    seed: int,
    newest: bool = False,
) -> Interactions:
    """
    Return a split of the training part for validation; the relevant products are not looked at.

    Of a share of the customers, a share of the products is moved from training to relevant, at
    least one: the newest by sequence, or at random. The matrix stays nearly as dense as the whole,
    so that what fits it fits the whole. Raises BadInput: no customer has two products.
    """
    rng = np.random.default_rng(seed)
    orders = interactions.orders
    counts = np.diff(orders.indptr)
    candidates = np.flatnonzero(counts >= min(MIN_INTERACTIONS_TO_HOLD_OUT, counts.max()))
    if counts.max() < 2:
        raise BadInput("events", "no customer has two products, as validation needs")
    size = min(len(candidates), max(1, round(customer_share * len(counts))))
    chosen = rng.choice(candidates, size=size, replace=False)
    rows = np.repeat(np.arange(len(counts)), counts)
    # The products of each customer in random order or newest first: the first of them are moved.
    position = rng.random(orders.nnz)
    if newest:
        if interactions.sequence is None:
            raise ValueError("the newest products need a sequence")
        position = -interactions.sequence
    shuffled = np.lexsort((position, rows))
    rank = np.arange(orders.nnz) - orders.indptr[rows]
    moved_counts = np.zeros(len(counts), dtype=np.int64)
    moved_counts[chosen] = np.maximum(1, np.round(item_share * counts[chosen])).astype(np.int64)
    is_moved = np.zeros(orders.nnz, dtype=bool)
    is_moved[shuffled] = rank < moved_counts[rows]
    sequence = interactions.sequence
    return replace(
        interactions,
        orders=_select(orders, ~is_moved, rows),
        relevant=_select(orders, is_moved, rows, value=1.0),
        can_repeat=False,
        sequence=None if sequence is None else sequence[~is_moved],
        split_by="newest" if newest else "random",
        earlier=None,
    )


def _select(
    matrix: sparse.csr_array,
    mask: NDArray[np.bool_],
    rows: Codes,
    value: float | None = None,
) -> sparse.csr_array:
    data = matrix.data[mask] if value is None else np.full(int(mask.sum()), value, np.float32)
    selected = sparse.csr_array((data, (rows[mask], matrix.indices[mask])), shape=matrix.shape)
    selected.sort_indices()
    return selected


def _count(rows: Codes, columns: Codes, shape: tuple[int, int]) -> sparse.csr_array:
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = sparse.csr_array((ones, (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _purchases(events: pd.DataFrame) -> pd.DataFrame:
    purchases = events[(events["kind"] == "purchase") & (events["quantity"] > 0)]
    if purchases.empty:
        raise BadInput("events", "has no purchases")
    return purchases


def _times(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return a number for each row that grows with its time: days, else its place in the file."""
    if "occurred_at" not in frame:
        return np.arange(len(frame), dtype=np.float64)
    times = frame["occurred_at"]
    seconds = (times - times.min()).dt.total_seconds()
    days: NDArray[np.float64] = seconds.to_numpy(dtype=np.float64) / 86_400
    return days


def _sequence(
    orders: sparse.csr_array, rows: Codes, columns: Codes, times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the last time of each entry of orders."""
    width = orders.shape[1]
    pairs = rows * width + columns
    order = np.lexsort((times, pairs))
    pairs, times = pairs[order], times[order]
    is_last = np.append(pairs[1:] != pairs[:-1], True)
    own_rows = np.repeat(np.arange(orders.shape[0]), np.diff(orders.indptr))
    own = own_rows * width + orders.indices
    latest: NDArray[np.float64] = times[is_last][np.searchsorted(pairs[is_last], own)]
    return latest


def _stores(
    frame: pd.DataFrame, rows: Codes, customer_count: int
) -> tuple[Codes | None, NDArray[Any] | None]:
    """Return the store of most purchases of each customer, -1 for none, and the stores' names."""
    if "store" not in frame:
        return None, None
    codes, names = pd.factorize(frame["store"].astype("string"), sort=True)
    is_known = codes >= 0
    if not is_known.any():
        return None, None
    pairs = rows[is_known] * len(names) + codes[is_known]
    unique, counts = np.unique(pairs, return_counts=True)
    order = np.lexsort((unique, -counts, unique // len(names)))
    customers, first = np.unique(unique[order] // len(names), return_index=True)
    stores = np.full(customer_count, -1, dtype=np.int64)
    stores[customers] = unique[order][first] % len(names)
    return stores, np.asarray(names)


def _has_column(path: Path, name: str) -> bool:
    try:
        return name in pyarrow.parquet.read_schema(path).names
    except (OSError, pyarrow.ArrowException):
        # read_events reports what is wrong with the file.
        return False


def _without(orders: sparse.csr_array, relevant: sparse.csr_array) -> sparse.csr_array:
    """Return the orders without the pairs that are to be predicted."""
    rows = np.repeat(np.arange(orders.shape[0]), np.diff(orders.indptr))
    test_rows = np.repeat(np.arange(orders.shape[0]), np.diff(relevant.indptr))
    width = orders.shape[1]
    is_test = np.isin(rows * width + orders.indices, test_rows * width + relevant.indices)
    return _select(orders, ~is_test, rows)


def _factorize(columns: list[pd.Series]) -> tuple[NDArray[Any], Codes]:
    codes, names = pd.factorize(pd.concat(columns, ignore_index=True), sort=True)
    return np.asarray(names), codes


def _read_pairs(path: Path, *, like: pd.DataFrame) -> pd.DataFrame:
    if path.suffix == ".parquet":
        pairs = _read_columns(path, ["customer", "product"], field="split")
    else:
        pairs = _read_text_pairs(path, is_number=pd.api.types.is_integer_dtype(like["product"]))
    for name in ("customer", "product"):
        if pd.api.types.is_numeric_dtype(pairs[name]) != pd.api.types.is_numeric_dtype(like[name]):
            raise BadInput("split", f"{name} is not of the same type as in the events")
    return pairs


def _read_text_pairs(path: Path, *, is_number: bool) -> pd.DataFrame:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("split", f"cannot be read ({error})") from error
    customers: list[str] = []
    products: list[str] = []
    for line in lines:
        customer, *own = line.split() or [""]
        customers += [customer] * len(own)
        products += own
    frame = pd.DataFrame({"customer": customers, "product": products}, dtype=object)
    if not is_number:
        return frame
    try:
        return frame.astype("int64")
    except (OverflowError, ValueError) as error:
        raise BadInput("split", "must have whole numbers, as the events do") from error


def _read_columns(path: Path, columns: list[str], *, field: str) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        first_line = str(error).splitlines()[0]
        raise BadInput(field, f"cannot be read as Parquet ({first_line})") from error
    missing = [name for name in columns if name not in frame]
    if missing:
        raise BadInput(field, f"lacks the column {', '.join(missing)}")
    if frame[columns].isna().any(axis=None):
        raise BadInput(field, f"{' or '.join(columns)} is empty in a row")
    return frame if field == "items" else frame[columns]


def _require_same_kind(columns: list[pd.Series]) -> None:
    if len({pd.api.types.is_numeric_dtype(column) for column in columns}) > 1:
        raise BadInput("product", "is a number in one file and text in another")


def _require_test_customers(interactions: Interactions, field: str) -> None:
    if not len(interactions.test_customers):
        raise BadInput(field, "no customer with history has a product to predict")
