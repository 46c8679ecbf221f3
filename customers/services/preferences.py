"""
Effective preferences of a customer: stated by the customer, else derived from purchases.

Preferences are derived from at most the last 200 purchase lines of 12 months: ranges cover the
middle 80 % of what was bought, strain types have a share of at least a fifth. Only for customers
with the consents `history` and `profiling`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import NumericRange
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from customers.models import CustomerProfile, Purchase
from customers.reference.consents import PROFILING_PURPOSES
from customers.reference.history import PURCHASE_DAYS
from customers.selectors.consents import active_purposes

MAX_PURCHASE_LINES = 200
_HISTORY_WINDOW = timedelta(days=PURCHASE_DAYS)
_MAX_ORDER_LINES = 2000
"""Purchase lines that the number and the average of orders are taken from, the newest first."""
_QUANTILES = (0.1, 0.9)
_MIN_VALUES = 3
_MIN_TYPE_SHARE = 0.2
_FREQUENCY_WINDOW = timedelta(days=90)
_BATCH_SIZE = 200
_RANGE_COLUMNS = {"thc_range": "thc", "cbd_range": "cbd", "price_range": "unit_price"}


def derive_due_preferences() -> int:
    """
    Derive the preferences of the customers that are due; return their number.

    Rows locked by another process are skipped.
    """
    derived_count = 0
    while True:
        with transaction.atomic():
            due = list(
                CustomerProfile.objects.select_for_update(skip_locked=True).filter(is_due=True)[
                    :_BATCH_SIZE
                ]
            )
            for customer in due:
                derive_preferences(customer)
        derived_count += len(due)
        if len(due) < _BATCH_SIZE:
            return derived_count


def derive_preferences(customer: CustomerProfile, *, now: datetime | None = None) -> None:
    """
    Derive and save the preferences of a customer whose row is locked.

    Without both consents the derived preferences are empty.
    """
    now = now or timezone.now()
    if active_purposes(customer) >= PROFILING_PURPOSES:
        lines = _purchase_lines(customer, now)
        customer.derived_preferences = _derive(lines[:MAX_PURCHASE_LINES])
        customer.purchase_frequency, customer.avg_spending = _order_statistics(lines, now)
    else:
        customer.derived_preferences = {}
        customer.purchase_frequency = None
        customer.avg_spending = None
    customer.is_due = False
    set_effective_preferences(customer)
    customer.save()


def set_effective_preferences(customer: CustomerProfile) -> None:
    """Set the unsaved `preferred_*` fields: the stated preferences, else the derived ones."""
    effective = {**customer.derived_preferences, **customer.stated_preferences}
    customer.preferred_thc_range = _numeric_range(effective.get("thc_range"))
    customer.preferred_cbd_range = _numeric_range(effective.get("cbd_range"))
    customer.preferred_price_range = _numeric_range(effective.get("price_range"))
    customer.preferred_strain_types = effective.get("strain_types")


def _numeric_range(bounds: Sequence[Any] | None) -> NumericRange | None:
    """Return the range column value for two numbers, both bounds included."""
    if not bounds:
        return None
    lower, upper = bounds
    return NumericRange(Decimal(str(lower)), Decimal(str(upper)), "[]")


def _purchase_lines(customer: CustomerProfile, now: datetime) -> Sequence[Mapping[str, Any]]:
    rows = Purchase.objects.filter(
        customer=customer, purchased_at__gt=now - _HISTORY_WINDOW
    ).order_by("-purchased_at", "quantity")
    return list(
        rows.values(
            "store_id",
            "order_id",
            "purchased_at",
            "quantity",
            "unit_price",
            effective_product=Coalesce("product__merged_into_id", "product_id"),
            thc=F("product__thc_percentage"),
            cbd=F("product__cbd_percentage"),
            strain_type=F("product__strain_type"),
        )[:_MAX_ORDER_LINES]
    )


def _derive(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    derived: dict[str, Any] = {}
    net_lines = _net_of_returns(lines)
    for field, column in _RANGE_COLUMNS.items():
        values = [
            float(line[column])
            for line, quantity in net_lines
            if line[column] is not None
            for _ in range(quantity)
        ]
        if len(values) >= _MIN_VALUES:
            derived[field] = [round(float(bound), 2) for bound in np.quantile(values, _QUANTILES)]
    counts = Counter[str]()
    for line, quantity in net_lines:
        if line["strain_type"]:
            counts[line["strain_type"]] += quantity
    total = sum(counts.values())
    if total >= _MIN_VALUES:
        derived["strain_types"] = sorted(
            strain_type for strain_type, count in counts.items() if count >= _MIN_TYPE_SHARE * total
        )
    return {field: value for field, value in derived.items() if value}


def _net_of_returns(
    lines: Sequence[Mapping[str, Any]],
) -> list[tuple[Mapping[str, Any], int]]:
    """
    Return the purchase lines, newest first, with what the customer kept of each.

    A return takes units from the newest purchases of the same product before it, where merged
    products are the same; a return without a purchase counts for nothing.
    """
    returned: Counter[UUID] = Counter()
    net_lines: list[tuple[Mapping[str, Any], int]] = []
    for line in lines:
        quantity = line["quantity"]
        if quantity < 0:
            returned[line["effective_product"]] -= quantity
            continue
        taken = min(quantity, returned[line["effective_product"]])
        returned[line["effective_product"]] -= taken
        if quantity > taken:
            net_lines.append((line, quantity - taken))
    return net_lines


def _order_statistics(
    lines: Sequence[Mapping[str, Any]], now: datetime
) -> tuple[int, Decimal | None]:
    """
    Return the orders in the last 90 days, and the dollars per order in 12 months.

    Of what the customer kept: an order that was returned whole is none. Receipt numbers are unique
    within a store only.
    """
    orders: dict[tuple[Any, str], Decimal] = defaultdict(Decimal)
    recent = set()
    for line, quantity in _net_of_returns(lines):
        order = (line["store_id"], line["order_id"])
        orders[order] += quantity * line["unit_price"]
        if line["purchased_at"] > now - _FREQUENCY_WINDOW:
            recent.add(order)
    if not orders:
        return 0, None
    average = sum(orders.values(), Decimal(0)) / len(orders)
    return len(recent), average.quantize(Decimal("0.01"))
