"""Purchases of a file, before a moment and after it."""

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray

from config.errors import BadInput
from customers.recommendations import scoring
from customers.recommendations.segments import sort_of

_WANTED = ("customer", "product", "occurred_at")
_OPTIONAL = ("quantity", "kind", "store", "brand", "category", "strain_type")


class Split:
    """Purchases before a moment, to learn from, and after, to be foretold; customers, products, stores are codes."""

    def __init__(self, events: pd.DataFrame, *, cut: pd.Timestamp, until: pd.Timestamp) -> None:
        before = events[events["occurred_at"] <= cut]
        self._products, product = np.unique(before["product"].to_numpy(), return_inverse=True)
        self._customers, customer = np.unique(before["customer"].to_numpy(), return_inverse=True)
        stores = before["store"].to_numpy() if "store" in before else np.full(len(before), None)
        self.lines = pd.DataFrame(
            {
                "customer": customer,
                "product": product,
                "store": pd.factorize(stores)[0],  # -1 where it is not told
                "days": (cut - before["occurred_at"]).dt.total_seconds().to_numpy() / 86400,
                "quantity": before["quantity"].to_numpy(dtype=float),
                "weight": before["kind"].map(scoring.TELLING).fillna(0.0).to_numpy(),
                "is_purchase": (before["kind"] == "purchase").to_numpy(),
                "kind": before["kind"].to_numpy(),
                "is_bought": (before["kind"] == "purchase").to_numpy()
                & (before["quantity"] > 0).to_numpy(),
                "order": before.groupby(["customer", "occurred_at"]).ngroup().to_numpy(),
            }
        )
        self.lines = self.lines.sort_values(["customer", "days"], kind="stable", ignore_index=True)
        self.traits = _traits(before, product)
        self.relevant = self._foretold(
            events[(events["occurred_at"] > cut) & (events["occurred_at"] <= until)]
        )

    @property
    def size(self) -> int:
        """How many products could be recommended."""
        return len(self._products)

    @cached_property
    def bought(self) -> pd.DataFrame:
        """Each product of each order once, as often as it was bought."""
        lines = self.lines[self.lines["is_bought"]]
        return lines.drop_duplicates(["customer", "product", "order"])

    @cached_property
    def of_customer(self) -> dict[int, pd.DataFrame]:
        """What each of those who are asked about did before."""
        known = self.lines[self.lines["customer"].isin(list(self.relevant))]
        return {int(customer): lines for customer, lines in known.groupby("customer")}

    def _foretold(self, after: pd.DataFrame) -> dict[int, frozenset[int]]:
        """Return what each customer of before bought after, of the products of before."""
        after = after[(after["kind"] == "purchase") & (after["quantity"] > 0)]
        after = after[
            after["product"].isin(self._products) & after["customer"].isin(self._customers)
        ]
        customers = np.searchsorted(self._customers, after["customer"].to_numpy())
        products = np.searchsorted(self._products, after["product"].to_numpy())
        found = pd.Series(products).groupby(customers).agg(lambda own: frozenset(map(int, own)))
        return {int(customer): own for customer, own in found.items()}


def read_events(path: Path) -> pd.DataFrame:
    """
    Return what people did, of a Parquet file, oldest first.

    Columns: customer, product, occurred_at; and if they are there quantity, kind, store, brand, category, strain_type. Raises
    BadInput: no such file, another format, columns that are missing or not what they should be.
    """
    try:
        events = pd.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise BadInput(
            "events", f"cannot be read as Parquet ({str(error).splitlines()[0]})"
        ) from error
    missing = [name for name in _WANTED if name not in events]
    if missing:
        raise BadInput("events", f"lacks the column {', '.join(missing)}")
    events = events[[name for name in (*_WANTED, *_OPTIONAL) if name in events]].copy()
    for name in _WANTED:
        if events[name].isna().any():
            raise BadInput(name, "is empty in a row")
    if not pd.api.types.is_datetime64_any_dtype(events["occurred_at"]):
        raise BadInput("occurred_at", "must be a time")
    events["occurred_at"] = pd.to_datetime(events["occurred_at"], utc=True)
    if "quantity" not in events:
        events["quantity"] = 1
    if not pd.api.types.is_numeric_dtype(events["quantity"]) or events["quantity"].isna().any():
        raise BadInput("quantity", "must be a number in every row")
    if "kind" not in events:
        events["kind"] = "purchase"
    return events.sort_values("occurred_at", kind="stable", ignore_index=True)


def split_of(events: pd.DataFrame, *, test_days: int, back_days: int = 0) -> Split:
    """
    Return a split that foretells `test_days`, ending so many days before the last event.

    Raises BadInput: nothing is left before, or nobody of before bought after what there was before.
    """
    if events.empty:
        raise BadInput("events", "there are none")
    until = events["occurred_at"].max() - pd.Timedelta(days=back_days)
    cut = until - pd.Timedelta(days=test_days)
    if not (events["occurred_at"] <= cut).any():
        raise BadInput("test_days", f"nothing was done before the last {test_days} days")
    split = Split(events, cut=cut, until=until)
    if not split.relevant:
        raise BadInput("test_days", "nobody known bought a known product in the days to foretell")
    return split


def _traits(before: pd.DataFrame, codes: NDArray[np.int64]) -> dict[int, tuple[str, str]]:
    """Return brand and sort (category and strain type) of each product; nothing where the file tells of none."""
    if not {"brand", "category", "strain_type"} & set(before):
        return {}
    nothing = pd.Series("", index=before.index)
    brand, category, strain_type = (
        before[name].astype("string").fillna("") if name in before else nothing
        for name in ("brand", "category", "strain_type")
    )
    sorts = [sort_of(*told) for told in zip(category, strain_type, strict=True)]
    return dict(zip(codes.tolist(), zip(brand, sorts, strict=True), strict=True))
