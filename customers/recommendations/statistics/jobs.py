"""
Scheduled jobs that update the statistics tables.

Every job is safe to repeat, keeps the old rows visible until it commits, and waits for another run
of the same job.
"""

from array import array as column
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import numpy as np
import pglock
from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone

from customers.models import (
    ProductNeighbor,
    ProductPopularity,
    ProductRepeatStatistics,
    Purchase,
    StoreRepeatStatistics,
)
from customers.recommendations.statistics import popularity, queries, repeats
from customers.recommendations.statistics.repeats import CustomerHistory, WindowCounts
from customers.reference.history import PURCHASE_DAYS
from mlops.sql_arrays import array

if TYPE_CHECKING:
    from customers.recommendations.statistics.co_purchase import NeighborPairs

# scipy is imported by the functions that need it, to keep it out of processes that only serve.

NEIGHBOR_WINDOW_DAYS = 180
POPULARITY_WINDOW_DAYS = 180
RETENTION_DAYS = 400
"""Time for which rows of the store statistics are kept."""
MAX_SAMPLED_CUSTOMERS = 2_000
_FETCH_SIZE = 10_000


class ProductColumns(NamedTuple):
    """Rows as columns: product code of each row (n,), other columns (n,); products by code."""

    products: list[UUID]
    codes: np.ndarray
    numbers: list[np.ndarray]


def update_product_neighbors(*, now: datetime | None = None) -> int:
    """
    Update the co-purchase neighbors from 180 days of purchases; return the number of pairs.

    Pairs with fewer than three distinct buyers are left out: they could reveal who bought them.
    """
    moment = now or timezone.now()
    with pglock.advisory("update product neighbors"):
        products, neighbors = compute_neighbors(moment)
        params = [
            array(products[code] for code in neighbors.products.tolist()),
            array(products[code] for code in neighbors.neighbors.tolist()),
            array(neighbors.scores.tolist()),
            array(neighbors.buyers.tolist()),
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(queries.REPLACE_NEIGHBORS, params)
            return ProductNeighbor.objects.count()


def compute_neighbors(moment: datetime) -> tuple[list[UUID], "NeighborPairs"]:
    """Return products by code, and their neighbors from the purchases up to a moment."""
    from customers.recommendations.statistics import co_purchase

    params = {"now": moment, "days": NEIGHBOR_WINDOW_DAYS, "period": co_purchase.PERIOD_DAYS}
    purchases = read_columns(queries.JOINT_PURCHASES, params, types="qq")
    buyers, periods = purchases.numbers
    neighbors = co_purchase.find_neighbors(buyers, purchases.codes, periods=periods)
    return purchases.products, neighbors


def update_product_popularity(*, now: datetime | None = None) -> int:
    """Update the popularity in each store and overall from 180 days; return the number of rows."""
    moment = now or timezone.now()
    with pglock.advisory("update product popularity"):
        store_codes: dict[UUID, int] = {}
        sales = read_columns(
            queries.SALES,
            {"now": moment, "days": POPULARITY_WINDOW_DAYS},
            types="qqd",
            store_codes=store_codes,
        )
        store_numbers, order_hashes, days = sales.numbers
        _, orders = np.unique(order_hashes, return_inverse=True)
        found = popularity.score_popularity(store_numbers, sales.codes, orders, days)
        stores: list[UUID | None] = [*store_codes, None]  # the last one is ALL_STORES, -1
        params: list[Any] = [
            array(stores[code] for code in found.stores.tolist()),
            array(sales.products[code] for code in found.products.tolist()),
            array(found.scores.tolist()),
            array(found.orders.tolist()),
            moment,
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(queries.REPLACE_POPULARITY, params)
            return ProductPopularity.objects.count()


def update_repeat_statistics(*, now: datetime | None = None) -> int:
    """
    Update orders per buyer and the store statistics; return the number of products with statistics.

    Histories are those of customers who consent to profiling, sales by segment those of all.
    Products with fewer than three buyers are left out. Each run adds a row of store statistics,
    unless there are no purchases.
    """
    from customers.recommendations.statistics import co_purchase

    moment = now or timezone.now()
    with pglock.advisory("update repeat statistics"):
        params = {"now": moment, "days": PURCHASE_DAYS}
        orders = read_columns(queries.PROFILED_ORDERS, params, types="q")
        found = repeats.compute_orders_per_buyer(orders.numbers[0], orders.codes)
        is_kept = found.buyers >= co_purchase.MIN_BUYERS
        sales_by_segment = _sales_by_segment(moment)
        counts = _test_window_counts(moment)
        rows = [
            array(orders.products[code] for code in found.products[is_kept].tolist()),
            array(found.orders[is_kept].tolist()),
            array(found.buyers[is_kept].tolist()),
        ]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(queries.REPLACE_REPEATS, rows)
            expired = moment - timedelta(days=RETENTION_DAYS)
            StoreRepeatStatistics.objects.filter(counted_at__lt=expired).delete()
            if orders.products or sales_by_segment:
                StoreRepeatStatistics.objects.create(
                    counted_at=moment,
                    repeats=counts.repeats,
                    predicted_hits=counts.predicted_hits,
                    discovery_ratio=repeats.compute_discovery_ratio(
                        counts, days=_data_days(moment)
                    ),
                    segment_shares=_shares(sales_by_segment),
                )
            return ProductRepeatStatistics.objects.count()


def read_columns(
    sql: str, params: dict[str, Any], *, types: str, store_codes: dict[UUID, int] | None = None
) -> ProductColumns:
    """
    Return the rows of a query as columns; its first column is the product.

    types: of the other columns, q integer or d float. store_codes: is filled when the second column
    is a store, which becomes its code, -1 for NULL.
    """
    products: dict[UUID, int] = {}
    codes = column("q")
    numbers = [column(kind) for kind in types]
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(_FETCH_SIZE):
            _append(rows, products, codes, numbers, store_codes)
    dtypes = {"q": np.int64, "d": np.float64}
    arrays = [
        np.array(values, dtype=dtypes[kind]) for values, kind in zip(numbers, types, strict=True)
    ]
    return ProductColumns(list(products), np.array(codes, dtype=np.int64), arrays)


def _append(
    rows: Sequence[Sequence[Any]],
    products: dict[UUID, int],
    codes: column,
    numbers: list[column],
    store_codes: dict[UUID, int] | None,
) -> None:
    for product, first, *others in rows:
        codes.append(products.setdefault(product, len(products)))
        number = first
        if store_codes is not None:
            number = -1 if first is None else store_codes.setdefault(first, len(store_codes))
        for values, value in zip(numbers, (number, *others), strict=True):
            values.append(value)


def _data_days(moment: datetime) -> float:
    """Return the age of the first purchase in days; 0 without purchases."""
    purchases = Purchase.objects.filter(purchased_at__lte=moment)
    first = purchases.aggregate(at=Min("purchased_at"))["at"]
    return (moment - first).total_seconds() / 86400 if first else 0.0


def _sales_by_segment(moment: datetime) -> dict[str, int]:
    """Return the number of orders of 180 days by segment; an empty segment is unknown."""
    with connection.cursor() as cursor:
        params: dict[str, Any] = {"now": moment, "days": POPULARITY_WINDOW_DAYS}
        cursor.execute(queries.SALES_BY_SEGMENT, params)
        return dict(cursor.fetchall())


def _shares(sales_by_segment: dict[str, int]) -> dict[str, float]:
    """Return the share of each known segment."""
    total = sum(count for segment, count in sales_by_segment.items() if segment)
    return {segment: count / total for segment, count in sales_by_segment.items() if segment}


def _test_window_counts(moment: datetime) -> WindowCounts:
    """Compare the purchases of the last days with the predictions from before."""
    cut = moment - timedelta(days=repeats.TEST_WINDOW_DAYS)
    histories = _sample_histories(cut, moment)
    if not histories:
        return WindowCounts(0, 0)
    products, neighbors = compute_neighbors(cut)
    scores: dict[UUID, dict[UUID, float]] = {}
    pairs = zip(
        neighbors.products.tolist(),
        neighbors.neighbors.tolist(),
        neighbors.scores.tolist(),
        strict=True,
    )
    for product, neighbor, score in pairs:
        scores.setdefault(products[product], {})[products[neighbor]] = score
    return repeats.count_test_window(histories, scores)


def _sample_histories(cut: datetime, moment: datetime) -> list[CustomerHistory[UUID]]:
    """Return histories before the cut, and purchases after it, of at most 2,000 customers."""
    params: dict[str, Any] = {
        "cut": cut,
        "now": moment,
        "days": PURCHASE_DAYS,
        "limit": MAX_SAMPLED_CUSTOMERS,
    }
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(queries.SAMPLED_HISTORIES, params)
        rows = chain.from_iterable(iter(partial(cursor.fetchmany, _FETCH_SIZE), []))
        return [_history(entries) for _, entries in groupby(rows, key=itemgetter(0))]


def _history(entries: Iterable[tuple[Any, UUID, str, float, float]]) -> CustomerHistory[UUID]:
    purchased: dict[str, set[UUID]] = {"before": set(), "after": set()}
    signals = []
    for _, product, kind, weight, days in entries:
        if kind in purchased:
            purchased[kind].add(product)
        else:
            signals.append((product, days, weight))
    return CustomerHistory(
        products=[product for product, _, _ in signals],
        days=np.array([days for _, days, _ in signals], dtype=float),
        weights=np.array([weight for _, _, weight in signals], dtype=float),
        purchased_before=purchased["before"],
        purchased_after=purchased["after"],
    )
