"""Time-based split of a file of events for offline evaluation."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray

from config.errors import BadInput
from customers.reference.segments import segment_of

_REQUIRED_COLUMNS = ("customer", "product", "occurred_at")
_TRAIT_COLUMNS = ("brand", "category", "strain_type")
_OPTIONAL_COLUMNS = ("merged_into", "quantity", "kind", "store", *_TRAIT_COLUMNS)


class EvaluationSplit:
    """
    Events before a cut, and the purchases after it that are to be predicted.

    Customers, products and stores are codes, indexes into the arrays of their names; a store of -1
    is not known. events: one row each, by customer, newest first.
    traits: brand and segment by product. relevant: products bought after the cut, by customer.
    """

    def __init__(self, events: pd.DataFrame, *, cut: pd.Timestamp, until: pd.Timestamp) -> None:
        before = events[events["occurred_at"] <= cut]
        self.products, product = np.unique(before["product"].to_numpy(), return_inverse=True)
        self.customers, customer = np.unique(before["customer"].to_numpy(), return_inverse=True)
        stores = before["store"].to_numpy() if "store" in before else np.full(len(before), None)
        store_codes, self.stores = pd.factorize(stores)
        is_purchase = (before["kind"] == "purchase").to_numpy()
        frame = pd.DataFrame(
            {
                "customer": customer,
                "product": product,
                "store": store_codes,
                "days": (cut - before["occurred_at"]).dt.total_seconds().to_numpy() / 86400,
                "quantity": before["quantity"].to_numpy(dtype=float),
                "is_purchase": is_purchase,
                "kind": before["kind"].to_numpy(),
                "is_sale": is_purchase & (before["quantity"] > 0).to_numpy(),
                "order": before.groupby(["customer", "occurred_at"]).ngroup().to_numpy(),
            }
        )
        self.events = frame.sort_values(["customer", "days"], kind="stable", ignore_index=True)
        self.traits = _traits(before, product)
        is_after = (events["occurred_at"] > cut) & (events["occurred_at"] <= until)
        self.relevant = self._relevant(events[is_after])

    @property
    def product_count(self) -> int:
        """Number of products that can be recommended."""
        return len(self.products)

    @cached_property
    def purchases(self) -> pd.DataFrame:
        """Purchases without returns, each product of an order once."""
        sales = self.events[self.events["is_sale"]]
        return sales.drop_duplicates(["customer", "product", "order"])

    @cached_property
    def events_by_customer(self) -> dict[int, pd.DataFrame]:
        """Events before the cut of each customer with relevant products."""
        events = self.events[self.events["customer"].isin(list(self.relevant))]
        return {int(customer): own for customer, own in events.groupby("customer")}

    def _relevant(self, after: pd.DataFrame) -> dict[int, frozenset[int]]:
        """Return the known products that each known customer bought after the cut."""
        after = after[(after["kind"] == "purchase") & (after["quantity"] > 0)]
        after = after[after["product"].isin(self.products) & after["customer"].isin(self.customers)]
        customers = np.searchsorted(self.customers, after["customer"].to_numpy())
        products = np.searchsorted(self.products, after["product"].to_numpy())
        grouped = pd.Series(products).groupby(customers).agg(lambda own: frozenset(map(int, own)))
        return {int(customer): own for customer, own in grouped.items()}


def read_events(path: Path, *, needs_time: bool = True) -> pd.DataFrame:
    """
    Return the events of a Parquet file, oldest first.

    Required columns: customer, product, and occurred_at where needs_time. Optional: merged_into,
    quantity, kind, store, brand, category, strain_type. A merged product is replaced by the one in
    merged_into. Raises BadInput: the file is missing or not Parquet, or a column is missing or
    invalid.
    """
    required = _REQUIRED_COLUMNS if needs_time else ("customer", "product")
    try:
        events = pd.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        first_line = str(error).splitlines()[0]
        raise BadInput("events", f"cannot be read as Parquet ({first_line})") from error
    missing = [name for name in required if name not in events]
    if missing:
        raise BadInput("events", f"lacks the column {', '.join(missing)}")
    known = [name for name in (*required, *_OPTIONAL_COLUMNS) if name in events]
    events = events[known].copy()
    for name in required:
        if events[name].isna().any():
            raise BadInput(name, "is empty in a row")
    if needs_time:
        if not pd.api.types.is_datetime64_any_dtype(events["occurred_at"]):
            raise BadInput("occurred_at", "must be a time")
        events["occurred_at"] = pd.to_datetime(events["occurred_at"], utc=True)
    if "quantity" not in events:
        events["quantity"] = 1
    if not pd.api.types.is_numeric_dtype(events["quantity"]) or events["quantity"].isna().any():
        raise BadInput("quantity", "must be a number in every row")
    if "kind" not in events:
        events["kind"] = "purchase"
    if "merged_into" in events:
        events = _with_effective_products(events)
    if not needs_time:
        return events.reset_index(drop=True)
    return events.sort_values("occurred_at", kind="stable", ignore_index=True)


def split_events(
    events: pd.DataFrame, *, test_days: int, days_before_end: int = 0
) -> EvaluationSplit:
    """
    Return a split whose test window has `test_days` and ends `days_before_end` the last event.

    Raises BadInput: no events before the test window, or no known customer buys a known product in
    it.
    """
    if events.empty:
        raise BadInput("events", "is empty")
    until = events["occurred_at"].max() - pd.Timedelta(days=days_before_end)
    cut = until - pd.Timedelta(days=test_days)
    if not (events["occurred_at"] <= cut).any():
        raise BadInput("test_days", f"no events before the last {test_days} days")
    split = EvaluationSplit(events, cut=cut, until=until)
    if not split.relevant:
        raise BadInput("test_days", "no known customer buys a known product in the test window")
    return split


def _with_effective_products(events: pd.DataFrame) -> pd.DataFrame:
    """Replace merged products, and their traits where the file has those of the other product."""
    is_merged = events["merged_into"].notna()
    product = events["merged_into"].where(is_merged, events["product"])
    events = events.drop(columns="merged_into").assign(product=product)
    traits = [name for name in _TRAIT_COLUMNS if name in events]
    own = events[~is_merged].drop_duplicates("product").set_index("product")[traits]
    has_own = is_merged & product.isin(own.index)
    for name in traits:
        events.loc[has_own, name] = product[has_own].map(own[name])
    return events


def _traits(before: pd.DataFrame, codes: NDArray[np.int64]) -> dict[int, tuple[str, str]]:
    """Return brand and segment of each product; empty when the file has neither."""
    if not set(_TRAIT_COLUMNS) & set(before):
        return {}
    empty = pd.Series("", index=before.index)
    brand, category, strain_type = (
        before[name].astype("string").fillna("") if name in before else empty
        for name in _TRAIT_COLUMNS
    )
    segments = [segment_of(*values) for values in zip(category, strain_type, strict=True)]
    return dict(zip(codes.tolist(), zip(brand, segments, strict=True), strict=True))
